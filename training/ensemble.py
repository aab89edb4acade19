"""One CatBoost model out of several fits.

Recovery rates are mostly zero with a thin tail, so two things help a squared-error fit: capping the
target, which keeps a handful of full repayments from drawing leaves, and a small part that predicts the
rank, which is about all that can be known of the many small rates. Seeds are averaged where rows are few.
The sum of oblivious trees is one model again, with exact contributions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from catboost import CatBoost, Pool, sum_models
from scipy.stats import rankdata

PoolOf = Callable[[np.ndarray], Pool]
"""From targets, shape (n,), to the pool of the rows they belong to."""

_FEW_ROWS = 20_000
_SEEDS = 5


@dataclass(frozen=True)
class Blend:
    """How fits are combined.

    Attributes
    ----------
    cap : float
        Rates above it count as it.
    rank_weight : float
        Weight of the part that predicts the target's rank, in [0, 1], beside the target itself.
    """

    cap: float = np.inf
    rank_weight: float = 0.0


def fit(pool_of: PoolOf, target: np.ndarray, parameters: dict[str, Any], blend: Blend) -> CatBoost:
    """Fit and sum the parts.

    Parameters
    ----------
    pool_of : callable
        Pool of the training rows under given targets.
    target : ndarray, shape (n,)
        What the mean part predicts.
    parameters : dict
        CatBoost's; ``random_seed`` is the first of the seeds.
    blend : Blend

    Returns
    -------
    CatBoost
        Its raw score is the mean part plus the weighted rank part, centred.
    """
    seeds = range(_SEEDS if len(target) <= _FEW_ROWS else 1)
    rank = rankdata(target) / len(target)
    parts = [(target, 1.0)]
    if blend.rank_weight:
        parts.append((rank, blend.rank_weight))
    fits, weights = [], []
    for values, weight in parts:
        pool = pool_of(values)
        for seed in seeds:
            fits.append(CatBoost(parameters | {"random_seed": parameters["random_seed"] + seed}).fit(pool))
            weights.append(weight / len(seeds))
    if len(fits) == 1:
        return fits[0]
    model = sum_models(fits, weights=weights)
    scale, bias = model.get_scale_and_bias()
    average_rank = np.average(rank, weights=pool.get_weight())
    model.set_scale_and_bias(scale, bias - blend.rank_weight * average_rank)
    return model
