"""Unchanged chunks alert as seldom as stated, planted changes are found and named, and Evidently measures the same."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from monitoring.drift import CHUNK, Baseline
from monitoring.thresholds import Rule, Within
from monitoring.workspace import measure

NUMBERS = [f"n{place}" for place in range(12)]
SHADES = ["dark", "light", "none", "pale"]
FALSE_ALARMS = 0.05


def rows(random: np.random.Generator, count: int) -> pl.DataFrame:
    """Attempts of debtors who are tried four times in a row, in weeks that have something in common."""
    debtors = random.normal(size=(count // 4 + 1, len(NUMBERS))).repeat(4, axis=0)[:count]
    weeks = random.normal(size=(count // 100 + 1, 1)).repeat(100, axis=0)[:count]
    values = debtors + random.normal(size=debtors.shape) + 0.2 * weeks
    shade = random.choice(SHADES, size=count, p=[0.5, 0.3, 0.15, 0.05])
    return pl.DataFrame(dict(zip(NUMBERS, values.T, strict=True))).with_columns(
        pl.Series("shade", shade),
        pl.Series("seen", (random.uniform(size=count) < 0.1).astype(float)),
        pl.when(pl.Series(random.uniform(size=count)) > 0.2).then("n0").alias("n0"),
        pl.col("n7").exp(),
        (pl.int_range(pl.len()) // 100).alias(CHUNK),
    )


def rules(least: float) -> list[Rule]:
    numbers = [Rule(name, "number", "wasserstein", least, missing=least) for name in NUMBERS]
    shade = Rule("shade", "category", "jensenshannon", least, missing=least)
    return [*numbers, shade, Rule("seen", "flag", "jensenshannon", least, missing=least)]


def baseline(reference: pl.DataFrame, least: float = 0.05) -> Baseline:
    return Baseline(reference, rules(least), FALSE_ALARMS, fewest=20, fewest_within=10)


@pytest.fixture(scope="module")
def usual():
    return baseline(rows(np.random.default_rng(3), 4_000))


def test_unchanged_chunks_alert_as_seldom_as_stated():
    """With no least distance the null alone decides; ten worlds, as chunks of one world share its reference."""
    alerted, chunks = 0, 0
    for seed in range(10):
        random = np.random.default_rng(seed)
        world = baseline(rows(random, 4_000), least=1e-3)
        for _ in range(20):
            alerted += bool(world.compare(rows(random, 100)).alerts)
            chunks += 1
    assert alerted <= binom.ppf(0.999, chunks, FALSE_ALARMS)
    assert alerted > 0, "a test that never alerts has no power either"


PLANTED = {
    "one column is shifted": (pl.col("n4") + 1.5, {("n4", "drift")}),
    "a unit changes": (pl.col("n7") * 100, {("n7", "drift"), ("n7", "outside")}),
    "the mix shifts": (
        pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit("none")).otherwise("shade").alias("shade"),
        {("shade", "drift")},
    ),
    "values stay away": (pl.when(pl.int_range(pl.len()) % 2 == 0).then("n2").alias("n2"), {("n2", "missing")}),
    "a category is new": (
        pl.when(pl.int_range(pl.len()) % 4 == 0).then(pl.lit("new")).otherwise("shade").alias("shade"),
        {("shade", "outside"), ("shade", "drift")},
    ),
}


@pytest.mark.parametrize("change", PLANTED)
def test_a_planted_change_is_found_at_once_and_nothing_else_is(usual, change):
    expression, expected = PLANTED[change]
    found = usual.compare(rows(np.random.default_rng(99), 100).with_columns(expression))
    assert {(alert.column, alert.test) for alert in found.alerts} == expected
    assert all(alert.p <= FALSE_ALARMS and alert.value >= alert.threshold for alert in found.alerts)


@pytest.mark.parametrize("seed", range(5))
def test_values_that_stay_away_are_found_among_few_rows(usual, seed):
    """Half of thirty, and a third: chance in the distances must not hide it."""
    few = rows(np.random.default_rng(seed), 30).with_columns(PLANTED["values stay away"][0])
    missing = few.with_columns(pl.when(pl.int_range(pl.len()) % 3 == 0).then(None).otherwise("n3").alias("n3"))
    assert {("n2", "missing"), ("n3", "missing")} <= {
        (alert.column, alert.test) for alert in usual.compare(missing).alerts
    }


def test_what_is_certain_but_small_does_not_matter():
    reference = rows(np.random.default_rng(3), 4_000)
    shifted = rows(np.random.default_rng(99), 100).with_columns(pl.col("n4") + 1.5)
    (moved,) = baseline(reference).compare(shifted).alerts
    assert not baseline(reference, least=2 * moved.value).compare(shifted).alerts


def test_too_few_rows_are_said_and_not_tested(usual):
    for height in (0, 19):
        found = usual.compare(usual.reference[:height])
        assert found.untested == f"too few rows: {height}, 20 needed" and not found.findings
    young = baseline(usual.reference[:1_900]).compare(usual.reference)
    assert young.untested == "too few reference chunks: 19, 20 needed" and not young.findings


def test_a_column_that_is_not_known_says_so_and_its_absence_is_found(usual):
    silent = rows(np.random.default_rng(99), 100).with_columns(n5=pl.lit(None, pl.Float64))
    found = usual.compare(silent)
    assert ("n5", "missing") in {(alert.column, alert.test) for alert in found.alerts}
    assert "known values" in found.not_compared["n5"]


def test_what_moves_in_one_region_is_found_there_though_it_drowns_among_all():
    random = np.random.default_rng(5)
    region = pl.Series("region", random.choice([f"R{place}" for place in range(20)], 8_000))
    frame = pl.DataFrame({"x": random.normal(size=8_000), "region": region, CHUNK: np.arange(8_000) // 400})
    regional = [
        Rule("x", "number", "wasserstein", 0.4, missing=0.1, within=Within(by="region", threshold=0.5)),
        Rule("region", "category", "jensenshannon", threshold=0.2, missing=0.1),
    ]
    world = Baseline(frame, regional, FALSE_ALARMS, fewest=20, fewest_within=10)
    now = frame[400:800]
    assert not world.compare(now).alerts
    hit = now.with_columns(pl.when(pl.col("region") == "R7").then(pl.col("x") + 3).otherwise("x").alias("x"))
    assert [(found.column, found.test, found.within) for found in world.compare(hit).alerts] == [
        ("x", "drift within", "R7")
    ]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 3_900), st.integers(0, 1_000))
def test_the_order_of_a_chunks_rows_does_not_matter(usual, start, seed):
    chunk = usual.reference[start : start + 100]
    ours, theirs = (usual.compare(side).findings for side in (chunk, chunk.sample(fraction=1, shuffle=True, seed=seed)))
    assert [found.column for found in ours] == [found.column for found in theirs]
    assert [found.value for found in ours] == pytest.approx([found.value for found in theirs], abs=1e-12)


@pytest.mark.parametrize("method", ["wasserstein", "jensenshannon", "hellinger", "psi"])
def test_evidently_measures_the_same(method):
    random = np.random.default_rng(8)
    asked = [
        Rule("n0", "number", method, 0.1, missing=0.1),
        *([] if method == "wasserstein" else [Rule("shade", "category", method, 0.1, missing=0.1),
                                              Rule("seen", "flag", method, 0.1, missing=0.1)]),
    ]  # fmt: skip
    reference, chunk = rows(random, 4_000), rows(random, 150).with_columns(pl.col("n0") * 1.5)
    ours = Baseline(reference, asked, FALSE_ALARMS, fewest=20, fewest_within=10).compare(chunk)
    account = measure(reference, chunk, asked, ours, datetime(2025, 1, 1, tzinfo=UTC)).dict()
    theirs = {
        (found["config"]["column"], found["config"]["type"].rsplit(":")[-1]): found["value"]
        for found in account["metrics"]
    }
    failed = {test["metric_config"]["params"]["column"]: test["status"].value for test in account["tests"]}
    assert failed
    for found in ours.findings:
        if found.test == "drift":
            assert theirs[found.column, "ValueDrift"] == pytest.approx(found.value, abs=1e-9)
        if found.test == "missing":
            change = theirs[found.column, "MissingValueCount"]["share"] - reference[found.column].is_null().mean()
            assert abs(change) == pytest.approx(found.value, abs=1e-9)
