"""How sure a figure is: intervals by the bootstrap, and many tests at once."""

from collections.abc import Callable

import numpy as np

DRAWS = 400
SEED = 7
Statistic = Callable[[np.ndarray], float]
"""Of the numbers of the rows that were drawn."""


def interval(statistic: Statistic, cluster: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Return a bootstrap interval (Efron 1979), drawn by cluster: rows of one person are not independent.

    Parameters
    ----------
    statistic : callable
    cluster : ndarray, shape (n,)
        Who each row is about.
    level : float

    Raises
    ------
    ValueError
        When no draw gives a figure.
    """
    drawn = draws(statistic, cluster)
    if not len(drawn):
        raise ValueError("no draw of the rows gives a figure")
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def draws(statistic: Statistic, cluster: np.ndarray) -> np.ndarray:
    """Return a statistic of `DRAWS` bootstrap samples; those where it is not a number are left out."""
    rng = np.random.default_rng(SEED)
    order = np.argsort(cluster, kind="stable")
    _, first, size = np.unique(cluster[order], return_index=True, return_counts=True)
    found = []
    for _ in range(DRAWS):
        chosen = rng.integers(0, len(first), len(first))
        starts, sizes = first[chosen], size[chosen]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        found.append(statistic(order[np.repeat(starts, sizes) + within]))
    values = np.array(found)
    return values[np.isfinite(values)]


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return p-values adjusted for many tests (Holm 1979, step-down), in their order.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1))
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def clustered_error(residual: np.ndarray, cluster: np.ndarray) -> float:
    """Return the standard error of a sum of residuals whose clusters are independent."""
    _, place = np.unique(cluster, return_inverse=True)
    return float(np.sqrt((np.bincount(place, weights=residual) ** 2).sum()))


def off_level(low: float, high: float) -> float:
    """Return how far the nearest end of a ratio's interval lies from 1, as an absolute logarithm.

    Examples
    --------
    >>> off_level(0.9, 1.2), round(off_level(1.1, 1.4), 3), round(off_level(0.5, 0.9), 3)
    (0.0, 0.095, 0.105)
    """
    if low > 1:
        return float(np.log(low))
    return float(-np.log(high)) if high < 1 else 0.0
