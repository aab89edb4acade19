"""How sure a figure is: intervals by the bootstrap, and many tests at once."""

from collections.abc import Callable

import numpy as np

DRAWS = 300
SEED = 7
_BINS = 20
Statistic = Callable[[np.ndarray], float | np.ndarray]
"""Of the numbers of the rows that were drawn; several figures at once are of shape (k,)."""


def interval(statistic: Callable[[np.ndarray], float], cluster: np.ndarray, level: float = 0.95) -> tuple[float, float]:
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
    low, high = intervals(statistic, cluster, level)
    return float(low), float(high)


def intervals(statistic: Statistic, cluster: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the bootstrap interval of each of several figures; see `interval`.

    Draws in which a figure is no number do not count for it.
    """
    low, high = np.nanquantile(_drawn(statistic, cluster), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def simultaneous(statistic: Statistic, cluster: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return intervals that hold all of several positive ratios at once, so that looking at many raises no alarms.

    The logarithms' bootstrap errors are widened by one factor, the quantile of the largest standardised one
    (sup-t bands; Montiel Olea and Plagborg-Møller 2019, doi:10.1002/jae.2656).

    Parameters
    ----------
    statistic : callable
        Of the numbers of the rows that were drawn; returns ratios, shape (k,).
    cluster : ndarray, shape (n,)
        Who each row is about.
    level : float

    Raises
    ------
    ValueError
        When no draw gives a figure.
    """
    drawn = _drawn(statistic, cluster)
    logs = np.log(drawn, out=np.full_like(drawn, np.nan), where=drawn > 0)
    middle = np.log(statistic(np.arange(len(cluster))))
    error = np.maximum(np.nanstd(logs, axis=0), 1e-12)
    reach = np.nanquantile(np.nanmax(np.abs(logs - np.nanmean(logs, axis=0)) / error, axis=1), level) * error
    return np.exp(middle - reach), np.exp(middle + reach)


def _drawn(statistic: Statistic, cluster: np.ndarray) -> np.ndarray:
    """Return figures of rows drawn by cluster, shape (draws, k) or (draws,)."""
    rng = np.random.default_rng(SEED)
    order = np.argsort(cluster, kind="stable")
    _, first, size = np.unique(cluster[order], return_index=True, return_counts=True)
    found = []
    for _ in range(DRAWS):
        chosen = rng.integers(0, len(first), len(first))
        starts, sizes = first[chosen], size[chosen]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        found.append(statistic(order[np.repeat(starts, sizes) + within]))
    figures = np.array(found, dtype=np.float64)
    if np.isnan(figures).all(axis=0).any():
        raise ValueError("no draw of the rows gives a figure")
    return figures


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


def expected_variance(realised: np.ndarray, scores: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """Return the variance of each row's residual, shape (n,), as rows of its score have it on the whole.

    A part's own residuals are small where its luck was bad, which would make its bad luck look certain: a
    part is tested with the variance that it should have. Rows of one debtor move together, so that variances
    are raised by what that does to the whole (the design effect; Kish 1965).
    """
    squared = (realised - scores) ** 2
    order = np.argsort(scores, kind="stable")
    variance = np.empty(len(scores))
    for rows in np.array_split(order, min(_BINS, len(scores))):
        variance[rows] = squared[rows].mean()
    _, place = np.unique(cluster, return_inverse=True)
    together = (np.bincount(place, weights=realised - scores) ** 2).sum()
    return variance * max(float(together / max(squared.sum(), 1e-300)), 1.0)


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
