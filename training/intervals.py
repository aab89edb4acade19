"""90 % prediction intervals by split conformal calibration within groups of like scores.

Recovery piles up at zero with a long tail, and its spread grows with the score. Calibration losses
are therefore parted by score (Mondrian conformal prediction; Vovk, Gammerman and Shafer 2005), and a
group's interval is the shortest that holds 90 % of the values realised in it, with the
finite-sample correction ``ceil(0.9 (n + 1))`` of split conformal prediction.
"""

from dataclasses import dataclass

import numpy as np

LEVEL = 0.90
_SMALLEST_GROUP = 200
_MOST_GROUPS = 10


@dataclass(frozen=True)
class Intervals:
    """Bounds by score group.

    Attributes
    ----------
    edges : ndarray, shape (groups - 1,)
        Scores that part the groups.
    lower, upper : ndarray, shape (groups,)
        Bounds of the value realised.
    """

    edges: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    @classmethod
    def calibrate(cls, scores: np.ndarray, realised: np.ndarray) -> "Intervals":
        """Learn the bounds from scores and realised values that the model did not train on."""
        groups = max(1, min(_MOST_GROUPS, len(scores) // _SMALLEST_GROUP))
        edges = np.quantile(scores, np.arange(1, groups) / groups)
        place = np.searchsorted(edges, scores, side="right")
        bounds = np.array([_shortest(realised[place == group]) for group in range(groups)])
        return cls(edges, bounds[:, 0], bounds[:, 1])

    @classmethod
    def from_card(cls, card: dict[str, list[float]]) -> "Intervals":
        """Read what `to_card` wrote."""
        return cls(*(np.array(card[name]) for name in ("edges", "lower", "upper")))

    def to_card(self) -> dict[str, list[float]]:
        """Return plain lists."""
        return {name: getattr(self, name).tolist() for name in ("edges", "lower", "upper")}

    def around(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return lower and upper bounds of scores; an interval always holds its own score."""
        place = np.searchsorted(self.edges, scores, side="right")
        return np.minimum(self.lower[place], scores), np.maximum(self.upper[place], scores)


def _shortest(values: np.ndarray) -> tuple[float, float]:
    """Return the shortest interval that holds enough of the values; ties go to the lowest."""
    ordered = np.sort(values)
    held = min(len(ordered), int(np.ceil(LEVEL * (len(ordered) + 1))))
    widths = ordered[held - 1 :] - ordered[: len(ordered) - held + 1]
    first = int(np.argmin(widths))
    return ordered[first], ordered[first + held - 1]
