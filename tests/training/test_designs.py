"""Designs: each is one sum of trees, whatever its parts; origins and utility by which they compare."""

from threading import Lock

import numpy as np
import polars as pl
import pytest
from catboost import CatBoost, Pool
from hypothesis import assume, example, given
from hypothesis import strategies as st

from features.errors import RecoupError
from training import challengers, ensemble, metrics, split
from training.designs import DESIGNS
from training.leaf_shap import LeafShap
from training.package import to_pool

PARAMETERS = {
    "loss_function": "RMSE", "eval_metric": "RMSE", "iterations": 30, "depth": 3, "learning_rate": 0.1,
    "max_ctr_complexity": 1, "random_seed": 7, "thread_count": 1, "allow_writing_files": False, "verbose": False,
    "monotone_constraints": {},
}  # fmt: skip
ROWS = 600


def book(seed: int) -> tuple[pl.DataFrame, np.ndarray]:
    """Return inputs and rates: half nothing, most small, a few in full; the size goes with ``paid``."""
    rng = np.random.default_rng(seed)
    paid, region = rng.uniform(size=ROWS), rng.choice(["n", "s", "w"], ROWS)
    chance = 0.2 + 0.6 * paid + 0.1 * (region == "n")
    size = np.where(rng.uniform(size=ROWS) < 0.06, 1.0, 0.02 + 0.2 * paid)
    frame = pl.DataFrame({"paid": paid, "default_year": rng.uniform(2008, 2012, ROWS), "region": region})
    return frame, np.where(rng.uniform(size=ROWS) < chance, size, 0.0)


@pytest.fixture(scope="module", params=DESIGNS)
def fitted(request) -> tuple[str, CatBoost, Pool, np.ndarray]:
    frame, target = book(1)
    design = DESIGNS[request.param]
    settings = {name: (low + high) / 2 for name, (low, high) in design.search.items()}
    parts = design.parts(target, np.full(ROWS, 0.1), **settings)
    pool = to_pool(frame, ["region"], target)
    model = ensemble.fit(lambda values: to_pool(frame, ["region"], values), parts, PARAMETERS, seeds=2)
    return request.param, model, pool, target


def test_every_design_can_be_explained_exactly(fitted):
    _, model, pool, _ = fitted
    shap = LeafShap.build(model)
    shap.verify(model, pool)
    contributions, raw = shap.contributions(model, pool)
    np.testing.assert_allclose(shap.base + contributions.sum(axis=1), raw, atol=1e-9)
    np.testing.assert_allclose(raw, model.predict(pool, prediction_type="RawFormulaVal"), atol=1e-9)


def test_a_process_fits_one_model_at_a_time(monkeypatch):
    # two at once ended the process 3 times in 88,000 small fits: too seldom for a test to wait for
    fitting, fit = Lock(), CatBoost.fit

    def watched(model: CatBoost, pool: Pool) -> CatBoost:
        assert fitting.acquire(blocking=False), "another fit is under way"
        try:
            return fit(model, pool)
        finally:
            fitting.release()

    monkeypatch.setattr(CatBoost, "fit", watched)
    frame, target = book(2)
    parts = DESIGNS["direct"].parts(target, np.full(ROWS, 0.1))
    ensemble.fit(lambda values: to_pool(frame, ["region"], values), parts, PARAMETERS, seeds=4)


def test_every_design_holds_the_level_and_finds_the_order(fitted):
    name, model, pool, target = fitted
    scores = 0.1 * model.predict(pool, prediction_type="RawFormulaVal")
    level = target.mean() if name in ("direct", "uncertainty") else np.minimum(target, 0.7).mean()
    assert scores.mean() == pytest.approx(level, rel=0.1)
    assert metrics.recovery(target, scores, np.ones(ROWS))["spearman"] > 0.3


