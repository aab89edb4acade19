"""Exact SHAP contributions of a CatBoost model by table look-up.

In an oblivious tree every split is asked of every row, so the leaf records all the answers and
the path-dependent SHAP values of a row (Lundberg & Lee 2017; Lundberg, Erion & Lee, "Consistent
Individualized Feature Attribution for Tree Ensembles", 2018) depend on nothing but its leaf.
They are tabulated once, when the model is packaged; an explanation is then a sum of table rows.
"""

import functools
import json
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
from catboost import CatBoost, Pool
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Store = Callable[[slice, Floats, Floats], None]  # takes rows, their contributions and scores

MAX_DEPTH = 12  # a tree's coalitions x leaves are up to 4**depth numbers: 128 MB at this depth
BLOCK_ROWS = 4096  # rows explained at once: bounds memory whatever the size of the pool
NUMPY_ROWS = 64  # up to here numpy is quick enough to spare a cold process the import of numba
EMPTY_WEIGHT = 1e-11  # stands for "no training row" where CatBoost needs a positive weight


@dataclass(frozen=True, eq=False)
class LeafShap:
    """Table of the SHAP values of every leaf of an oblivious CatBoost model.

    A model whose trees have another shape raises ValueError; `verify` tells any other model.

    Attributes
    ----------
    feature_names : the model's features, in the order of its pools.
    base : expected raw score, the last column of CatBoost's ShapValues.
    bias : the model's bias, added to the sum of leaf values.
    output : the explained dimension of the raw score (0 in a one-dimensional model).
    first_leaf : [trees + 1] table row of the first leaf of each tree.
    columns : [trees, 1 + width] what each table column of a tree adds to: the score, numbered
        after the features, then the tree's distinct features, padded with feature 0.
    table : [leaves, 1 + width] value of the leaf, then contributions, padded with zeros.
    """

    feature_names: tuple[str, ...]
    base: float
    bias: float
    output: int
    first_leaf: Ints
    columns: Ints
    table: Floats

    @classmethod
    def build(cls, model: CatBoost, output: int | None = None) -> "LeafShap":
        """Tabulate a fitted model, be it one fit or a `catboost.sum_models` ensemble.

        A node that no training row reached has the plain mean of its leaves as expectation. They
        are zero, as CatBoost's own values assume, unless monotone constraints moved them: CatBoost
        then counts the rows it explains as training rows, so that its values change with the
        batch (catboost issue 1956), and these do not. A model of several outputs needs `output`.

        Raises
        ------
        ValueError : the model cannot be tabulated exactly; the message says why and what to do.
        """
        export = as_json(model)
        scale, biases = export["scale_and_bias"]
        if (output is None) != (len(biases) == 1):
            raise ValueError(f"output={output} of {len(biases)}: name one if there are several")
        output = output or 0
        names = tuple(model.feature_names_)
        feature_of_split = _features_of_splits(export["features_info"])
        trees = export["oblivious_trees"]
        first_leaf = np.cumsum([0, *(len(tree["leaf_weights"]) for tree in trees)], dtype=np.intp)
        base, width = biases[output], 1 + max(len(tree["splits"] or []) for tree in trees)
        columns, table = np.zeros((len(trees), width), np.intp), np.zeros((first_leaf[-1], width))
        blocks = np.split(table, first_leaf[1:-1])
        for tree, column, rows in zip(trees, columns, blocks, strict=True):
            rows[:, 0] = scale * np.reshape(tree["leaf_values"], (len(rows), -1))[:, output]
            weights = np.array(tree["leaf_weights"], dtype=float)
            splits = [split["split_index"] for split in tree["splits"] or []]
            features, shap, expected = _tabulate_tree(rows[:, 0], weights, feature_of_split[splits])
            column[: 1 + len(features)] = len(names), *features
            rows[:, 1 : 1 + len(features)] = shap
            base += expected
        return cls(names, base, biases[output], output, first_leaf, columns, table)

    def contributions(self, model: CatBoost, pool: Pool, *, threads: int = 1) -> tuple[Floats, Floats]:
        """Contributions [rows, features] and raw scores [rows]: base + contributions = score."""
        rows = pool.num_row()
        phi, score = np.empty((rows, len(self.feature_names))), np.empty(rows)

        def store(block: slice, block_phi: Floats, block_score: Floats) -> None:
            phi[block], score[block] = block_phi, block_score

        self._explain_blocks(model, pool, threads, store)
        return phi, score

    def top(self, model: CatBoost, pool: Pool, k: int, *, threads: int = 1) -> tuple[Ints, Floats, Floats]:
        """Features [rows, k] of the k contributions largest in absolute value, in falling order
        (the first of equals first), those contributions [rows, k] and raw scores [rows].

        Raises
        ------
        ValueError : k is not between 1 and the number of features.
        """
        if not 1 <= k <= len(self.feature_names):
            raise ValueError(f"k must be between 1 and {len(self.feature_names)}, not {k}")
        rows = pool.num_row()
        indices, values, score = np.empty((rows, k), np.intp), np.empty((rows, k)), np.empty(rows)

        def store(block: slice, phi: Floats, block_score: Floats) -> None:
            # stable, because the order of equals must not depend on the processor
            indices[block] = np.argsort(-np.abs(phi), axis=1, kind="stable")[:, :k]
            values[block] = np.take_along_axis(phi, indices[block], axis=1)
            score[block] = block_score

        self._explain_blocks(model, pool, threads, store)
        return indices, values, score

    def explain_leaves(self, leaf_indexes: NDArray[np.uint32]) -> tuple[Floats, Floats]:
        """Contributions [rows, features] and raw scores [rows] of `calc_leaf_indexes` output.

        Few rows or many, the bits are the same: both ways add in the order of the trees.

        Raises
        ------
        ValueError : leaf_indexes [rows, trees] do not fit the trees tabulated.
        """
        leaves = np.diff(self.first_leaf).astype(leaf_indexes.dtype)
        if leaf_indexes.shape[1:] != leaves.shape or (leaf_indexes >= leaves).any():
            raise ValueError("these leaves are of another model: build its own LeafShap")
        rows, width = len(leaf_indexes), len(self.feature_names) + 1
        sums = np.zeros((rows, width))
        if rows <= NUMPY_ROWS:
            cells = self.columns + width * np.arange(rows)[:, None, None]
            terms = self.table[self.first_leaf[:-1] + leaf_indexes]
            np.add.at(sums.reshape(-1), cells.reshape(-1), terms.reshape(-1))
        else:
            _compiled_sum()(leaf_indexes, self.first_leaf, self.columns, self.table, sums)
        return sums[:, :-1], self.bias + sums[:, -1]

    def verify(self, model: CatBoost, pool: Pool, tolerance: float = 1e-9) -> float:
        """Largest difference from CatBoost's own ShapValues and raw predictions on these rows.

        Raises
        ------
        ValueError : that difference exceeds the tolerance.
        """
        phi, score = self.contributions(model, pool)
        own = _with_positive_weights(model).get_feature_importance(pool, type="ShapValues")
        own = own.reshape(len(phi), -1, len(self.feature_names) + 1)[:, self.output]
        raw = model.predict(pool, prediction_type="RawFormulaVal")
        raw = raw.reshape(len(phi), -1)[:, self.output]
        differences = {
            "contribution": np.abs(phi - own[:, :-1]).max(),
            "base": np.abs(self.base - own[:, -1]).max(),
            "score": np.abs(score - raw).max(),
            "sum": np.abs(phi.sum(axis=1) + self.base - raw).max(),
        }
        name, largest = max(differences.items(), key=lambda item: item[1])
        if not largest <= tolerance:
            raise ValueError(f"{name} differs from CatBoost by {largest:.3g} > {tolerance:.3g}")
        return float(largest)

    def save(self, path: str | Path) -> None:
        """Write the table as .npz, without pickle."""
        with Path(path).open("wb") as file:
            np.savez(file, **vars(self))

    @classmethod
    def load(cls, path: str | Path) -> "LeafShap":
        """Read a table written by `save`."""
        with np.load(path, allow_pickle=False) as stored:
            fields = {name: field if field.ndim else field.item() for name, field in stored.items()}
        return cls(**{**fields, "feature_names": tuple(fields["feature_names"].tolist())})

    def _explain_blocks(self, model: CatBoost, pool: Pool, threads: int, store: Store) -> None:
        rows = pool.num_row()

        def explain(start: int) -> None:
            stop = min(start + BLOCK_ROWS, rows)
            block = pool if rows <= BLOCK_ROWS else pool.slice(np.arange(start, stop))
            leaf_indexes = model.calc_leaf_indexes(block, thread_count=1)
            store(slice(start, stop), *self.explain_leaves(leaf_indexes))

        starts = range(0, rows, BLOCK_ROWS)
        if threads == 1:
            list(map(explain, starts))
            return
        with ThreadPoolExecutor(threads) as executor:
            list(executor.map(explain, starts))


