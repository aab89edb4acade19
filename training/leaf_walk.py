"""The compiled passes of `training.quantiser` and `training.leaf_scores`.

Importing it costs numba's import, so it is done at use.
"""

from typing import Any

import numpy as np
from numba import njit

from training.lookup import add

_BLOCK = 256  # rows at once: sums of every input stay in the processor's cache


@njit(cache=True, nogil=True)
def count(values: Any, borders: Any, bins: Any) -> None:
    """Count in bins, for each value, the borders below it; an unknown value is above none."""
    singles = values.astype(np.float32)  # what CatBoost makes of a number
    for place in range(borders.shape[0]):
        for row in range(singles.shape[0]):
            bins[row] += np.uint8(singles[row] > borders[place])


@njit(cache=True, nogil=True)
def walk(
    bins: Any, first_split: Any, plane: Any, threshold: Any, widths: Any, columns: Any,
    tables: Any, features: int, kept: Any, answers: Any, raw: Any, places: Any, moves: Any,
) -> None:  # fmt: skip
    """Walk the trees over bins [planes, rows] into raw scores less bias, places and moves [rows, ...]."""
    rows, trees, asked, count = raw.shape[0], widths.shape[0], raw.shape[1], moves.shape[1]
    near, leaf = np.zeros((len(bins), _BLOCK), np.uint8), np.empty(_BLOCK, np.uint16)
    base = np.empty(_BLOCK, np.uint16)
    sums, curve, same = np.empty((features, _BLOCK)), np.empty((asked, _BLOCK)), np.empty(_BLOCK)
    size = np.empty(_BLOCK)
    largest, where = np.empty((count, _BLOCK)), np.empty((count, _BLOCK), np.intp)
    for start in range(0, rows, _BLOCK):
        n = min(_BLOCK, rows - start)
        near[:, :n] = bins[:, start : start + n]
        sums[:], curve[:], same[:] = 0.0, 0.0, 0.0
        for tree in range(trees):
            leaf[:] = 0
            for split in range(first_split[tree], first_split[tree + 1]):
                bit = np.uint16(1 << (split - first_split[tree]))
                answered, border = near[plane[split]], threshold[split]
                for r in range(_BLOCK):
                    leaf[r] |= np.uint16(answered[r] > border) * bit
            values = tables[tree, 0]
            if kept[tree] == 0xFFFF:
                add(same, values, leaf)
            else:
                base[:] = leaf & kept[tree]
                for a in range(asked):
                    leaf[:] = base | answers[tree, a]
                    add(curve[a], values, leaf)
            for j in range(1, widths[tree]):
                add(sums[columns[tree, j]], tables[tree, j], leaf)
        largest[:], where[:] = -1.0, 0
        for feature in range(features if count else 0):
            larger = False
            for r in range(n):
                size[r] = abs(sums[feature, r])
                larger |= size[r] > largest[count - 1, r]
            for r in range(n if larger else 0):
                if size[r] > largest[count - 1, r]:
                    place = count - 1
                    while place > 0 and size[r] > largest[place - 1, r]:
                        largest[place, r], where[place, r] = largest[place - 1, r], where[place - 1, r]
                        place -= 1
                    largest[place, r], where[place, r] = size[r], feature
        for r in range(n):
            for a in range(asked):
                raw[start + r, a] = same[r] + curve[a, r]
            for place in range(count):
                places[start + r, place] = where[place, r]
                moves[start + r, place] = sums[where[place, r], r]