@pytest.mark.parametrize("way", [1, -1])
@pytest.mark.parametrize("name", DESIGNS)
def test_every_design_keeps_a_promise_that_the_rows_go_against(name, way):
    frame, target = book(5)
    target = target * np.sin(np.pi * frame["paid"].to_numpy()) ** 4
    settings = {setting: (low + high) / 2 for setting, (low, high) in DESIGNS[name].search.items()}
    parts = DESIGNS[name].parts(target, np.full(ROWS, 0.1), **settings)
    promised = PARAMETERS | {"monotone_constraints": {"paid": way}, "learning_rate": 0.3}
    model = ensemble.fit(lambda values: to_pool(frame, ["region"], values), parts, promised, seeds=1)
    LeafShap.build(model).verify(model, to_pool(frame, ["region"]))
    ahead = [
        model.predict(to_pool(frame.with_columns(paid=pl.lit(paid)), ["region"]), prediction_type="RawFormulaVal")
        for paid in np.linspace(0, 1, 40)
    ]
    steps = way * np.diff(ahead, axis=0)
    assert (steps > -1e-12).all() and (steps > 1e-3).any()


def test_outputs_of_one_fit_are_summed_to_the_last_digits():
    frame, target = book(2)
    (part,) = DESIGNS["quantiles"].parts(target, np.full(ROWS, 0.1))
    pool = to_pool(frame, ["region"], part.target)
    single = ensemble.fit(lambda values: pool, [part], PARAMETERS, seeds=1).predict(pool)
    outputs = CatBoost(PARAMETERS | part.parameters).fit(pool).predict(pool)
    assert outputs.shape == (ROWS, len(part.outputs))
    averaged = outputs @ part.outputs
    np.testing.assert_allclose(single, averaged * part.level / averaged.mean(), rtol=1e-9)


@given(
    days=st.lists(st.integers(0, 40), min_size=20, max_size=120).filter(lambda days: days.count(min(days)) < 15),
    count=st.integers(1, 4),
)
@example(days=[0] * 20 + list(range(1, 21)), count=3)
def test_origins_roll_forward_and_never_touch_the_test(days, count):
    order, entity = np.array(days), np.arange(len(days))
    parts = split.by_time(order, entity)
    assume(len(set(order[parts.train])) > 1)
    found = split.origins(order, entity, parts.train, count)
    assert 1 <= len(found) <= count
    seen = np.zeros(len(days), int)
    for origin in found:
        assert origin.before.any() and origin.after.any()
        assert order[origin.before].max() < order[origin.after].min()
        assert not ((origin.before | origin.after) & parts.test).any()
        seen += origin.after
    assert seen.max() == 1, "a row is judged once"


def test_where_all_before_the_test_is_of_one_day_nothing_can_be_judged():
    order, entity = np.array([0] * 15 + list(range(1, 6))), np.arange(20)
    with pytest.raises(RecoupError, match="other dates"):
        split.origins(order, entity, split.by_time(order, entity).train, 1)


@pytest.mark.parametrize(
    "worse", [{"spearman": 0.3}, {"r2": 0.03}, {"top_fifth_lift": 1.4}, {"predicted_over_actual": 1.2},
              {"predicted_over_actual": 0.8}]
)  # fmt: skip
def test_utility_falls_with_each_of_its_parts(worse):
    aim = {"spearman": 0.4, "r2": 0.06, "top_fifth_lift": 1.7, "predicted_over_actual": 1.0}
    assert metrics.desk_utility(aim | worse) < metrics.desk_utility(aim)


@pytest.mark.parametrize("name", challengers.RECOVERY)
def test_a_challenger_finds_the_order_and_bears_gaps_and_unseen_levels(name):
    frame, target = book(3)
    unseen, realised = book(4)
    gaps = pl.when(pl.int_range(pl.len()) % 10 > 0).then("default_year").alias("default_year")
    unseen = unseen.with_columns(pl.when(pl.col("region") == "w").then(pl.lit("e")).otherwise("region").alias("region"))
    silent = pl.lit(None, pl.Float64).alias("silent")
    train, test = frame.with_columns(gaps, silent), unseen.with_columns(gaps, silent)
    scores = challengers.RECOVERY[name](train, target, test)
    assert scores.shape == (ROWS,) and np.isfinite(scores).all()
    assert metrics.recovery(realised, scores, np.ones(ROWS))["spearman"] > 0.25
