"""One CatBoost model out of several fits: a sum of oblivious trees is one model again."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from catboost import CatBoost, Pool, sum_models

from training.designs import Part

PoolOf = Callable[[np.ndarray], Pool]
"""From targets, shape (n,), to the pool of the rows they belong to."""


def fit(pool_of: PoolOf, parts: list[Part], parameters: dict[str, Any], seeds: int) -> CatBoost:
    """Fit a design's parts and sum them.

    Parameters
    ----------
    pool_of : callable
        Pool of the training rows under given targets.
    parts : list of Part
    parameters : dict
        CatBoost's; ``random_seed`` is the first of the seeds.
    seeds : int
        How many fits of each part are averaged.

    Returns
    -------
    CatBoost
        Its raw score is the weighted sum of the parts' scores.
    """
    fits, weights = [], []
    for part in parts:
        pool = pool_of(part.target)
        for seed in range(parameters["random_seed"], parameters["random_seed"] + seeds):
            model = CatBoost(parameters | part.parameters | {"random_seed": seed}).fit(pool)
            fits.append(_one_output(model, part.outputs) if part.outputs else model)
            weights.append(part.weight / seeds * _raise_to(part.level, fits[-1], pool))
    return fits[0] if weights == [1.0] else sum_models(fits, weights=weights)


def _raise_to(level: float | None, model: CatBoost, pool: Pool) -> float:
    """Return what brings a model's mean score over a pool to a level."""
    if level is None:
        return 1.0
    scores = model.predict(pool, prediction_type="RawFormulaVal")
    return level / float(np.average(scores, weights=pool.get_weight()))


def _one_output(model: CatBoost, outputs: tuple[float, ...]) -> CatBoost:
    """Return a model whose score is a weighted sum of another's outputs: leaves are summed, splits kept."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        content = json.loads(path.read_text())
        for tree in content["oblivious_trees"]:
            leaves = np.array(tree["leaf_values"]).reshape(-1, len(outputs))
            tree["leaf_values"] = (leaves @ outputs).tolist()
        scale, bias = content["scale_and_bias"]
        content["scale_and_bias"] = [scale, [float(np.dot(bias, outputs))]]
        content["model_info"]["params"]["loss_function"] = {"type": "RMSE", "params": {}}
        path.write_text(json.dumps(content))
        single = CatBoost()
        single.load_model(str(path), format="json")
    return single
