"""The trees of a model laid out for few rows at a time: no CatBoost, no table library, nothing compiled.

Tables and order of addition are those of `LeafShap`: many rows or one, the bits of score and contributions
are the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.row_questions import Floats, Ints, Questions, Singles


@dataclass(frozen=True, eq=False)
class RowTrees:
    """One model's trees.

    Attributes
    ----------
    features : int
        Number of inputs.
    places, borders : ndarray, shape (trees * bits,)
        As in `Questions`, tree after tree.
    first_leaf : ndarray of int, shape (trees,)
    table : ndarray, shape (leaves, 1 + width)
    columns : ndarray of int, shape (trees, 1 + width)
        As in `LeafShap`; of a model that nobody asks for reasons, leaf values only.
    bias : float
        Added to the sum of leaf values.
    moved : ndarray of int, shape (m,)
        The trees that ask for the input that takes several values.
    kept, answers : ndarray, shape (m,) and (m, k)
        The bits of their leaves that do not answer for it, and what the others are for each value.
    levels : dict of int to dict of str to ndarray
        As in `Questions`.
    """

    features: int
    places: Ints
    borders: Singles
    first_leaf: Ints
    table: Floats
    columns: Ints
    bias: float
    moved: Ints
    kept: Ints
    answers: Ints
    levels: Mapping[int, Mapping[str, Singles]]

    @cached_property
    def questions(self) -> Questions:
        """What the trees ask, and how their leaves are found."""
        trees = len(self.first_leaf)
        return Questions(self.features, self.places.reshape(trees, -1), self.borders.reshape(trees, -1), self.levels)

    def score(self, leaves: Ints) -> Floats:
        """Return the raw scores, shape (n,), of leaves as `Questions.leaves` gives them."""
        # one after the other, in the order of the trees: `sum` adds by halves
        return np.add.accumulate(self._values.take(self.first_leaf + leaves), axis=1)[:, -1] + self.bias

    def explain(self, leaves: Ints) -> tuple[Floats, Floats]:
        """Return contributions to the raw scores, shape (n, features), and the raw scores, shape (n,)."""
        terms = self.table.take(self.first_leaf + leaves, axis=0).reshape(len(leaves), -1)
        # one after the other, in the order of the trees
        sums = np.array([np.bincount(self._columns, row, self.features + 1) for row in terms])
        return sums[:, :-1], self.bias + sums[:, -1]

    def over(self, leaves: Ints, raw: Floats) -> Floats:
        """Return the raw scores as the input takes its values, shape (n, k), of leaves and scores at the last of them.

        What a value adds is what it adds to the trees that ask for the input: the last adds nothing.
        """
        others = (leaves.take(self.moved, axis=1) & self.kept)[:, :, None] | self.answers
        sums = np.add.reduce(self._values.take(self._moved_first + others), axis=1)
        return raw[:, None] + (sums - sums[:, -1:])

    def arrays(self, prefix: str) -> dict[str, Any]:
        """Return what `of_arrays` takes, each under a name that begins with ``prefix``."""
        plain = {name: value for name, value in vars(self).items() if name in _PLAIN}
        for place, known in self.levels.items():
            plain[f"texts_{place}"] = np.array(list(known))
            plain[f"answers_{place}"] = np.array(list(known.values()))
        return {f"{prefix}{name}": value for name, value in plain.items()}

    @classmethod
    def of_arrays(cls, stored: Mapping[str, NDArray[Any]], prefix: str) -> "RowTrees":
        """Read what `arrays` gave."""
        plain: dict[str, Any] = {name: stored[f"{prefix}{name}"] for name in _PLAIN}
        places = [name.rpartition("_")[2] for name in stored if name.startswith(f"{prefix}texts_")]
        levels = {
            int(place): dict(
                zip(stored[f"{prefix}texts_{place}"].tolist(), stored[f"{prefix}answers_{place}"], strict=True)
            )
            for place in places
        }
        return cls(**{name: value if value.ndim else value.item() for name, value in plain.items()}, levels=levels)

    @cached_property
    def _columns(self) -> Ints:
        return self.columns.ravel()

    @cached_property
    def _values(self) -> Floats:
        return np.ascontiguousarray(self.table[:, 0])

    @cached_property
    def _moved_first(self) -> Ints:
        return self.first_leaf[self.moved, None]


_PLAIN = [name for name in RowTrees.__annotations__ if name != "levels"]
