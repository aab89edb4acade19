"""The mean of a normal likelihood whose spread is fitted too (CatBoost's ``RMSEWithUncertainty``).

Loans that are hard to foresee weigh less in the mean than those that are not.
"""

import numpy as np

from training.designs.part import Design, Part


def parts(target: np.ndarray, average: np.ndarray) -> list[Part]:
    """Return one part, of which the mean is kept and the spread is not."""
    loss = "RMSEWithUncertainty"
    return [Part(target / average, parameters={"loss_function": loss, "eval_metric": loss}, outputs=(1.0, 0.0))]


UNCERTAINTY = Design(parts)