def as_json(model: CatBoost) -> dict[str, Any]:
    """The model as CatBoost's JSON document; ValueError if a leaf cannot tell its SHAP values."""
    if model.get_text_feature_indices() or model.get_embedding_feature_indices():
        raise ValueError("text and embedding features have no table: train without them")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.json")
        model.save_model(str(path), format="json")
        export: dict[str, Any] = json.loads(path.read_bytes())
    if "oblivious_trees" not in export:
        raise ValueError("the trees are not oblivious: train with grow_policy='SymmetricTree'")
    if any(len(tree["splits"] or []) > MAX_DEPTH for tree in export["oblivious_trees"]):
        raise ValueError(f"the trees are too deep to tabulate: train with depth <= {MAX_DEPTH}")
    return export


def _features_of_splits(features_info: dict[str, Any]) -> Ints:
    """Position in the pool of the feature of every split, by the split_index of the JSON document.

    That index numbers the float borders first, then the one-hot values, then the CTR borders.
    """
    floats, categoricals, ctrs = (
        features_info.get(kind) or [] for kind in ("float_features", "categorical_features", "ctrs")
    )
    if any(len(ctr["elements"]) > 1 for ctr in ctrs):
        raise ValueError("CTRs combine categoricals: train with max_ctr_complexity=1")
    position = {c["feature_index"]: c["flat_feature_index"] for c in categoricals}
    features = [f["flat_feature_index"] for f in floats for _ in f["borders"] or []]
    features += [c["flat_feature_index"] for c in categoricals for _ in c.get("values") or []]
    for ctr in ctrs:
        features += [position[ctr["elements"][0]["cat_feature_index"]]] * len(ctr["borders"])
    return np.array(features, dtype=np.intp)


