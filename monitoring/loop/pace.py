"""Do debtors pay as often as they used to? Payments counted against those that the loans' ages foretell.

Money is lumpy: one settlement in full outweighs a hundred instalments, so that a month's cash says little of the
level. How many payments came says three times as much. What was to be expected is reckoned as in epidemiology:
rates by time with us, from the two years before, times the months that the loans spent there (indirect
standardisation; Breslow and Day 1987, IARC Scientific Publications 82). Payments count when they become known, on
both sides, so that what is still on its way is missing from neither.
"""

from dataclasses import asdict, dataclass
from datetime import datetime

import numpy as np
import polars as pl
from scipy.stats import chi2

from features.lake import Lake
from training import recovery

MONTHS, REFERENCE_MONTHS = 2, 24
"""How long the recent window is, and that before it."""
_EDGES = np.array([0.0, 3.0, 6.0, 12.0, 24.0, 36.0, np.inf])
_MONTH = 365.25 / 12 * 86_400
_FEWEST = 20
_LEVEL = 0.95


@dataclass(frozen=True)
class Pace:
    """Payments that became known in a window.

    Attributes
    ----------
    payments : int
    foretold : float
        By the loans' time with us.
    factor, low, high : float
        The one over the other, and its 95 % interval (exact, of a Poisson count).
    """

    payments: int
    foretold: float
    factor: float
    low: float
    high: float

    def level(self) -> dict[str, float]:
        """Return what a model's level is to be moved by, for its card; nothing where chance explains it."""
        return {} if self.low <= 1 <= self.high else asdict(self)

    def line(self) -> str:
        """Return one sentence."""
        return (
            f"{self.payments:,} payments in {MONTHS} months where {self.foretold:,.0f} were to be expected: "
            f"{self.factor:.2f} times ({self.low:.2f} to {self.high:.2f})"
        )


def measure(lake: Lake, source: str, until: datetime) -> Pace | None:
    """Count a source's payments in the months before a moment (UTC).

    Returns
    -------
    Pace or None
        None where payments have no dates, or too few were to be expected.
    """
    loans = recovery.charged_off(lake, source, until).select("loan_id", "cutoff")
    payments = lake.scan("payments", source).filter(pl.col("known_at") <= until)
    dated = payments.filter(pl.col("kind") != "cumulative_recovery").select("loan_id", "known_at").collect()
    came = dated.join(loans, on="loan_id").filter(pl.col("known_at") >= pl.col("cutoff"))
    since = _before(until, MONTHS)
    recent = _Window(loans, came, since, until)
    usual = _Window(loans, came, _before(since, REFERENCE_MONTHS), since)
    rates = usual.counts / np.maximum(usual.months, 1e-9)
    foretold = float((rates * recent.months).sum())
    if foretold < _FEWEST:
        return None
    count = int(recent.counts.sum())
    tail = (1 - _LEVEL) / 2
    low = chi2.ppf(tail, 2 * count) / 2 if count else 0.0
    high = chi2.ppf(1 - tail, 2 * count + 2) / 2
    return Pace(count, foretold, count / foretold, float(low / foretold), float(high / foretold))


class _Window:
    """Payments and loan-months by time with us, each of shape (bands,)."""

    def __init__(self, loans: pl.DataFrame, came: pl.DataFrame, since: datetime, until: datetime):
        within = came.filter(pl.col("known_at") > since, pl.col("known_at") <= until)
        age = (_seconds(within["known_at"]) - _seconds(within["cutoff"])) / _MONTH
        self.counts = np.histogram(age, _EDGES)[0]
        start = _seconds(loans["cutoff"])[:, None]
        first = np.maximum(start + _EDGES[:-1] * _MONTH, since.timestamp())
        last = np.minimum(start + _EDGES[1:] * _MONTH, until.timestamp())
        self.months = np.maximum(last - first, 0.0).sum(axis=0) / _MONTH


def _seconds(moments: pl.Series) -> np.ndarray:
    return moments.dt.epoch("us").to_numpy() / 1e6


def _before(moment: datetime, months: int) -> datetime:
    return pl.Series([moment]).dt.offset_by(f"-{months}mo").item()
