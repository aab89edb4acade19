"""One CatBoost model out of several fits: a sum of oblivious trees is one model again."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from catboost import CatBoost, Pool, sum_models

from training import monotone
from training.designs import Part

MACHINE = {"thread_count": 2, "max_ctr_complexity": 1, "allow_writing_files": False, "verbose": False}
"""CatBoost parameters of every fit: no combined categories (see `training.leaf_shap`), nothing written.

A process fits one model at a time: a fit that ends takes back CatBoost's one handler of interrupts, and another
that is about to call it then ends the process.
"""

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
        CatBoost's; ``random_seed`` is the first of the seeds, ``monotone_constraints`` hold for every part.
    seeds : int
        How many fits of each part are averaged.

    Returns
    -------
    CatBoost
        Its raw score is the weighted sum of the parts' scores.
    """
    first = parameters["random_seed"]
    fits, weights = [], []
    for part in parts:
        pool = pool_of(part.target)
        for seed in range(first, first + seeds):
            model = CatBoost(parameters | part.parameters | {"random_seed": seed}).fit(pool)
            model = _one_output(model, part.outputs, parameters["monotone_constraints"]) if part.outputs else model
            fits.append(model)
            weights.append(part.weight / seeds * _raise_to(part.level, model, pool))
    return fits[0] if weights == [1.0] else sum_models(fits, weights=weights)


def _raise_to(level: float | None, model: CatBoost, pool: Pool) -> float:
    """Return what brings a model's mean score over a pool to a level."""
    if level is None:
        return 1.0
    scores = model.predict(pool, prediction_type="RawFormulaVal")
    return level / float(np.average(scores, weights=pool.get_weight()))


def _one_output(model: CatBoost, outputs: tuple[float, ...], promised: dict[str, int]) -> CatBoost:
    """Return a model whose score sums another's outputs by weights: leaves are summed, splits and promises kept."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        content = json.loads(path.read_text())
        for tree in content["oblivious_trees"]:
            leaves = np.array(tree["leaf_values"]).reshape(-1, len(outputs))
            tree["leaf_values"] = (leaves @ outputs).tolist()
        monotone.keep(content, promised)
        scale, bias = content["scale_and_bias"]
        content["scale_and_bias"] = [scale, [float(np.dot(bias, outputs))]]
        content["model_info"]["params"]["loss_function"] = {"type": "RMSE", "params": {}}
        path.write_text(json.dumps(content))
        single = CatBoost()
        single.load_model(str(path), format="json")
    return single
