"""The mean as an average of quantiles, all fitted at once (CatBoost's ``MultiQuantile``).

Quantiles are not drawn by how far a full repayment lies from the rest, so their average is steadier than a
mean. It leaves out what lies beyond the highest of them, and is brought back to the capped mean's level.
"""

from typing import Any

import numpy as np

from training.designs.part import Design, Part

CAP = 0.7
_LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
_LOSS = "MultiQuantile:alpha=" + ",".join(map(str, _LEVELS))
_PARAMETERS: dict[str, Any] = {
    "loss_function": _LOSS,
    "eval_metric": _LOSS,
    # exact leaves and fine borders of several quantiles cost many times a fit; these come close
    "leaf_estimation_method": "Gradient",
    "border_count": 64,
}


def part(target: np.ndarray, average: np.ndarray, weight: float = 1.0) -> Part:
    """Return the fit of all quantiles.

    Gradients of a quantile are as large for small targets as for large ones: the target is fitted in shares
    of what is owed, so that a learning rate means what it does elsewhere.
    """
    scale = float(average.mean())
    level = np.minimum(target, CAP).sum() / average.sum()
    return Part(scale * target / average, weight, _PARAMETERS, outputs=(1 / len(_LEVELS),) * len(_LEVELS), level=level)


def parts(target: np.ndarray, average: np.ndarray) -> list[Part]:
    """Return the only part."""
    return [part(target, average)]


QUANTILES = Design(parts)
