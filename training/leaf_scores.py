"""Scores of many rows at several values of one input, with the reasons for the last, in one pass.

Another value of an input changes only the bits of a leaf's number that answer for that input, so
the trees are walked once for a whole recovery curve. The table is that of `LeafShap`; what does not
depend on that input is added up once for all values, so that scores may differ in the last bits.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from catboost import CatBoost

from training.leaf_shap import Floats, Ints, LeafShap
from training.quantiser import Quantiser


@dataclass(frozen=True, eq=False)
class LeafScores:
    """The trees of a model, ready for many rows.

    Attributes
    ----------
    quantiser : Quantiser
    names : tuple of str
        The model's inputs.
    bias : float
        Added to the sum of leaf values.
    widths : ndarray of int, shape (trees,)
        Tables that each tree uses.
    columns : ndarray of int, shape (trees, most of the widths)
        Which input each table is about, after the first, which is the score.
    tables : ndarray, shape (trees, most of the widths, most leaves of a tree)
        Values of each tree's leaves, then their contributions.
    """

    quantiser: Quantiser
    names: tuple[str, ...]
    bias: float
    widths: Ints
    columns: Ints
    tables: Floats

    @classmethod
    def of(cls, model: CatBoost, shap: LeafShap) -> "LeafScores":
        """Prepare a model with its table of contributions.

        Raises
        ------
        ValueError
            As `Quantiser.build`.
        """
        quantiser = Quantiser.build(model)
        features = np.array([plane.feature for plane in quantiser.planes], dtype=np.intp)[quantiser.plane]
        trees = np.split(features, quantiser.first_split[1:-1])
        widths = np.array([1 + len(set(tree.tolist())) for tree in trees], dtype=np.intp)
        tables = _tables(shap.table, shap.first_leaf)
        return cls(quantiser, shap.feature_names, shap.bias, widths, shap.columns, tables)

    @classmethod
    def unexplained(cls, model: CatBoost) -> "LeafScores":
        """Prepare a model of one output that nobody asks for reasons.

        Raises
        ------
        ValueError
            As `Quantiser.build`.
        """
        first_leaf = np.cumsum([0, *model.get_tree_leaf_counts()], dtype=np.intp)
        scale, bias = model.get_scale_and_bias()
        ones = np.ones(len(first_leaf) - 1, np.intp)
        values = scale * model.get_leaf_values()[:, None]
        names = tuple(model.feature_names_)
        columns, tables = np.zeros((len(ones), 1), np.intp), _tables(values, first_leaf)
        return cls(Quantiser.build(model), names, bias, ones, columns, tables)

    def over(self, name: str, values: Floats, frame: pl.DataFrame, count: int) -> tuple[Floats, Ints, Floats]:
        """Return raw scores as one input takes several values, and the reasons at the last of them.

        Parameters
        ----------
        name : str
            The number that is replaced.
        values : ndarray, shape (k,)
            What it is replaced by.
        frame : polars.DataFrame, shape (n, features)
            Inputs in the model's order, categories as text without null.
        count : int
            How many reasons; none of a model that is `unexplained`.

        Returns
        -------
        raw : ndarray, shape (n, k)
        places : ndarray of int, shape (n, count)
            Inputs with the largest contributions, in falling order, the first of equals first.
        moves : ndarray, shape (n, count)
            Those contributions to the raw score.
        """
        from training.leaf_walk import walk

        kept, answers = self.answers(name, values)
        raw = np.empty((len(values), frame.height)).T  # what follows goes value by value
        places, moves = np.empty((frame.height, count), np.intp), np.empty((frame.height, count))
        quantiser = self.quantiser
        walk(
            quantiser.bins(frame), quantiser.first_split, quantiser.plane, quantiser.threshold,
            self.widths, self.columns, self.tables, len(self.names), kept, answers, raw, places, moves,
        )  # fmt: skip
        return raw + self.bias, places, moves

    def answers(self, name: str, values: Floats) -> tuple[np.ndarray, np.ndarray]:
        """Return the leaf bits of each tree that do not answer for an input, and what the others are for each value."""
        quantiser, first = self.quantiser, self.quantiser.first_split
        trees = len(first) - 1
        kept, answers = np.full(trees, 0xFFFF, np.uint16), np.zeros((trees, len(values)), np.uint16)
        feature = self.names.index(name)
        for tree in range(trees):
            for depth, split in enumerate(range(first[tree], first[tree + 1])):
                plane = quantiser.planes[quantiser.plane[split]]
                if plane.feature == feature and plane.borders is not None:
                    bit = np.uint16(1 << depth)
                    yes = values.astype(np.float32) > plane.borders[quantiser.threshold[split]]
                    kept[tree] &= ~bit
                    answers[tree, yes] |= bit
        return kept, answers


def _tables(rows: Floats, first_leaf: Ints) -> Floats:
    """Return the rows of each tree's leaves, shape (leaves, widths), as tables of one length."""
    from training.lookup import LEAST

    leaves = np.diff(first_leaf)
    tables = np.zeros((len(leaves), rows.shape[1], leaves.max(initial=LEAST)))
    for table, start, count in zip(tables, first_leaf[:-1], leaves, strict=True):
        table[:, :count] = rows[start : start + count].T
    return tables
