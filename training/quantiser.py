"""The inputs of many rows in a model's own bins, without a CatBoost pool.

An oblivious tree asks of a number only whether it lies above a border: the count of borders below it
says as much. Of a category it asks what CatBoost's tables hold: CatBoost is asked once per distinct
category, on a pool of as many rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from catboost import CatBoost, Pool

from training.leaf_shap import Ints, as_json

Levels = tuple[tuple[int, tuple[str, ...]], ...]

_MOST_QUESTIONS = 255  # what a uint8 can count


@dataclass(frozen=True, eq=False)
class Plane:
    """Questions about one input such that a yes to one is a yes to all before it.

    Attributes
    ----------
    feature : int
        Position of the input.
    splits : ndarray, shape (questions,)
        Their numbers in the JSON document.
    borders : ndarray of float32, shape (questions,), optional
        What a number is compared with, rising; None of a category.
    """

    feature: int
    splits: Ints
    borders: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Quantiser:
    """A model's questions; a split is answered yes where the bin of its plane exceeds its threshold.

    Attributes
    ----------
    model : CatBoost
    planes : tuple of Plane
        What each row of the bins counts.
    first_split : ndarray of int, shape (trees + 1,)
        Where the splits of each tree start in the next two.
    plane, threshold : ndarray, shape (splits,)
    asked_at : dict of int to (int, int)
        A tree and a depth where each split of the JSON document is asked.
    """

    model: CatBoost
    planes: tuple[Plane, ...]
    first_split: Ints
    plane: Ints
    threshold: np.ndarray
    asked_at: dict[int, tuple[int, int]]
    _counted: dict[Levels, dict[int, np.ndarray]] = field(default_factory=dict, repr=False)

    @classmethod
    def build(cls, model: CatBoost) -> "Quantiser":
        """Collect the questions of a fitted model.

        Raises
        ------
        ValueError
            When the trees are not oblivious, combine categories, or take an unknown number for a large one.
        """
        document = as_json(model)
        trees = [[split["split_index"] for split in tree["splits"] or []] for tree in document["oblivious_trees"]]
        asked_at = {split: (tree, depth) for tree, splits in enumerate(trees) for depth, split in enumerate(splits)}
        planes = tuple(_planes(document["features_info"], asked_at))
        place = {
            split: (number, threshold)
            for number, plane in enumerate(planes)
            for threshold, split in enumerate(plane.splits.tolist())
        }
        places = np.array([place[split] for splits in trees for split in splits], dtype=np.intp).reshape(-1, 2)
        first_split = np.cumsum([0, *map(len, trees)], dtype=np.intp)
        return cls(model, planes, first_split, places[:, 0].copy(), places[:, 1].astype(np.uint8), asked_at)

    def bins(self, frame: pl.DataFrame) -> np.ndarray:
        """Return bins, uint8, shape (planes, rows), of inputs in the model's order, categories as text."""
        from training.leaf_walk import count  # here, since importing numba is for many rows only

        bins = np.zeros((len(self.planes), frame.height), np.uint8)
        names = self.model.feature_names_
        for number, plane in enumerate(self.planes):
            if plane.borders is not None:
                count(frame[names[plane.feature]].to_numpy(), plane.borders, bins[number])
        self._count_categories(frame, bins)
        return bins

    def _count_categories(self, frame: pl.DataFrame, bins: np.ndarray) -> None:
        names = self.model.feature_names_
        asked = sorted({plane.feature for plane in self.planes if plane.borders is None})
        columns = {place: frame[names[place]].cast(pl.Categorical) for place in asked}
        distinct = {place: column.unique().sort() for place, column in columns.items()}
        counts = self._counts(tuple((place, tuple(levels.cast(pl.String))) for place, levels in distinct.items()))
        codes = {place: column.to_physical().to_numpy().astype(np.intp) for place, column in columns.items()}
        for number, count in counts.items():
            place = self.planes[number].feature
            levels = distinct[place].to_physical().to_numpy()
            yes = np.zeros(levels.max() + 1, np.uint8)
            yes[levels] = count
            np.take(yes, codes[place], out=bins[number], mode="clip")  # which checks nothing, and copies nothing

    def _counts(self, levels: Levels) -> dict[int, np.ndarray]:
        """Return the bin of each level in each plane of a category; parts of a tape have mostly the same levels."""
        known = self._counted.get(levels)
        if known is not None:
            return known
        leaves, sizes, counts = self._leaves(dict(levels)), {place: len(values) for place, values in levels}, {}
        for number, plane in enumerate(self.planes):
            if plane.borders is None:
                asked = map(self.asked_at.__getitem__, plane.splits.tolist())
                answers = [leaves[: sizes[plane.feature], tree] >> depth & 1 for tree, depth in asked]
                counts[number] = np.sum(answers, axis=0).astype(np.uint8)
        self._counted.clear()  # the last levels only
        self._counted[levels] = counts
        return counts

    def _leaves(self, levels: dict[int, tuple[str, ...]]) -> np.ndarray:
        """Return the leaves, shape (rows, trees), of rows that hold every level of each category."""
        rows = max(map(len, levels.values()), default=0)
        if not rows:
            return np.zeros((0, len(self.first_split) - 1), np.uint32)
        table = np.zeros((rows, len(self.model.feature_names_)), dtype=object)
        categories = self.model.get_cat_feature_indices()
        table[:, categories] = ""
        for place, values in levels.items():
            table[: len(values), place] = values
        return self.model.calc_leaf_indexes(
            Pool(table, cat_features=categories, feature_names=self.model.feature_names_)
        )


def _planes(info: dict[str, Any], asked: dict[int, tuple[int, int]]) -> Iterator[Plane]:
    """Yield the planes of the splits that are asked; these are numbered as in `leaf_shap`."""
    floats, categoricals, ctrs = (info.get(kind) or [] for kind in ("float_features", "categorical_features", "ctrs"))
    position = {found["feature_index"]: found["flat_feature_index"] for found in categoricals}
    groups: list[tuple[int, int, list[float] | None]] = []
    for found in floats:
        if found["nan_value_treatment"] == "AsTrue":
            raise ValueError(f"{found['feature_id']}: unknown counts as large: train with nan_mode='Min'")
        groups.append((found["flat_feature_index"], len(found["borders"] or []), found["borders"]))
    for found in categoricals:
        groups += [(found["flat_feature_index"], 1, None)] * len(found.get("values") or [])
    for ctr in ctrs:
        groups.append((position[ctr["elements"][0]["cat_feature_index"]], len(ctr["borders"]), None))
    start = 0
    for feature, size, borders in groups:
        used = [place for place in range(size) if start + place in asked]
        for first in range(0, len(used), _MOST_QUESTIONS):
            part = np.array(used[first : first + _MOST_QUESTIONS], dtype=np.intp)
            yield Plane(feature, start + part, None if borders is None else np.array(borders, dtype=np.float32)[part])
        start += size
