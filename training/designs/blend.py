"""Half a capped mean, half an average of quantiles, and a little of the rank.

The two halves err differently: the mean sees who pays nearly all, the quantiles who pays anything. About
the many small rates little more can be known than their order; a part that predicts the rank, centred,
adds that.

The year of the default sets what debt buyers pay, and so the level of most rates. In the mean, splits on it
may count for more than others, lest its few full repayments hide them.
"""

import numpy as np
from scipy.stats import rankdata

from training.designs import quantiles
from training.designs.part import Design, Part


def parts(target: np.ndarray, average: np.ndarray, *, rank_weight: float, year_weight: float) -> list[Part]:
    """Return the mean, the quantiles and the rank."""
    rank = rankdata(target / average) / len(target)
    # rows weigh by the average, and so does the centre
    centred = rank - np.average(rank, weights=average)
    emphasis = {"feature_weights": {"default_year": year_weight}}
    return [
        Part(np.minimum(target, quantiles.CAP) / average, 0.5, emphasis),
        quantiles.part(target, average, 0.5),
        Part(centred, rank_weight),
    ]


BLEND = Design(parts, {"rank_weight": (0.0, 0.8), "year_weight": (1.0, 4.0)})
