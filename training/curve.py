"""The average recovery curve: how much of what is owed comes in by when, on the whole.

Vintages of every age count, each for what it has lived through: the mean increments between horizons
are chained, as a chain ladder does with claims (Mack 1993, doi:10.2143/AST.23.2.2005092, in its
additive form). A model that predicts multiples of this curve need not learn time anew in every leaf.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

_LEAST = 1e-6


@dataclass(frozen=True)
class HorizonCurve:
    """Mean cumulative recovery rate at horizons.

    Attributes
    ----------
    horizons : ndarray, shape (k,)
        Months ahead, rising.
    shares : ndarray, shape (k,)
        Share of what is owed, rising.
    """

    horizons: np.ndarray
    shares: np.ndarray

    @classmethod
    def fit(cls, rows: pl.DataFrame) -> "HorizonCurve":
        """Chain the mean increments.

        Parameters
        ----------
        rows : polars.DataFrame
            ``entity``, ``moment``, ``horizon_months_asked`` and ``target``.
        """
        steps = (
            rows.select("entity", "moment", "horizon_months_asked", "target")
            .sort("horizon_months_asked")
            .with_columns(pl.col("target").diff().over("entity", "moment").fill_null(pl.col("target")).alias("step"))
            .group_by("horizon_months_asked", maintain_order=True)
            .agg(pl.col("step").mean())
        )
        shares = np.maximum(steps["step"].to_numpy().cumsum(), _LEAST)
        return cls(steps["horizon_months_asked"].to_numpy(), shares)

    def at(self, months: np.ndarray) -> np.ndarray:
        """Return the mean share at horizons (months), straight between those known, flat beyond the last.

        Examples
        --------
        >>> curve = HorizonCurve(np.array([12.0, 24.0]), np.array([0.04, 0.05]))
        >>> curve.at(np.array([6, 12, 18, 120])).round(4).tolist()
        [0.02, 0.04, 0.045, 0.05]
        """
        return np.interp(months, [0.0, *self.horizons], [_LEAST, *self.shares])

    @classmethod
    def from_card(cls, card: dict[str, list[float]]) -> "HorizonCurve":
        """Read what `to_card` wrote."""
        return cls(np.array(card["horizons"]), np.array(card["shares"]))

    def to_card(self) -> dict[str, list[float]]:
        """Return plain lists."""
        return {"horizons": self.horizons.tolist(), "shares": self.shares.tolist()}
