"""What a recovery model says of loans: how much comes in by when, how sure that is, and why."""

from dataclasses import dataclass

import numpy as np

HORIZONS = (6, 12, 24, 36, 60)
"""Months ahead at which a curve is given, as far as the model has learnt."""
ULTIMATE = 120.0


@dataclass(frozen=True)
class Outlook:
    """Recovery of n loans at k horizons, as shares of what is owed.

    Attributes
    ----------
    horizons : tuple of float, length k
        Months ahead, rising; the last is `ULTIMATE`. A model that learnt nothing else has only that.
    curve : ndarray, shape (n, k)
        Expected cumulative recovery, never falling along a row.
    lower, upper : ndarray, shape (n, k)
        90 % prediction interval of each.
    shape : ndarray of int, shape (n,)
        Which row of the package's ``shapes`` says how the loan's ultimate recovery spreads around its
        expectation.
    """

    horizons: tuple[float, ...]
    curve: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    shape: np.ndarray

    @property
    def rate(self) -> np.ndarray:
        """Expected ultimate recovery, shape (n,)."""
        return self.curve[:, -1]
