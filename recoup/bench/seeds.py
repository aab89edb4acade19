"""A figure taken in several simulated worlds, and how far their number tells it."""

import numpy as np
from scipy.stats import t as student

_TAIL = 0.025


def mean(name: str, values: np.ndarray) -> dict[str, float]:
    """Return the mean over worlds, and its 95 % interval by Student's distribution as ``.lower`` and ``.upper``.

    Parameters
    ----------
    name : str
        Of the figure.
    values : ndarray, shape (worlds,)
        At least two.

    Examples
    --------
    >>> {key: round(value, 2) for key, value in mean("gain", np.array([0.2, 0.4])).items()}
    {'gain': 0.3, 'gain.lower': -0.97, 'gain.upper': 1.57}
    """
    half = student.ppf(1 - _TAIL, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return {name: float(values.mean()), f"{name}.lower": float(values.mean() - half),
            f"{name}.upper": float(values.mean() + half)}  # fmt: skip
