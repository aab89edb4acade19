"""LeafShap against CatBoost's own ShapValues, on real models of synthetic loans."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoost, Pool, sum_models
from hypothesis import given, settings
from hypothesis import strategies as st

import training.leaf_shap
from training.leaf_shap import LeafShap

NUMBERS = ["debt", "age", "income", "arrears"]
CATEGORIES = ["region", "product", "sex"]


def assert_equal(actual: np.ndarray, expected: np.ndarray) -> None:
    assert np.abs(actual - expected).max() < 1e-9


def loans(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(rows, 4)), columns=NUMBERS)
    frame.loc[rng.random(rows) < 0.2, "income"] = np.nan
    for name, levels in zip(CATEGORIES, (12, 4, 2), strict=True):
        frame[name] = rng.integers(levels, size=rows).astype(str)
    return frame


@cache
def unseen(numeric: bool = False) -> Pool:  # rows with new categories, missing and huge numbers
    frame = loans(300, seed=9)
    frame.loc[::5, "region"] = "never seen"
    frame.loc[::7, NUMBERS] = np.nan
    frame.loc[::11, NUMBERS] *= 100
    return Pool(frame[NUMBERS]) if numeric else Pool(frame, cat_features=CATEGORIES)


@cache
def fit(loss: str = "RMSE", numeric: bool = False, **options: Any) -> CatBoost:
    frame = loans(1500, seed=0)
    target = frame["debt"] - frame["age"] * frame["arrears"] + 2 * (frame["region"] < "4")
    target += frame["income"].fillna(1) + np.random.default_rng(1).normal(size=len(frame))
    if loss in ("Logloss", "MultiClass"):
        target = np.digitize(target, [0.0] if loss == "Logloss" else [-1.0, 1.0])
    usual = {"iterations": 60, "depth": 5, "max_ctr_complexity": 1, "thread_count": 1, "verbose": False}
    model = CatBoost({"loss_function": loss, "allow_writing_files": False} | usual | options)
    categories = [] if numeric else CATEGORIES
    return model.fit(Pool(frame[NUMBERS + categories], target, cat_features=categories))


def seeds(**options: Any) -> CatBoost:
    models = [fit(random_seed=seed, depth=4 + seed, **options) for seed in range(3)]
    return sum_models(models, weights=[0.5, 0.3, 0.2])


MODELS: dict[str, Callable[[], CatBoost]] = {
    "numbers": lambda: fit(numeric=True),
    "logloss of numbers": lambda: fit("Logloss", numeric=True),
    "categories": fit,
    "logloss of categories": lambda: fit("Logloss"),
    "one-hot": lambda: fit(one_hot_max_size=12),
    "no one-hot": lambda: fit(one_hot_max_size=1),
    "quantile": lambda: fit("Quantile:alpha=0.9"),
    "seeds": seeds,
    "one-hot in some seeds": lambda: sum_models([fit(one_hot_max_size=12), fit()]),
    "seeds of logloss": lambda: seeds(loss="Logloss"),
    "monotone": lambda: fit(monotone_constraints="(1,-1,0,0,0,0,0)"),
    "monotone seeds": lambda: seeds(monotone_constraints="(1,-1,0,0,0,0,0)"),
}


@cache
def tabulated(name: str) -> tuple[CatBoost, LeafShap]:
    model = MODELS[name]()
    return model, LeafShap.build(model)


@pytest.mark.parametrize("name", MODELS)
def test_equals_catboost(name: str) -> None:
    model, table = tabulated(name)
    pool = unseen("numbers" in name)
    phi, score = table.contributions(model, pool)
    assert_equal(score, model.predict(pool, prediction_type="RawFormulaVal"))
    assert_equal(phi.sum(axis=1) + table.base, score)
    assert table.verify(model, pool) <= 1e-9
    moved = model.get_leaf_values()[model.get_leaf_weights() == 0].any()
    assert moved == ("monotone" in name)
    if not moved:  # else CatBoost's own values change with the batch
        own = model.get_feature_importance(pool, type="ShapValues")
        assert_equal(np.c_[phi, np.full(len(phi), table.base)], own)


@pytest.mark.parametrize("loss", ["MultiClass", "MultiQuantile:alpha=0.1,0.5,0.9"])
def test_each_output_of_several(loss: str) -> None:
    for output in range(3):
        assert LeafShap.build(fit(loss), output).verify(fit(loss), unseen()) <= 1e-9
    with pytest.raises(ValueError, match="output"):
        LeafShap.build(fit(loss))


number = st.one_of(st.floats(-1e6, 1e6, width=32), st.just(float("nan")))
loan = st.tuples(*[number] * 4, *[st.sampled_from(["0", "1", "3", "11", "new", ""])] * 3)


@settings(max_examples=50, deadline=None)
@given(st.lists(loan, min_size=1, max_size=5))
def test_contributions_and_base_sum_to_the_score(rows: list[tuple[object, ...]]) -> None:
    pool = Pool(pd.DataFrame(rows, columns=NUMBERS + CATEGORIES), cat_features=CATEGORIES)
    for name in ("categories", "monotone"):
        model, table = tabulated(name)
        phi, score = table.contributions(model, pool)
        assert_equal(phi.sum(axis=1) + table.base, score)
        assert_equal(score, model.predict(pool))


def test_the_bits_are_the_same_alone_in_bulk_and_threaded(monkeypatch: pytest.MonkeyPatch) -> None:
    model, table = tabulated("monotone")
    bulk, scores = table.contributions(model, unseen())
    alone, score = table.contributions(model, unseen().slice([35]))
    assert (alone[0] == bulk[35]).all() and score[0] == scores[35]
    monkeypatch.setattr(training.leaf_shap, "BLOCK_ROWS", 70)
    for threads in (1, 2):
        phi, score = table.contributions(model, unseen(), threads=threads)
        assert (phi == bulk).all() and (score == scores).all()


def test_scale_and_bias_are_included() -> None:
    model, table = tabulated("categories")
    scaled = model.copy()
    scaled.set_scale_and_bias(2.0, 0.25)
    phi, score = LeafShap.build(scaled).contributions(scaled, unseen())
    assert_equal(score, scaled.predict(unseen()))
    assert_equal(phi, 2 * table.contributions(model, unseen())[0])


@pytest.mark.parametrize("k", [1, 3, 7])
def test_top_agrees_with_all_contributions(k: int) -> None:
    model, table = tabulated("categories")
    phi, score = table.contributions(model, unseen())
    indices, values, top_score = table.top(model, unseen(), k)
    assert (values == np.take_along_axis(phi, indices, axis=1)).all() and (top_score == score).all()
    assert (np.abs(values) == -np.sort(-np.abs(phi), axis=1)[:, :k]).all()
    with pytest.raises(ValueError, match="between 1 and 7"):
        table.top(model, unseen(), k + 7)


def test_saved_table_is_the_same_to_the_bit(tmp_path: Path) -> None:
    _, table = tabulated("seeds")
    table.save(tmp_path / "table.npz")
    for name, value in vars(LeafShap.load(tmp_path / "table.npz")).items():
        assert np.array_equal(value, getattr(table, name)), name


def test_refuses_what_it_cannot_tabulate() -> None:
    with pytest.raises(ValueError, match="max_ctr_complexity=1"):
        LeafShap.build(fit(max_ctr_complexity=3, one_hot_max_size=1))
    with pytest.raises(ValueError, match="SymmetricTree"):
        LeafShap.build(fit(grow_policy="Lossguide", numeric=True))
    with pytest.raises(ValueError, match="depth <= 12"):
        LeafShap.build(fit(depth=13, iterations=1, numeric=True))


@pytest.mark.parametrize("kind", ["text", "embedding"])
def test_refuses_texts_and_embeddings(kind: str) -> None:
    notes = ["paid late", "never paid"] if kind == "text" else [[0.0, 1.0], [1.0, 0.5]]
    pool = Pool(pd.DataFrame({"note": notes * 50}), [0, 1] * 50, **{f"{kind}_features": ["note"]})
    model = CatBoost({"iterations": 2, "verbose": False, "allow_writing_files": False}).fit(pool)
    with pytest.raises(ValueError, match="text and embedding"):
        LeafShap.build(model)


def test_tells_another_model() -> None:
    model, table = tabulated("categories")
    with pytest.raises(ValueError, match="another model"):
        table.contributions(tabulated("seeds")[0], unseen())
    swapped = table.table[:, [0, 2, 1, *range(3, table.table.shape[1])]]
    with pytest.raises(ValueError, match="contribution differs from CatBoost by"):
        replace(table, table=swapped).verify(model, unseen())


def test_a_few_rows_do_not_import_numba(tmp_path: Path) -> None:
    model, table = tabulated("numbers")
    files = [str(tmp_path / "model.cbm"), str(tmp_path / "table.npz")]
    model.save_model(files[0])
    table.save(files[1])
    cold = """import sys, catboost, training.leaf_shap as leaf_shap
model = catboost.CatBoost().load_model(sys.argv[1])
leaf_shap.LeafShap.load(sys.argv[2]).contributions(model, catboost.Pool([[0.0, 1.0, 2.0, 3.0]]))
assert "numba" not in sys.modules"""
    subprocess.run([sys.executable, "-c", cold, *files], check=True)
