"""What a design is made of: fits of CatBoost that are summed with weights."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Part:
    """One fit of a design.

    Attributes
    ----------
    target : ndarray, shape (n,)
        What is fitted, in multiples of the average recovery.
    weight : float
        What its score counts for in the sum.
    parameters : dict
        CatBoost's, beside the task's own: such as another loss.
    outputs : tuple of float
        For a loss with several outputs: what each counts for in the part's score.
    level : float, optional
        What the score is brought to on average over the training rows, where the loss does not see to it.
    """

    target: np.ndarray
    weight: float = 1.0
    parameters: dict[str, Any] = field(default_factory=dict)
    outputs: tuple[float, ...] = ()
    level: float | None = None


@dataclass(frozen=True)
class Design:
    """A way of making one additive score out of fits.

    Attributes
    ----------
    parts : callable
        ``parts(target, average, **settings)``: realised values and the average recovery at each row's
        horizon, both of shape (n,), to the design's `Part` list.
    search : dict of str to tuple
        Range of each of the design's own settings.
    """

    parts: Callable[..., list[Part]]
    search: dict[str, tuple[float, float]] = field(default_factory=dict)
