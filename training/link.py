"""From a raw score to a score in [0, 1], and what a part of the one is in the other."""

import numpy as np


def linked(link: str, raw: np.ndarray | float, average: np.ndarray) -> np.ndarray:
    """Return scores of raw scores.

    Parameters
    ----------
    link : str
        ``share``: multiples of the average, clipped; ``logistic``: log odds.
    raw, average : ndarray, shape (n,)
        ``average`` is what a raw score of 1 is worth in each row.

    Examples
    --------
    >>> linked("share", np.array([0.5, 2.0]), np.array([0.1, 0.6])).tolist()
    [0.05, 1.0]
    >>> linked("logistic", np.array([0.0]), np.ones(1)).tolist()
    [0.5]
    """
    if link == "logistic":
        return average / (1 + np.exp(-raw))
    return np.minimum(np.maximum(raw * average, 0.0), 1.0)


def chord(link: str, rise: np.ndarray, scores: np.ndarray, base: np.ndarray, average: np.ndarray) -> np.ndarray:
    """Return the slope of the link from the base to each score; its tangent where the two meet.

    Parameters
    ----------
    link : str
    rise : ndarray, shape (n,)
        Raw scores less the raw base.
    scores, base, average : ndarray, shape (n,)
        See `linked`.

    Examples
    --------
    >>> chord("share", np.array([0.5, 0.0]), np.array([0.75, 0.25]), np.full(2, 0.25), np.full(2, 0.5)).tolist()
    [1.0, 0.5]
    """
    tangent = base * (1 - base) if link == "logistic" else average
    near = np.abs(rise) < 1e-12
    return np.where(near, tangent, (scores - base) / np.where(near, 1.0, rise))
