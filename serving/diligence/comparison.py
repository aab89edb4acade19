"""The tape beside our own book: which inputs are unlike anything that the model has worked.

Each input's distribution is compared with the package's reference rows by the population stability
index over ten bands of the reference (Siddiqi, Credit Risk Scorecards, 2006), and all together by
whether a model can tell the two apart (classifier two-sample test; Lopez-Paz and Oquab 2017,
arXiv:1610.06545): an AUC of 0.5 says that it cannot, 1 that no loan of the tape looks like ours.
"""

from typing import Any

import numpy as np
import polars as pl
from catboost import CatBoost
from sklearn.metrics import roc_auc_score

from features.marts import OURS
from features.marts.columns import MISSING
from training.ensemble import MACHINE
from training.package import ModelPackage, to_pool

_BANDS = 10
_ROWS = 4_000
_FEWEST = 50
_SEED = 7
_SHOWN = 6
_ENOUGH = 30
_LACKING = 0.5
_ASKED = ("horizon_months", "months_since_cutoff")  # say when the question is put, not what the loan is
SHIFTED = 0.25


def compare(package: ModelPackage, frame: pl.DataFrame, outside: dict[str, Any]) -> dict[str, Any]:
    """Compare a tape's model inputs with those that the model was trained on.

    Parameters
    ----------
    package : ModelPackage
    frame : polars.DataFrame, shape (n, features)
    outside : dict
        See `serving.pricing.population.Outside.summary`.

    Returns
    -------
    dict
        ``inputs``: by input the index (``psi``) of the values known on both sides (none for fewer than 30),
        the index that chance alone would give, shares ``missing`` and ``outside`` of what the model was trained on;
        ``outside_share``: loans with any such input; ``shapes``: distributions of the inputs that moved
        most; ``auc`` (none for fewer than 50 loans) and what the two sides were told apart by
        (``drivers``, shares that add up to 1), where ``lacking`` inputs, which the tape or our book does
        not have, were left out.
    """
    ours = package.reference
    columns = [column for column in package.card.columns if column["name"] not in _ASKED]
    compared = [_compared(column, ours, frame, outside["by_column"]) for column in columns]
    inputs = sorted((row for row, _ in compared), key=lambda row: (row["calendar"], -(row["psi"] or 0.0)))
    shapes = {row["input"]: shape for row, shape in compared}
    lacking = [row["input"] for row in inputs if abs(row["missing"] - row["missing_in_ours"]) > _LACKING]
    moved = [row["input"] for row in inputs if not row["calendar"] and row["psi"]][:_SHOWN]
    told = [column for column in columns if not moves_with_calendar(column) and column["name"] not in lacking]
    return {
        "inputs": inputs,
        "shapes": [{"input": name, **shapes[name]} for name in moved],
        "lacking": lacking,
        "outside_share": outside["share"],
        "reference_rows": ours.height,
        **_told_apart(told, ours, frame),
    }


def stability(ours: np.ndarray, tape: np.ndarray) -> tuple[float, float]:
    """Return a number's population stability index from one set of rows to another, and that of chance alone.

    Parameters
    ----------
    ours, tape : ndarray, shape (n,) and (m,)
        Known values; the bands are tenths of the first.
    """
    sides = [pl.Series(side) for side in (ours, tape)]
    _, expected, found = _distributions({"kind": "number"}, *sides)
    return _index(expected, found, sides)


def _index(expected: np.ndarray, found: np.ndarray, sides: list[pl.Series]) -> tuple[float, float]:
    by_chance = (len(expected) - 1) * sum(1 / len(side) for side in sides)
    return float(((found - expected) * np.log(found / expected)).sum()), by_chance


