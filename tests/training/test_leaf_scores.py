"""LeafScores against LeafShap and CatBoost's predict, with one input at several values."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import polars as pl
import pytest
from catboost import Pool

from tests.training.test_leaf_shap import CATEGORIES, MODELS, NUMBERS, fit, loans, tabulated
from training.leaf_scores import LeafScores

VALUES = np.array([-2.0, -0.3, 0.0, 0.4, 1e9])


@cache
def table(numeric: bool) -> pl.DataFrame:  # new categories, unknown and huge numbers
    frame = loans(300, seed=9)
    frame.loc[::5, "region"] = "never seen"
    frame.loc[::7, NUMBERS] = np.nan
    frame.loc[::11, NUMBERS] *= 100
    known = pl.from_pandas(frame)  # null for unknown
    return known.select(NUMBERS) if numeric else known


def pool(frame: pl.DataFrame, **replaced: float) -> Pool:
    changed = frame.with_columns(**{name: pl.lit(value) for name, value in replaced.items()}).to_pandas()
    return Pool(changed, cat_features=[name for name in CATEGORIES if name in changed])


@pytest.mark.parametrize("name", MODELS)
def test_scores_and_reasons_are_those_of_the_table(name: str) -> None:
    model, shap = tabulated(name)
    frame = table("numbers" in name)
    raw, places, moves = LeafScores.of(model, shap).over("arrears", VALUES, frame, 3)
    for column, value in enumerate(VALUES):
        asked = pool(frame, arrears=value)
        expected_places, expected_moves, scores = shap.top(model, asked, 3)
        assert np.abs(raw[:, column] - scores).max() < 1e-12
        assert np.abs(raw[:, column] - model.predict(asked, prediction_type="RawFormulaVal")).max() < 1e-12
    assert (places == expected_places).all() and (moves == expected_moves).all()


def test_the_bits_do_not_depend_on_chunks_threads_and_neighbours() -> None:
    model, shap = tabulated("monotone")
    scores = LeafScores.of(model, shap)
    whole = scores.over("age", VALUES, table(False), 7)
    alone = scores.over("age", VALUES, table(False)[35:36], 7)
    with ThreadPoolExecutor(2) as executor:
        chunks = executor.map(lambda start: scores.over("age", VALUES, table(False)[start : start + 70], 7),
                              range(0, 300, 70))  # fmt: skip
        parts = [np.concatenate(part) for part in zip(*chunks, strict=True)]
    for all_at_once, one, in_parts in zip(whole, alone, parts, strict=True):
        assert (all_at_once == in_parts).all() and (all_at_once[35:36] == one).all()


@pytest.mark.parametrize("name", ["quantile", "no one-hot", "seeds"])
def test_a_model_without_a_table_scores_as_catboost_does(name: str) -> None:
    model, _ = tabulated(name)
    raw, places, moves = LeafScores.unexplained(model).over("debt", VALUES, table(False), 0)
    for column, value in enumerate(VALUES):
        assert np.abs(raw[:, column] - model.predict(pool(table(False), debt=value))).max() < 1e-12
    assert places.shape == moves.shape == (300, 0)


def test_more_borders_than_a_byte_counts() -> None:
    model = fit(numeric=True, border_count=1000, iterations=400)
    assert max(len(borders) for borders in model.get_borders().values()) > 255
    raw, _, _ = LeafScores.unexplained(model).over("age", VALUES, table(True), 0)
    for column, value in enumerate(VALUES):
        assert np.abs(raw[:, column] - model.predict(pool(table(True), age=value))).max() < 1e-12


def test_an_unknown_that_counts_as_large_is_refused() -> None:
    model = fit(nan_mode="Max", numeric=True)
    with pytest.raises(ValueError, match="income: unknown counts as large: train with nan_mode='Min'"):
        LeafScores.unexplained(model)
