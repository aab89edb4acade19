"""How far the total of some loans may turn out from its expectation.

The interval of a total is not the sum of the loans' intervals: luck that loans have each for itself
fades as they are added, luck that they share does not. The model of both is that of
`serving.pricing.scenarios`: a loan brings its expectation times X (its own luck) times a factor of the
nation and one of its region. The variance of a total is exact under it. Its distribution is taken to be
a gamma (own luck: never negative, with its tail on the right) times a lognormal (what is shared), which
have that variance between them; so that dozens of strata need no scenarios of their own.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from scipy.optimize import brentq
from scipy.stats import gamma, norm

from serving.pricing import scenarios

LEVEL = 0.90
_POINTS, _WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
_NONE = 1e-9


@dataclass(frozen=True)
class Spread:
    """A total's distribution.

    Attributes
    ----------
    mean : float
        Money.
    own, shared : float
        Relative variances of the loans' own luck, as it adds up, and of what they share.
    moved : float
        A constant that is added, money.
    """

    mean: float
    own: float
    shared: float
    moved: float = 0.0

    def less(self, cost: float) -> "Spread":
        """Return the spread of the total after a fixed cost."""
        return replace(self, moved=self.moved - cost)

    @property
    def variance(self) -> float:
        """Of the total, money squared."""
        return self.mean**2 * ((1 + self.own) * (1 + self.shared) - 1)

    def quantile(self, level: float) -> float:
        """Return the amount below which the total stays with a probability.

        Examples
        --------
        >>> round(Spread(100.0, 0.01, 0.0).quantile(0.5), 1), round(Spread(100.0, 0.0, 0.01).quantile(0.5), 1)
        (99.7, 99.5)
        >>> Spread(100.0, 0.0, 0.0).less(20.0).quantile(0.05)
        80.0
        """
        deviation = np.sqrt(np.log1p(self.shared))
        factors = np.exp(deviation * _POINTS - deviation**2 / 2)
        if self.own < _NONE:
            return self.mean * float(np.exp(deviation * norm.ppf(level) - deviation**2 / 2)) + self.moved

        def surplus(amount: float) -> float:
            below = gamma.cdf(amount / factors, 1 / self.own, scale=self.own)
            return float(below @ _WEIGHTS / _WEIGHTS.sum()) - level

        highest = factors.max() * gamma.ppf(0.999999, 1 / self.own, scale=self.own)
        return self.mean * brentq(surplus, 0.0, highest) + self.moved

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
        square = (shapes**2).mean(axis=1)[shape]
        return cls(square, scenarios.numbered(region), factor.get("national", 0.0), factor.get("regional", 0.0))

    def total(self, weights: np.ndarray, chosen: np.ndarray) -> Spread:
        """Return the spread of the total of chosen loans whose expectations are ``weights`` (money, not below 0)."""
        weight = weights[chosen]
        mean = weight.sum()
        if mean <= 0:
            return Spread(0.0, 0.0, 0.0)
        nation, place = np.exp(self.national**2), np.exp(self.regional**2)
        regions = (np.bincount(self.region[chosen], weight) ** 2).sum()
        shared = nation * (place * regions + mean**2 - regions) / mean**2
        own = nation * place * (weight**2 * (self.square[chosen] - 1)).sum() / mean**2
        return Spread(float(mean), max(float(own / shared), 0.0), max(float(shared - 1), 0.0))
