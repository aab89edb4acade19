"""How recovery spreads around its expectation: a spike at (almost) zero, a body, a long tail.

A small model says how high a loan's recovery may come, as a multiple of what is usual at the horizon:
its spread. Conformal calibration then sets the upper end of the 90 % interval, horizon by horizon, from
loans that have lived through it (Romano, Patterson and Candès 2019, arXiv:1905.03222; one-sided, since
recoveries pile up at zero, where every interval starts). Loans of like spread share a shape: the
quantiles of what was realised, in multiples of its mean.
"""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from training.outlook import Outlook

LEVEL = 0.90
_LEAST_SPREAD = 0.2
_LEAST_UPPER = 0.01
_LEVELS = 200
_GROUP_ROWS = 200
_MOST_GROUPS = 5


@dataclass(frozen=True)
class Distribution:
    """What turns a loan's spread into an interval at every horizon, and into a shape.

    Attributes
    ----------
    horizons : ndarray, shape (k,)
        Months ahead, rising.
    scales : ndarray, shape (k,)
        Share of what is owed that a spread of 1 stands for.
    margins : ndarray, shape (k,)
        What calibration adds to a spread.
    edges : ndarray, shape (groups - 1,)
        Spreads that part the groups of like shape.
    shapes : ndarray, shape (groups, levels)
        See `training.package.ModelPackage.shapes`.
    """

    horizons: np.ndarray
    scales: np.ndarray
    margins: np.ndarray
    edges: np.ndarray
    shapes: np.ndarray

    @classmethod
    def calibrate(cls, horizons: np.ndarray, scales: np.ndarray, asked: np.ndarray, spread: np.ndarray,
                  realised: np.ndarray) -> "Distribution":  # fmt: skip
        """Learn margins and shapes from loans that the spread model did not train on.

        Parameters
        ----------
        horizons, scales : ndarray, shape (k,)
            The last may lie beyond what anybody has lived through: it takes the margin before it.
        asked, spread, realised : ndarray, shape (n,)
            Horizon, spread and recovery rate of a loan at a horizon that it has lived through.
        """
        known = np.searchsorted(horizons, asked)
        spread, relative = np.maximum(spread, _LEAST_SPREAD), realised / scales[known]
        lived, count = np.unique(known, return_counts=True)
        margins = [margin((relative - spread)[known == place]) for place in lived]
        margins += margins[-1:] * (len(horizons) - len(lived))
        longest = known == max(lived[count >= _GROUP_ROWS], default=lived[0])
        edges, shapes = _shapes(spread[longest], relative[longest])
        return cls(horizons, scales, np.minimum(margins, 1 / scales), edges, shapes)

    def upper(self, spread: np.ndarray) -> np.ndarray:
        """Return the upper end of the 90 % interval at every horizon, shape (n, k), rising along a row."""
        ends = (np.maximum(spread, _LEAST_SPREAD) + self.margins[:, None]) * self.scales[:, None]
        return np.minimum(np.maximum(np.maximum.accumulate(ends, axis=0), _LEAST_UPPER), 1.0).T

    def outlook(self, curve: np.ndarray, spread: np.ndarray) -> Outlook:
        """Return the expected recovery of n loans at every horizon, shape (n, k), with what their spread, (n,), says.

        An interval always holds its own expectation.
        """
        upper = np.maximum(self.upper(spread), curve)
        return Outlook(self._months, curve, np.zeros(curve.shape[::-1]).T, upper, self.group(spread))

    def group(self, spread: np.ndarray) -> np.ndarray:
        """Return each loan's row of ``shapes``, shape (n,)."""
        return self.edges.searchsorted(spread, side="right")

    @cached_property
    def _months(self) -> tuple[float, ...]:
        return tuple(self.horizons.tolist())

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> "Distribution":
        """Read what `to_card` wrote.

        Raises
        ------
        KeyError, ValueError
            When a part is missing, is no table of numbers, or does not fit the others.
        """
        found = cls(*(np.array(card[part.name], dtype=np.float64) for part in fields(cls)))
        if (
            not len(found.horizons) == len(found.scales) == len(found.margins)
            or len(found.shapes) != len(found.edges) + 1
        ):
            raise ValueError("the parts of the distribution do not fit together")
        return found

    def to_card(self) -> dict[str, Any]:
        """Return plain lists."""
        return {part.name: getattr(self, part.name).tolist() for part in fields(self)}


def margin(scores: np.ndarray) -> float:
    """Return what 90 % of further scores stay under: split conformal's ``ceil(0.9 (n + 1))``-th smallest.

    Examples
    --------
    >>> margin(np.arange(19.0)), margin(np.arange(5.0))
    (17.0, inf)
    """
    held = int(np.ceil(LEVEL * (len(scores) + 1)))
    return float(np.sort(scores)[held - 1]) if held <= len(scores) else float("inf")


def _shapes(spread: np.ndarray, relative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return edges of groups of like spread, and the quantiles of recovery over its expectation in each.

    Within a group recovery is expected in proportion to spread. A loan weighs by the square of it, as it
    does in the variance of a portfolio.
    """
    groups = int(np.clip(len(spread) // _GROUP_ROWS, 1, _MOST_GROUPS))
    edges = np.unique(np.quantile(spread, np.arange(1, groups) / groups))
    place = np.searchsorted(edges, spread, side="right")
    levels = (np.arange(_LEVELS) + 0.5) / _LEVELS
    luck, weight = relative / spread, spread**2
    parts = [place == group for group in range(len(edges) + 1)]
    shapes = np.array([np.quantile(luck[part], levels, weights=weight[part], method="inverted_cdf") for part in parts])
    means = shapes.mean(axis=1, keepdims=True)
    return edges, np.divide(shapes, means, out=np.ones_like(shapes), where=means > 0)
