"""From a raw score to a score in [0, 1]."""

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
    return np.clip(raw * average, 0.0, 1.0)