def _tabulate_tree(values: Floats, weights: Floats, split_features: Ints) -> tuple[Any, ...]:
    """Distinct features of one tree, their SHAP values [leaves, features] and expected value.

    The game is the path-dependent one: the last split is the root, a split whose feature the
    coalition knows follows the row, any other averages its branches by training weight.
    Splits on one feature are one player. Bit i of a leaf's index is the answer to split i.
    """
    features, player_of_split = np.unique(split_features, return_inverse=True)
    members, shapley_weights = _coalitions(len(features))
    game = np.broadcast_to(values, (len(members), len(values)))
    for split, player in enumerate(player_of_split):
        # index bits above the split's name its node, bits below it hold the row's answers
        branches = weights.reshape(-1, 2, 2**split).sum(axis=2)
        total = branches.sum(axis=1, keepdims=True)
        # one half each, as equal and vanishing weights would give, where no training row went
        share = np.divide(branches, total, out=np.full_like(branches, 0.5), where=total > 0)
        by_branch = game.reshape(len(members), len(branches), 2, 2**split)
        mean = (by_branch * share[:, :, None]).sum(axis=2, keepdims=True)
        known = members[:, player, None, None, None]
        game = np.where(known, by_branch, mean).reshape(len(members), -1)
    return features, (shapley_weights.T @ game).T, float(game[0, 0])


@functools.cache
def _coalitions(players: int) -> tuple[NDArray[np.bool_], Floats]:
    """Members, and weights in each player's Shapley value, of all coalitions: both
    [coalitions, players], a weight being negative where the player is no member."""
    members = (np.arange(2**players)[:, None] >> np.arange(players) & 1).astype(bool)
    others = members.sum(axis=1, keepdims=True) - members
    orders = np.array([players * comb(players - 1, size) for size in range(players)], dtype=float)
    return members, np.where(members, 1, -1) / orders[others]


def _with_positive_weights(model: CatBoost) -> CatBoost:
    """The model or, if an empty leaf has a value, a copy whose empty leaves weigh next to nothing:
    CatBoost's ShapValues of the copy do not depend on the batch."""
    export = as_json(model)
    moved = False
    for tree in export["oblivious_trees"]:
        empty = np.equal(tree["leaf_weights"], 0)
        moved |= np.reshape(tree["leaf_values"], (len(empty), -1))[empty].any()
        tree["leaf_weights"] = np.where(empty, EMPTY_WEIGHT, tree["leaf_weights"]).tolist()
    if not moved:
        return model
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.json")
        path.write_text(json.dumps(export))
        return CatBoost().load_model(str(path), format="json")


@functools.cache
def _compiled_sum() -> Any:
    """The sum of the table rows of each row's leaves into sums [rows, features + 1]."""
    from numba import njit  # here, since importing numba costs more than explaining a few rows

    def add(leaf_indexes: Any, first_leaf: Any, columns: Any, table: Any, sums: Any) -> None:
        for row in range(leaf_indexes.shape[0]):
            for tree in range(leaf_indexes.shape[1]):
                leaf = first_leaf[tree] + leaf_indexes[row, tree]
                for j in range(columns.shape[1]):
                    sums[row, columns[tree, j]] += table[leaf, j]

    return njit(cache=True, nogil=True)(add)
