"""Promises of monotonicity kept by trees that were fitted without them.

CatBoost keeps ``monotone_constraints`` in trees of one output only. A sum of trees is monotone when each of them is,
and a tree is when its leaves are along each chain that differs in the promised input alone.
"""

from typing import Any

import numpy as np
from sklearn.isotonic import isotonic_regression


def keep(content: dict[str, Any], promised: dict[str, int]) -> None:
    """Bring the leaves of a model to the nearest that keep promises, in place; each chain keeps its mean.

    Parameters
    ----------
    content : dict
        A model of oblivious trees of one output, as CatBoost writes it in JSON.
    promised : dict of str to int
        Numeric inputs in which the score never falls (1) or never rises (-1).
    """
    places = {column["feature_id"]: column["feature_index"] for column in content["features_info"]["float_features"]}
    for tree in content["oblivious_trees"]:
        leaves, weights = np.array(tree["leaf_values"]), np.array(tree["leaf_weights"])
        for name, way in promised.items():
            for chain in _chains(tree["splits"] or [], places[name]):
                leaves[chain] = isotonic_regression(
                    leaves[chain], sample_weight=weights[chain] + np.finfo(float).eps, increasing=way > 0
                )
        tree["leaf_values"] = leaves.tolist()


def _chains(splits: list[dict[str, Any]], place: int) -> list[np.ndarray]:
    """Return the leaves that differ in one input alone, from its lowest values to its highest.

    Bit i of a leaf's number tells whether split i holds.
    """
    own = [bit for bit, split in enumerate(splits) if split.get("float_feature_index") == place]
    own.sort(key=lambda bit: splits[bit]["border"])
    if not own:
        return []
    steps = np.cumsum([0, *(1 << bit for bit in own)])
    return [start + steps for start in range(1 << len(splits)) if not start & steps[-1]]
