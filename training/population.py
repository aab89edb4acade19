"""What a model was trained on, as ranges of its inputs: the rows outside are not those it knows."""

from typing import Any

import numpy as np
import polars as pl

HELD = 0.99
"""Share of the training rows that lie within every range at once."""
_MOST_ROWS = 50_000


def describe(frame: pl.DataFrame, columns: list[dict[str, Any]], seed: int) -> dict[str, list[Any]]:
    """Return the range of each number and the categories seen.

    A range cuts the same share of rows off at both ends, as small a share for all numbers as holds
    `HELD` of the rows within all ranges at once: the more inputs, the wider each range.

    Parameters
    ----------
    frame : polars.DataFrame, shape (n, features)
        Inputs in training.
    columns : list of dict
        Their ``name`` and ``kind``.
    seed : int
        Of the sample of rows that the ranges are taken from.

    Returns
    -------
    dict of str to list
        ``[low, high]`` of a number that was ever known; the categories, sorted.
    """
    numbers = [column["name"] for column in columns if column["kind"] != "category" and frame[column["name"]].count()]
    sample = frame.select(numbers).sample(min(_MOST_ROWS, frame.height), seed=seed)
    ordered, rarest = {}, np.full(sample.height, sample.height)
    for name in numbers:
        values = sample[name].to_numpy()
        known = np.isfinite(values)
        ordered[name] = np.sort(values[known])
        below = np.searchsorted(ordered[name], values[known], side="right")
        above = len(ordered[name]) - np.searchsorted(ordered[name], values[known], side="left")
        rarest[known] = np.minimum(rarest[known], np.minimum(below, above))
    cut = max(int(np.quantile(rarest, 1 - HELD)) - 1, 0)
    ranges = {
        name: [float(values[cut]), float(values[-1 - cut])] for name, values in ordered.items() if len(values) > 2 * cut
    }
    categories = [column["name"] for column in columns if column["kind"] == "category"]
    return ranges | {name: sorted(frame[name].unique()) for name in categories}