def _compared(column: dict[str, Any], ours: pl.DataFrame, frame: pl.DataFrame,
              outside: dict[str, float]) -> tuple[dict[str, Any], dict[str, Any]]:  # fmt: skip
    """Return an input's row, and its distribution on both sides."""
    name = column["name"]
    sides = [_known(side[name]) for side in (ours, frame)]
    row = {
        "input": name,
        "about": column["about"],
        "calendar": moves_with_calendar(column),
        "psi": None,
        "by_chance": None,
        "missing": 1 - len(sides[1]) / frame.height,
        "missing_in_ours": 1 - len(sides[0]) / ours.height,
        "outside": outside.get(name, 0.0),
    }
    if any(len(side) < _ENOUGH for side in sides):
        return row, {}
    labels, expected, found = _distributions(column, *sides)
    row["psi"], row["by_chance"] = _index(expected, found, sides)
    return row, {"labels": labels, "ours": expected.tolist(), "tape": found.tolist()}


def moves_with_calendar(column: dict[str, Any]) -> bool:
    """Tell inputs that move with the years whatever the loans are: a newer tape has newer ones."""
    return column["view"] in ("public", *OURS) or column["unit"] == "year"


def _known(values: pl.Series) -> pl.Series:
    return values.filter(values != MISSING) if values.dtype == pl.String else values.drop_nulls()


def _distributions(
    column: dict[str, Any], ours: pl.Series, tape: pl.Series
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return bands with the share of each side in them; half a loan is added to each, so that none is empty."""
    if column["kind"] == "category":
        ordered = ours.value_counts(sort=True).sort("count", ours.name, descending=[True, False])
        kept = ordered[ours.name].to_list()[:_BANDS]
        labels = [*kept, "other"]
        places = {name: place for place, name in enumerate(kept)}
        found = [side.replace_strict(places, default=len(kept), return_dtype=pl.Int64).to_numpy()
                 for side in (ours, tape)]  # fmt: skip
    else:
        edges = np.unique(np.quantile(ours.to_numpy(), np.arange(1, _BANDS) / _BANDS))
        labels = _labels(edges)
        found = [np.searchsorted(edges, side.to_numpy(), side="left") for side in (ours, tape)]
    counts = [np.bincount(side, minlength=len(labels)) for side in found]
    there = np.flatnonzero(counts[0] + counts[1])
    expected, observed = ((side[there] + 0.5) / (side.sum() + 0.5 * len(there)) for side in counts)
    return [labels[place] for place in there], expected, observed


def _labels(edges: np.ndarray) -> list[str]:
    shown = [f"{edge:,.3g}" if abs(edge) < 1000 else f"{edge:,.0f}" for edge in edges]
    return [*(f"≤ {edge}" for edge in shown), f"> {shown[-1]}"]


def _told_apart(columns: list[dict[str, Any]], ours: pl.DataFrame, tape: pl.DataFrame) -> dict[str, Any]:
    """Train a small classifier on half of both sides, ask it of the other half, and the other way round."""
    if tape.height < _FEWEST:
        return {"auc": None, "compared_rows": tape.height, "drivers": []}
    names = [column["name"] for column in columns]
    categories = [column["name"] for column in columns if column["kind"] == "category"]
    rows = min(_ROWS, tape.height)
    sides = [side.select(names).sample(min(_ROWS, side.height), seed=_SEED, shuffle=True) for side in (ours, tape)]
    both, is_tape = pl.concat(sides), np.repeat([0.0, 1.0], [side.height for side in sides])
    half = np.concatenate([np.arange(side.height) % 2 for side in sides])
    chances, weights = np.empty(both.height), np.zeros(len(names))
    for part in (0, 1):
        model = CatBoost(MACHINE | {
            "loss_function": "Logloss", "iterations": 60, "depth": 3, "learning_rate": 0.2, "random_seed": _SEED,
            "auto_class_weights": "Balanced",
        })  # fmt: skip
        model.fit(to_pool(both.filter(half == part), categories, is_tape[half == part]))
        chances[half != part] = model.predict(to_pool(both.filter(half != part), categories))
        weights += model.get_feature_importance()
    drivers = sorted(zip(weights / weights.sum(), columns, strict=True), key=lambda pair: -pair[0])[:_SHOWN]
    return {
        "auc": float(roc_auc_score(is_tape, chances)),
        "compared_rows": rows,
        "drivers": [{"input": c["name"], "about": c["about"], "share": float(share)} for share, c in drivers],
    }
