"""The average recovery curve: how much of what is owed comes in by when, on the whole.

Vintages of every age count, each for what it has lived through: the mean increments between horizons
are chained, as a chain ladder does with claims (Mack 1993, doi:10.2143/AST.23.2.2005092, in its
additive form). A model that predicts multiples of this curve need not learn time anew in every leaf.
Beyond the longest horizon lived the increments go on falling as they did: exponential decay, a usual
tail of a chain ladder (Clark 2003, "LDF curve-fitting and stochastic reserving"). The few loans that lived
through the longest horizons say little: an increment counts by its credibility (Bühlmann 1967,
doi:10.1017/S0515036100008989) beside the one that such a decay foretells.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

_LEAST = 1e-6
_SLOWEST = float(np.log(2) / 36)
"""Slowest decay that is believed, per month: increments halve every three years."""


@dataclass(frozen=True)
class HorizonCurve:
    """Mean cumulative recovery rate at horizons.

    Attributes
    ----------
    horizons : ndarray, shape (k,)
        Months ahead, rising; what lies beyond the last is extrapolated.
    shares : ndarray, shape (k,)
        Share of what is owed, rising.
    rate, decay : float
        Share that comes in per month after the last horizon, and how fast that falls, per month.
    """

    horizons: np.ndarray
    shares: np.ndarray
    rate: float = 0.0
    decay: float = _SLOWEST

    @classmethod
    def fit(cls, rows: pl.DataFrame) -> "HorizonCurve":
        """Chain the mean increments of loans as they came to us.

        Parameters
        ----------
        rows : polars.DataFrame
            ``entity``, ``moment``, ``horizon_months_asked`` and ``target``; of an entity's moments the
            first counts: later ones have less ahead of them and have lived through shorter horizons.
        """
        known = (
            steps(rows)
            .group_by("horizon_months_asked", maintain_order=True)
            .agg(pl.col("step").mean(), pl.len(), error=pl.col("step").std() / pl.len().sqrt())
            .with_columns(pl.col("error").fill_null(np.inf))
        )
        horizons, seen, count, error = (
            known[name].to_numpy() for name in ("horizon_months_asked", "step", "len", "error")
        )
        increments = _believed(horizons, seen, count, error)
        return cls(horizons, np.maximum(increments.cumsum(), _LEAST), *_tail(horizons, increments, count))

    def at(self, months: np.ndarray) -> np.ndarray:
        """Return the mean share at horizons (months): straight between those known, extrapolated beyond.

        Examples
        --------
        >>> curve = HorizonCurve(np.array([12.0, 24.0]), np.array([0.04, 0.05]), rate=0.0005, decay=0.05)
        >>> curve.at(np.array([6, 12, 18, 24, 36, 1200])).round(4).tolist()
        [0.02, 0.04, 0.045, 0.05, 0.0545, 0.06]
        """
        beyond = np.maximum(np.asarray(months) - self.horizons[-1], 0.0)
        known = np.interp(months, [0.0, *self.horizons], [_LEAST, *self.shares])
        return known - self.rate / self.decay * np.expm1(-self.decay * beyond)

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> "HorizonCurve":
        """Read what `to_card` wrote."""
        return cls(np.array(card["horizons"]), np.array(card["shares"]), card["rate"], card["decay"])

    def to_card(self) -> dict[str, Any]:
        """Return plain lists and numbers."""
        return asdict(self) | {"horizons": self.horizons.tolist(), "shares": self.shares.tolist()}


def steps(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of each entity's first moment by rising horizon, with what each adds to the one before: ``step``.

    Parameters
    ----------
    rows : polars.DataFrame
        See `HorizonCurve.fit`.
    """
    return (
        rows.filter(pl.col("moment") == pl.col("moment").min().over("entity"))
        .sort("horizon_months_asked")
        .with_columns(pl.col("target").diff().over("entity").fill_null(pl.col("target")).alias("step"))
    )


def _believed(horizons: np.ndarray, seen: np.ndarray, count: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return increments as far as they can be believed, and for the rest what those before them foretell.

    What is foretold may be off by as much as itself.
    """
    increments = seen.copy()
    for place in range(2, len(horizons)):
        rate, decay = _tail(horizons[:place], increments[:place], count[:place])
        foretold = -rate / decay * np.expm1(-decay * (horizons[place] - horizons[place - 1]))
        if foretold > 0:
            belief = 1 / (1 + (error[place] / foretold) ** 2)
            increments[place] = belief * seen[place] + (1 - belief) * foretold
    return increments


def _tail(horizons: np.ndarray, increments: np.ndarray, count: np.ndarray) -> tuple[float, float]:
    """Return rate and decay after the last horizon, from the line through the logarithms of the monthly rates.

    A horizon weighs as much as the loans that lived it. Fewer than two increments show no decay: no tail.
    """
    edges = np.array([0.0, *horizons])
    paid = increments > 0
    if paid.sum() < 2:
        return 0.0, _SLOWEST
    rates, middles = (increments / np.diff(edges))[paid], ((edges[1:] + edges[:-1]) / 2)[paid]
    slope, _ = np.polyfit(middles, np.log(rates), 1, w=np.sqrt(count[paid]))
    decay = max(-float(slope), _SLOWEST)
    level = np.average(np.log(rates) + decay * middles, weights=count[paid])
    return float(np.exp(level - decay * horizons[-1])), decay
