"""90 % prediction intervals by split conformal calibration within groups of like scores.

Recovery piles up at zero with a long tail, so its spread grows with the score: the calibration
losses are taken apart by score (Mondrian conformal prediction, Vovk et al. 2005), and within a
group the interval is the group's own empirical quantiles of realised values with the finite-sample
correction of Romano, Patterson and Candès (2019).
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

LEVEL = 0.90
_SMALLEST_GROUP = 200


@dataclass(frozen=True)
class Intervals:
    """Bounds by score group.

    Attributes
    ----------
    edges : ndarray, shape (groups - 1,)
        Scores that part the groups.
    below, above : ndarray, shape (groups,)
        What to add to a score for its bounds.
    """

    edges: np.ndarray
    below: np.ndarray
    above: np.ndarray

    @classmethod
    def calibrate(cls, scores: np.ndarray, realised: np.ndarray) -> "Intervals":
        """Learn the bounds from scores and realised values that the model did not train on."""
        groups = max(1, min(10, len(scores) // _SMALLEST_GROUP))
        edges = np.quantile(scores, np.arange(1, groups) / groups)
        place = np.searchsorted(edges, scores, side="right")
        bounds = np.array([_bounds((realised - scores)[place == group]) for group in range(groups)])
        return cls(edges, bounds[:, 0], bounds[:, 1])

    @classmethod
    def from_card(cls, card: dict[str, list[float]]) -> "Intervals":
        """Read what `to_card` wrote."""
        return cls(*(np.array(card[name]) for name in ("edges", "below", "above")))

    def to_card(self) -> dict[str, list[float]]:
        """Return plain lists."""
        return {name: getattr(self, name).tolist() for name in ("edges", "below", "above")}

    def around(self, frame: pl.DataFrame, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return lower and upper bounds of scores, within [0, 1]."""
        place = np.searchsorted(self.edges, scores, side="right")
        lower = np.clip(scores + self.below[place], 0.0, 1.0)
        return lower, np.clip(scores + self.above[place], 0.0, 1.0)


def _bounds(errors: np.ndarray) -> tuple[float, float]:
    tail = (1 - LEVEL) / 2
    n = len(errors)
    low = max(0.0, np.floor(tail * (n + 1)) / n)
    high = min(1.0, np.ceil((1 - tail) * (n + 1)) / n)
    ordered = np.sort(errors)
    first = ordered[max(0, int(low * n) - 1)]
    last = ordered[min(n - 1, int(np.ceil(high * n)) - 1)]
    return min(first, 0.0), max(last, 0.0)
