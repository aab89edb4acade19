"""How good the scores of a chunk are: estimated before outcomes are known, realised after, and how far apart.

The estimate rests on the model alone: if a score of p is right, it comes true p times in a hundred, so that
the expected value of any metric follows from the scores (confidence-based performance estimation: Białek et
al. 2024, arXiv:2401.08348). What the estimate misses is what the model does not know of itself.
"""

from dataclasses import asdict, dataclass
from datetime import datetime

import numpy as np
import polars as pl

from monitoring.alerts import PERFORMANCE
from monitoring.drift import Finding
from monitoring.money import Vintage
from monitoring.thresholds import SCORE, Performance
from monitoring.windows import Chunk, Window

_NEARLY = 1e-6
REACHED, LOG_LOSS, TO_DATE, IN_A_YEAR = "reached", "log loss", "recovered to date", "recovered in a year"


@dataclass(frozen=True)
class Measured:
    """A metric of one chunk.

    Attributes
    ----------
    metric : str
        ``reached`` (share of attempts), ``log loss`` (nats an attempt), ``recovered to date`` (share of what
        is owed, within as many months as the vintage has lived through) or ``recovered in a year``.
    start, end : datetime
        The chunk.
    estimated : float
        From the scores, before outcomes are known.
    realised : float, optional
        From the outcomes, where labels are ripe.
    finding : Finding, optional
        Whether the two differ by more than chance explains.
    """

    metric: str
    start: datetime
    end: datetime
    estimated: float
    realised: float | None
    finding: Finding | None = None

    @property
    def error(self) -> float | None:
        """By how much the estimate proved to be wrong: estimated less realised."""
        return None if self.realised is None else self.estimated - self.realised

    def to_json(self) -> dict[str, object]:
        """Return plain values, with what follows from them."""
        return asdict(self) | {"error": self.error}


def contacts(window: Window, rule: Performance) -> list[Measured]:
    """Measure the contact model in each chunk that has attempts.

    Parameters
    ----------
    window : Window
        Attempts with ``score`` and ``outcome`` (1 when the right party was reached).
    rule : Performance
    """
    weeks = window.reference.with_columns(week=pl.col("moment").dt.truncate("1w")).partition_by("week")
    usual = sorted(_gap(week) for week in weeks)
    found = []
    for chunk in window.chunks:
        if not chunk.frame.is_empty():
            found += _contacts(chunk, usual, rule)
    return found


def recoveries(vintages: list[Vintage]) -> list[Measured]:
    """Measure the recovery model in each vintage: to date where it has lived a month, and within a year."""
    found = []
    for one in (vintage for vintage in vintages if vintage.owed > 0):
        if one.causes:
            expected, received = one.causes.expected / one.owed, one.causes.received / one.owed
            found.append(Measured(TO_DATE, one.start, one.end, expected, received))
        came = None if one.realised_year is None else one.realised_year / one.owed
        found.append(Measured(IN_A_YEAR, one.start, one.end, one.estimated_year / one.owed, came))
    return found


def estimated_log_loss(scores: np.ndarray) -> float:
    """Return the log loss (nats) that calibrated chances, shape (n,), are expected to have: their entropy.

    Examples
    --------
    >>> round(estimated_log_loss(np.array([0.5, 0.5])), 4)
    0.6931
    """
    chance = np.clip(scores, _NEARLY, 1 - _NEARLY)
    return float(-(chance * np.log(chance) + (1 - chance) * np.log1p(-chance)).mean())


def _contacts(chunk: Chunk, usual: list[float], rule: Performance) -> list[Measured]:
    scores, outcomes = chunk.frame[SCORE].to_numpy(), chunk.frame["outcome"].to_numpy()
    chance = np.clip(scores, _NEARLY, 1 - _NEARLY)
    realised = float(-np.where(outcomes > 0, np.log(chance), np.log1p(-chance)).mean())
    return [
        Measured(REACHED, chunk.start, chunk.end, float(scores.mean()), float(outcomes.mean()),
                 _judged(_gap(chunk.frame), usual, rule)),
        Measured(LOG_LOSS, chunk.start, chunk.end, estimated_log_loss(scores), realised),
    ]  # fmt: skip


def _gap(attempts: pl.DataFrame) -> float:
    """Return by what share of the expected contacts the reached ones differ."""
    expected, reached = float(attempts[SCORE].to_numpy().sum()), float(attempts["outcome"].to_numpy().sum())
    return abs(reached - expected) / max(expected, _NEARLY)


def _judged(gap: float, usual: list[float], rule: Performance) -> Finding | None:
    """Return whether a gap is wider than those of all but a few of the reference's weeks."""
    allowed = int(rule.false_alarms * (len(usual) + 1))
    if not allowed:
        return None
    threshold = max(usual[-allowed], rule.least)
    p = (1 + sum(other >= gap for other in usual)) / (len(usual) + 1)
    return Finding(REACHED, PERFORMANCE, "share of expected", gap, threshold, p, gap > threshold)
