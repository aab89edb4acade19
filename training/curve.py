"""The average recovery curve: how much of what is owed comes in by when, on the whole.

Vintages of every age count, each for what it has lived through: the mean increments between horizons
are chained, as a chain ladder does with claims (Mack 1993, doi:10.2143/AST.23.2.2005092, in its
additive form). A model that predicts multiples of this curve need not learn time anew in every leaf.
Beyond the longest horizon lived the increments go on falling as the last two did: exponential decay,
the usual tail of a chain ladder (Clark 2003, "LDF curve-fitting and stochastic reserving").
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

_LEAST = 1e-6
_SLOWEST = np.log(2) / 36
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
    """

    horizons: np.ndarray
    shares: np.ndarray

    @classmethod
    def fit(cls, rows: pl.DataFrame) -> "HorizonCurve":
        """Chain the mean increments of loans as they came to us.

        Parameters
        ----------
        rows : polars.DataFrame
            ``entity``, ``moment``, ``horizon_months_asked`` and ``target``; of an entity's moments the
            first counts: later ones have less ahead of them and have lived through shorter horizons.
        """
        steps = (
            rows.select("entity", "moment", "horizon_months_asked", "target")
            .filter(pl.col("moment") == pl.col("moment").min().over("entity"))
            .sort("horizon_months_asked")
            .with_columns(pl.col("target").diff().over("entity").fill_null(pl.col("target")).alias("step"))
            .group_by("horizon_months_asked", maintain_order=True)
            .agg(pl.col("step").mean())
        )
        shares = np.maximum(steps["step"].to_numpy().cumsum(), _LEAST)
        return cls(steps["horizon_months_asked"].to_numpy(), shares)

    def at(self, months: np.ndarray) -> np.ndarray:
        """Return the mean share at horizons (months): straight between those known, extrapolated beyond.

        Examples
        --------
        >>> curve = HorizonCurve(np.array([12.0, 24.0]), np.array([0.04, 0.05]))
        >>> curve.at(np.array([6, 12, 18, 24, 36])).round(4).tolist()
        [0.02, 0.04, 0.045, 0.05, 0.0527]
        >>> HorizonCurve(np.array([120.0]), np.array([0.1])).at(np.array([60, 240])).round(4).tolist()
        [0.05, 0.1]
        """
        rate, decay = self._tail
        beyond = np.maximum(np.asarray(months) - self.horizons[-1], 0.0)
        known = np.interp(months, [0.0, *self.horizons], [_LEAST, *self.shares])
        return known - rate / decay * np.expm1(-decay * beyond)

    @cached_property
    def _tail(self) -> tuple[float, float]:
        """Return what comes in per month after the last horizon, and how fast it decays, per month."""
        if len(self.horizons) < 2:
            return 0.0, _SLOWEST
        edges, shares = np.array([0.0, *self.horizons])[-3:], np.array([0.0, *self.shares])[-3:]
        before, last = np.diff(shares) / np.diff(edges)
        if last <= 0:
            return 0.0, _SLOWEST
        decay = max(np.log(max(before, last) / last) / ((edges[2] - edges[0]) / 2), _SLOWEST)
        return last * np.exp(-decay * (edges[2] - edges[1]) / 2), decay

    @classmethod
    def from_card(cls, card: dict[str, list[float]]) -> "HorizonCurve":
        """Read what `to_card` wrote."""
        return cls(np.array(card["horizons"]), np.array(card["shares"]))

    def to_card(self) -> dict[str, list[float]]:
        """Return plain lists."""
        return {"horizons": self.horizons.tolist(), "shares": self.shares.tolist()}
