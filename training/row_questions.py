"""What trees ask of a row, and the leaves that its answers lead to.

A tree asks all its questions of every row, so a row's answers to all trees are one comparison, and the
numbers of its leaves are those answers as bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.intp]

UNSEEN = "a category that training never saw"
"""Stands for all of them: their answers are the same."""
BITS = 8
"""A tree's splits are filled up to a multiple of this."""


@dataclass(frozen=True, eq=False)
class Questions:
    """The splits of some trees.

    What a split looks at is a place in a row's view: first the inputs, then what the categories' questions
    are answered by. A text that CatBoost's 32-bit hash takes for a category of training counts as unseen here.

    Attributes
    ----------
    features : int
        Number of inputs.
    places, borders : ndarray, shape (trees, bits)
        What each split looks at and must exceed for a yes; trees are filled up with splits that nothing exceeds.
    levels : dict of int to dict of str to ndarray
        For each category by its place among the inputs: what its questions are answered by, text by text.
    """

    features: int
    places: Ints
    borders: Singles
    levels: Mapping[int, Mapping[str, Singles]]

    def leaves(self, numbers: Floats, texts: Mapping[int, Sequence[str]]) -> Ints:
        """Return each row's leaf of each tree, numbered within the tree: shape (n, trees).

        Parameters
        ----------
        numbers : ndarray, shape (n, features)
            NaN where unknown; what stands at a category's place is not looked at.
        texts : dict of int to sequence of str, n each
            The categories by their place.
        """
        answers = [[known.get(text, known[UNSEEN]) for text in texts[place]] for place, known in self.levels.items()]
        parts = [part for row in zip(numbers, *answers, strict=True) for part in row]
        view = np.concatenate(parts, dtype=np.float32, casting="unsafe").reshape(len(numbers), -1)
        says_yes = view.take(self._places, axis=1) > self._borders
        return np.packbits(says_yes, axis=1, bitorder="little").view(self._leaf_type)

    def and_then(self, other: "Questions") -> "Questions":
        """Return the questions of these trees and then of others, about the same inputs."""
        sides, bits = (self, other), max(self.places.shape[1], other.places.shape[1])
        moved = [np.arange(side._width) for side in sides]
        levels, end = {}, self.features
        for place in {**self.levels, **other.levels}:
            asking = [(side, where) for side, where in zip(sides, moved, strict=True) if place in side.levels]
            for side, where in asking:
                first, count = side._first[place], len(side.levels[place][UNSEEN])
                where[first : first + count] = np.arange(end, end + count)
                end += count
            known = [side.levels[place] for side, _ in asking]
            levels[place] = {
                text: np.concatenate([answers.get(text, answers[UNSEEN]) for answers in known])
                for text in {**known[0], **known[-1]}
            }
        filled = [((0, 0), (0, bits - side.places.shape[1])) for side in sides]
        places = [np.pad(where[side.places], fill) for side, where, fill in zip(sides, moved, filled, strict=True)]
        borders = [np.pad(side.borders, fill, constant_values=np.inf) for side, fill in zip(sides, filled, strict=True)]
        return Questions(self.features, np.concatenate(places), np.concatenate(borders), levels)

    @cached_property
    def _first(self) -> dict[int, int]:
        """Where the answers to each category's questions begin in a row's view."""
        ends = np.cumsum([self.features, *(len(known[UNSEEN]) for known in self.levels.values())]).tolist()
        return dict(zip(self.levels, ends, strict=False))

    @cached_property
    def _width(self) -> int:
        return self.features + sum(len(known[UNSEEN]) for known in self.levels.values())

    @cached_property
    def _places(self) -> Ints:
        return self.places.ravel()

    @cached_property
    def _borders(self) -> Singles:
        return self.borders.ravel()

    @cached_property
    def _leaf_type(self) -> np.dtype[Any]:
        return np.dtype(f"<u{self.places.shape[1] // BITS}")
