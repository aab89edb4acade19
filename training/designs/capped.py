"""The mean of capped rates.

Recovery piles up at zero and has a few full repayments far from it. Under squared error those few draw
leaves to themselves. A rate above the cap counts as the cap: a little bias for much less variance.
"""

import numpy as np

from training.designs.part import Design, Part


def parts(target: np.ndarray, average: np.ndarray, *, cap: float) -> list[Part]:
    """Return the only part."""
    return [Part(np.minimum(target, cap) / average)]


CAPPED = Design(parts, {"cap": (0.5, 0.9)})
