"""A model package laid out for few rows at a time, and compared with itself on the way."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from features.marts.columns import MISSING
from training.curve import HorizonCurve
from training.leaf_scores import LeafScores
from training.package import ModelPackage
from training.quantiser import Quantiser
from training.row_model import RowModel
from training.row_questions import BITS, UNSEEN, Floats, Ints, Singles
from training.row_trees import RowTrees

_HORIZON = "horizon_months"
_VERIFIED_ROWS = 20
Levels = Mapping[str, list[str]]


def row_model(package: ModelPackage) -> RowModel:
    """Lay out a package.

    Raises
    ------
    ValueError
        As `Quantiser.build`.
    ArithmeticError
        When some of the package's reference rows have other scores or contributions, by a bit.
    """
    card, levels = package.card, _levels(package)
    horizons = np.array(card.distribution["horizons"]) if card.distribution else np.zeros(0)
    trees = row_trees(LeafScores.of(package.model, package.shap), levels, _HORIZON, horizons)
    spread = None
    if package.spread:
        spread = row_trees(LeafScores.unexplained(package.spread), levels, _HORIZON, np.zeros(0))
    average = HorizonCurve.from_card(card.curve).at(horizons) if card.curve else np.ones(1)
    found = RowModel(card, package.fingerprint, package.shap.base, average, trees, spread)
    _verify(found, package)
    return found


def row_trees(scores: LeafScores, levels: Levels, replaced: str, values: Floats) -> RowTrees:
    """Lay out the trees of one model.

    Parameters
    ----------
    scores : LeafScores
    levels : dict of str to list of str
        Every text of training of each category.
    replaced : str
        The input that takes several values.
    values : ndarray, shape (k,)
        None of a model that is asked at one value only.
    """
    quantiser = scores.quantiser
    trees, most = len(scores.widths), scores.tables.shape[2]
    depths = np.diff(quantiser.first_split)
    bits = BITS * -(-int(depths.max(initial=1)) // BITS)
    known, first_answer = _answers(quantiser, levels)
    places = np.zeros((trees, bits), np.intp)
    borders = np.full((trees, bits), np.inf, np.float32)
    asked = np.arange(bits) < depths[:, None]
    places[asked], borders[asked] = _looks(quantiser, first_answer)
    kept, answers = scores.answers(replaced, values) if len(values) else (np.full(trees, 0xFFFF), np.zeros((trees, 1)))
    moved = np.flatnonzero(kept != 0xFFFF)
    return RowTrees(
        features=len(scores.names),
        places=places.ravel(),
        borders=borders.ravel(),
        first_leaf=np.arange(trees) * most,
        table=scores.tables.transpose(0, 2, 1).reshape(trees * most, -1),
        columns=scores.columns,
        bias=scores.bias,
        moved=moved,
        kept=kept[moved].astype(np.intp),
        answers=answers[moved].astype(np.intp),
        levels=known,
    )


def _looks(quantiser: Quantiser, first_answer: Mapping[int, int]) -> tuple[Ints, Singles]:
    """Return what each split looks at in a row's view, and what that must exceed."""
    places, borders = np.empty(len(quantiser.plane), np.intp), np.empty(len(quantiser.plane), np.float32)
    for split, (number, threshold) in enumerate(zip(quantiser.plane, quantiser.threshold, strict=True)):
        plane = quantiser.planes[number]
        places[split] = plane.feature if plane.borders is not None else first_answer[number]
        borders[split] = threshold if plane.borders is None else plane.borders[threshold]
    return places, borders


def _answers(quantiser: Quantiser, levels: Levels) -> tuple[dict[int, dict[str, Singles]], dict[int, int]]:
    """Return, for each category, the bins of its planes text by text; and where each plane stands in a row's view."""
    names = quantiser.model.feature_names_
    rows = max((len(texts) for texts in levels.values()), default=0) + 1
    columns = {
        name: [*levels[name], *[UNSEEN] * (rows - len(levels[name]))] if name in levels else [0.0] * rows
        for name in names
    }
    bins = quantiser.bins(pl.DataFrame(columns))
    known: dict[int, dict[str, Singles]] = {}
    first_answer: dict[int, int] = {}
    end = len(names)
    for place in (names.index(name) for name in names if name in levels):
        numbers = [n for n, plane in enumerate(quantiser.planes) if plane.feature == place]
        if numbers:
            texts = [*levels[names[place]], UNSEEN]
            known[place] = dict(zip(texts, bins[numbers, : len(texts)].T.astype(np.float32), strict=True))
            first_answer |= {number: end + n for n, number in enumerate(numbers)}
            end += len(numbers)
    return known, first_answer


def _levels(package: ModelPackage) -> dict[str, list[str]]:
    """Return every text of each category that training saw."""
    categories = package.card.categories
    return {name: sorted({*package.card.population.get(name, []), MISSING}) for name in categories}


def _verify(found: RowModel, package: ModelPackage) -> None:
    frame = package.reference.head(_VERIFIED_ROWS).select(package.names)
    if _HORIZON in frame.columns and package.card.distribution:
        frame = frame.with_columns(pl.lit(package.card.distribution["horizons"][-1]).alias(_HORIZON))
    explained = package.explain(frame)
    again = found.explain(*found.inputs(frame.iter_rows(named=True)))
    if (again.scores != explained.scores).any() or (again.contributions != explained.contributions).any():
        raise ArithmeticError("laid out for few rows the model scores otherwise: the package cannot be served")
