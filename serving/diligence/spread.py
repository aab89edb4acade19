"""How far the total of some loans may turn out from its expectation.

The interval of a total is not the sum of the loans' intervals: luck that loans have each for itself
fades as they are added, luck that they share does not. The model of both is that of
`serving.pricing.scenarios`: a loan brings its expectation times X (its own luck) times a factor of the
nation and one of its region. The first two moments of a total are exact under it; the quantiles are
those of the gamma distribution that has them, which like recoveries is never negative and has its
tail on the right.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from scipy.stats import gamma

LEVEL = 0.90


@dataclass(frozen=True)
class Spread:
    """A total's distribution: a gamma with a mean and a variance, moved by a constant (money)."""

    mean: float
    variance: float
    moved: float = 0.0

    def less(self, cost: float) -> "Spread":
        """Return the spread of the total after a fixed cost."""
        return replace(self, moved=self.moved - cost)

    def quantile(self, level: float) -> float:
        """Return the amount below which the total stays with a probability.

        Examples
        --------
        >>> round(Spread(100.0, 100.0).quantile(0.5), 1)
        99.7
        >>> Spread(100.0, 0.0).less(20.0).quantile(0.05)
        80.0
        """
        if self.mean <= 0 or self.variance <= 0:
            return self.mean + self.moved
        scale = self.variance / self.mean
        return float(gamma.ppf(level, self.mean / scale, scale=scale)) + self.moved

    @property
    def interval(self) -> tuple[float, float]:
        """The 90 % interval."""
        return self.quantile((1 - LEVEL) / 2), self.quantile((1 + LEVEL) / 2)


@dataclass(frozen=True)
class Luck:
    """How n loans' recoveries spread around their expectations.

    Attributes
    ----------
    square : ndarray, shape (n,)
        Mean of the square of each loan's own luck, whose mean is 1.
    region : ndarray of int, shape (n,)
        Number of each loan's region.
    national, regional : float
        Standard deviations of the logarithms of the factors that loans share.
    """

    square: np.ndarray
    region: np.ndarray
    national: float
    regional: float

    @classmethod
    def of(cls, shapes: np.ndarray, shape: np.ndarray, region: pl.Series, factor: dict[str, float]) -> "Luck":
        """Take the moments of what `serving.pricing.portfolio.distribute` draws from."""
        square, place = (shapes**2).mean(axis=1)[shape], region.rank("dense").to_numpy().astype(np.int64) - 1
        return cls(square, place, factor.get("national", 0.0), factor.get("regional", 0.0))

    def total(self, weights: np.ndarray, chosen: np.ndarray) -> Spread:
        """Return the spread of the total of chosen loans whose expectations are ``weights`` (money)."""
        weight = weights[chosen]
        squares = weight**2
        by_region = np.bincount(self.region[chosen], weight)
        own, regions, mean = (squares * self.square[chosen]).sum(), (by_region**2).sum(), weight.sum()
        same_region = np.exp(self.regional**2) * (own + regions - squares.sum())
        second = np.exp(self.national**2) * (same_region + mean**2 - regions)
        return Spread(float(mean), float(max(second - mean**2, 0.0)))
