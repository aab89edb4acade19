"""What scores foretell comes true where they are right, and cash splits into its causes to the cent."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.money import Causes, Vintage, causes
from monitoring.performance import IN_A_YEAR, LOG_LOSS, REACHED, TO_DATE, contacts, recoveries
from monitoring.thresholds import Performance
from monitoring.windows import Chunk, Window

START = datetime(2025, 1, 6, tzinfo=UTC)
WEEK = timedelta(days=7)
RULE = Performance(false_alarms=0.05, least=0.1)


def week(random: np.random.Generator, place: int, wrong: float = 1.0) -> pl.DataFrame:
    """A week of attempts whose chances are right, or off by a factor."""
    chance = random.beta(2, 8, size=400)
    return pl.DataFrame({
        "moment": [START + place * WEEK] * 400,
        "score": np.minimum(chance * wrong, 0.99),
        "outcome": (random.uniform(size=400) < chance).astype(float),
    })  # fmt: skip


def watched(wrong: float) -> dict[str, list]:
    random = np.random.default_rng(4)
    reference = pl.concat([week(random, place) for place in range(-52, 0)])
    chunks = [Chunk(START + place * WEEK, START + (place + 1) * WEEK, 400, 400, week(random, place, wrong))
              for place in range(20)]  # fmt: skip
    measured = contacts(Window(reference, chunks), RULE)
    return {metric: [one for one in measured if one.metric == metric] for metric in (REACHED, LOG_LOSS)}


def test_the_estimate_of_a_model_that_is_right_proves_right():
    found = watched(wrong=1.0)
    for metric in (REACHED, LOG_LOSS):
        errors = np.array([one.error for one in found[metric]])
        assert len(errors) == 20
        assert abs(errors.mean()) < 3 * errors.std() / np.sqrt(20), metric
    assert sum(one.finding.alert for one in found[REACHED]) <= 4  # 1 is expected, 5 are in 0.3 % of such worlds


def test_a_model_that_promises_too_much_is_found_and_by_how_much():
    found = watched(wrong=1.5)
    assert all(one.finding.alert for one in found[REACHED])
    assert np.mean([one.estimated / one.realised for one in found[REACHED]]) == pytest.approx(1.5, rel=0.05)
    assert np.mean([one.error for one in found[LOG_LOSS]]) > 0.02


def test_a_chunk_without_attempts_has_no_performance():
    random = np.random.default_rng(4)
    reference = pl.concat([week(random, place) for place in range(-52, 0)])
    assert not contacts(Window(reference, [Chunk(START, START + WEEK, 0, 400, reference.clear())]), RULE)


def loans(random: np.random.Generator, shares: list[float], paid: float = 1.0, expected: float = 1.0) -> pl.DataFrame:
    """Loans of three grades that pay 30, 15 and 5 %."""
    grade = random.choice(["A", "B", "C"], size=4_000, p=shares)
    rate = pl.Series(grade).replace_strict({"A": 0.30, "B": 0.15, "C": 0.05}).to_numpy()
    owed = random.lognormal(8, 0.5, size=4_000)
    return pl.DataFrame({
        "segment": grade,
        "owed": owed,
        "expected": owed * rate * expected,
        "received": owed * rate * paid * random.gamma(20, 1 / 20, size=4_000),
    })  # fmt: skip


USUAL, WORSE = [0.4, 0.4, 0.2], [0.2, 0.3, 0.5]
PLANTED = {
    "mix": (loans(np.random.default_rng(1), USUAL), loans(np.random.default_rng(2), WORSE), -0.316),
    "behaviour": (loans(np.random.default_rng(1), USUAL), loans(np.random.default_rng(2), USUAL, paid=0.7), -0.3),
    "model": (
        loans(np.random.default_rng(1), USUAL, expected=1.25),
        loans(np.random.default_rng(2), USUAL, expected=1.25),
        -0.2,
    ),
    "foreseen": (
        loans(np.random.default_rng(1), USUAL),
        loans(np.random.default_rng(2), USUAL, paid=0.7, expected=0.7),
        -0.3,
    ),
}


@pytest.mark.parametrize("cause", PLANTED)
def test_a_planted_cause_lands_in_its_part(cause):
    reference, now, share = PLANTED[cause]
    found = causes(now, reference)
    parts = {name: getattr(found, name) / found.plan for name in ("mix", "foreseen", "behaviour", "model")}
    assert parts.pop(cause) == pytest.approx(share, abs=0.03)
    assert max(abs(other) for other in parts.values()) < 0.03


money = st.floats(0, 1e6)
some = st.lists(
    st.tuples(st.sampled_from(["A", "B", "C", "D"]), st.floats(1, 1e6), money, money), min_size=1, max_size=30
)


@given(some, some)
def test_the_parts_add_up_to_plan_expected_and_received(now, before):
    columns = ["segment", "owed", "expected", "received"]
    now, before = (pl.DataFrame(rows, schema=columns, orient="row") for rows in (now, before))
    found = causes(now, before)
    scale = 1e-9 * (now["owed"].sum() * max(1, (before["expected"] / before["owed"]).max()) + 1e6 * 30)
    assert found.expected == pytest.approx(now["expected"].sum(), abs=scale)
    assert found.received == pytest.approx(now["received"].sum(), abs=scale)
    assert found.plan == pytest.approx(now["owed"].sum() * before["expected"].sum() / before["owed"].sum())


def test_a_vintage_too_young_is_estimated_and_not_judged():
    young = Vintage(START, START + WEEK, 10, 1_000.0, 0, 100.0, None, None, None)
    (measured,) = recoveries([young])
    assert (measured.metric, measured.estimated, measured.realised, measured.error) == (IN_A_YEAR, 0.1, None, None)
    old = replace(young, months=13, realised_year=80.0, causes=Causes(150.0, -10.0, 0.0, 5.0, 5.0))
    to_date, year = recoveries([old])
    assert (to_date.metric, to_date.estimated, to_date.realised) == (TO_DATE, 0.14, 0.15)
    assert year.error == pytest.approx(0.02)
