"""Champion and challenger on what came in since both were trained: rows that neither has learnt from.

Recovery is judged by cash. Every loan on the book when the trial began, and every loan that came since, is valued
by both at the trial's beginning or its own arrival, for the months until now: what each expected of it is set
against what became known to have come in. Contact is judged by the attempts since, scored a second before each.
Differences are paired, row by row, and drawn again by debtor for an interval.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import rankdata

from features.store import FeatureDoor
from monitoring.validation.statistics import intervals
from training import contact, recovery
from training.package import ModelPackage

LEVEL = 0.80
"""Of the intervals: their upper end is below zero where nine draws in ten are."""
_MONTH = 365.25 / 12 * 86_400
_NEARLY = 1e-6
_LARGE = 100
"""From here on figures are money, and written without decimals."""


@dataclass(frozen=True)
class Measure:
    """One figure of both sides.

    Attributes
    ----------
    name : str
    champion, challenger : float
    low, high : float
        80 % interval of the challenger's less the champion's.
    error : bool
        Whether less is better.
    """

    name: str
    champion: float
    challenger: float
    low: float
    high: float
    error: bool

    @property
    def better(self) -> bool:
        """Whether the challenger's is better by more than chance."""
        return self.high < 0 if self.error else self.low > 0

    @property
    def worse(self) -> bool:
        """Whether it is worse by more than chance."""
        return self.low > 0 if self.error else self.high < 0

    def line(self) -> str:
        """Return the figures as text."""
        form = ",.0f" if max(abs(self.champion), abs(self.challenger)) >= _LARGE else ".4f"
        both = f"{self.champion:{form}} by the champion and {self.challenger:{form}} by the challenger"
        return f"{self.name} {both} (the difference is {self.low:+{form}} to {self.high:+{form}})"


@dataclass(frozen=True)
class Comparison:
    """What both sides did on the rows of a trial.

    Attributes
    ----------
    since, until : str
        ISO 8601, UTC.
    rows, debtors : int
    measures : list of Measure
        The first decides, the others must not be worse; none where there are no rows.
    """

    since: str
    until: str
    rows: int
    debtors: int
    measures: list[Measure]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def compare(door: FeatureDoor, champion: ModelPackage, challenger: ModelPackage, until: datetime) -> Comparison:
    """Compare two versions of a model on rows that neither has learnt from.

    Parameters
    ----------
    door : FeatureDoor
        With marts that are up to date.
    champion, challenger : ModelPackage
    until : datetime
        What was known by then counts (UTC).
    """
    since = max(datetime.fromisoformat(side.card.as_of) for side in (champion, challenger))
    name = champion.card.name
    rows = _ROWS[name](door, champion.card.source, since, until)
    if rows.is_empty():
        return Comparison(since.isoformat(), until.isoformat(), 0, 0, [])
    sides = [side.scores(door.frame(side.card.service, rows), threads=2) for side in (champion, challenger)]
    cluster = rows["borrower_id"].fill_null(rows["entity"].cast(pl.String)).to_numpy()
    measures = _MEASURES[name](rows, sides, cluster)
    return Comparison(since.isoformat(), until.isoformat(), rows.height, len(set(cluster)), measures)


def _loans(door: FeatureDoor, source: str, since: datetime, until: datetime) -> pl.DataFrame:
    """Return each loan with what it owed at the trial's beginning or its arrival, and what came in since."""
    loans = recovery.charged_off(door.lake, source, until).filter(pl.col("cutoff") < until)
    paid = door.lake.scan("payments", source).filter(pl.col("known_at") <= until)
    paid = paid.filter(pl.col("kind") != "cumulative_recovery")
    before = pl.col("known_at") <= since
    cash = paid.group_by("loan_id").agg(
        before=pl.col("amount").filter(before).sum(), received=pl.col("amount").filter(~before).sum()
    )
    moment = pl.max_horizontal("cutoff", pl.lit(since).cast(pl.Datetime("us", "UTC")))
    seconds = (pl.lit(until).cast(pl.Datetime("us", "UTC")) - moment).dt.total_seconds()
    valued = loans.join(cash.collect(), on="loan_id", how="left").with_columns(
        pl.col("before", "received").fill_null(0.0),
        moment=moment,
        horizon_months_asked=seconds / _MONTH,
        entity="loan_id",
    )
    valued = valued.with_columns(owed=pl.col("balance") - pl.col("before"))
    return valued.filter(pl.col("owed") > 0, pl.col("horizon_months_asked") > 0)


def _attempts(door: FeatureDoor, source: str, since: datetime, until: datetime) -> pl.DataFrame:
    return contact.rows(door.lake, source, until).filter(pl.col("moment") > since)


def _money(rows: pl.DataFrame, sides: list[np.ndarray], cluster: np.ndarray) -> list[Measure]:
    owed, received = rows["owed"].to_numpy(), rows["received"].to_numpy()
    expected = np.column_stack([owed * scores for scores in sides])
    missed = expected - received[:, None]
    rate = received / owed
    return _measured(
        {
            "cash missed": (True, lambda at: np.abs(missed[at].sum(axis=0))),
            "rank correlation": (False, lambda at: np.array([_spearman(side[at], rate[at]) for side in sides])),
        },
        cluster,
    )


def _chances(rows: pl.DataFrame, sides: list[np.ndarray], cluster: np.ndarray) -> list[Measure]:
    reached = rows["target"].to_numpy()
    clipped = [np.clip(side, _NEARLY, 1 - _NEARLY) for side in sides]
    loss = np.column_stack([-np.log(np.where(reached > 0, side, 1 - side)) for side in clipped])
    return _measured({"log loss": (True, lambda at: loss[at].mean(axis=0))}, cluster)


def _measured(
    figures: dict[str, tuple[bool, Callable[[np.ndarray], np.ndarray]]], cluster: np.ndarray
) -> list[Measure]:
    """Return each figure of both sides with the interval of its difference, all from the same draws."""
    every = np.arange(len(cluster))

    def differences(at: np.ndarray) -> np.ndarray:
        return np.array([np.diff(figure(at))[0] for _, figure in figures.values()])

    low, high = intervals(differences, cluster, LEVEL)
    found = []
    for place, (name, (error, figure)) in enumerate(figures.items()):
        champion, challenger = figure(every).tolist()
        found.append(Measure(name, champion, challenger, float(low[place]), float(high[place]), error))
    return found


def _spearman(scores: np.ndarray, realised: np.ndarray) -> float:
    """Return Spearman's correlation; none where either side says the same of all."""
    if np.ptp(scores) == 0 or np.ptp(realised) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(scores), rankdata(realised))[0, 1])


_ROWS: dict[str, Callable[[FeatureDoor, str, datetime, datetime], pl.DataFrame]] = {
    recovery.TASK.name: _loans,
    contact.TASK.name: _attempts,
}
_MEASURES: dict[str, Callable[[pl.DataFrame, list[np.ndarray], np.ndarray], list[Measure]]] = {
    recovery.TASK.name: _money,
    contact.TASK.name: _chances,
}
