"""From rates to money: what a price must do when what it rests on moves."""

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import RecoupError
from serving.pricing import stress, valuation
from training.outlook import HORIZONS, ULTIMATE, Outlook

BASE = valuation.assumptions()
shares = st.floats(0, 1)


def outlook(steps):
    curve = np.minimum(np.cumsum(np.atleast_2d(steps), axis=1), 1.0)
    return Outlook((*HORIZONS, ULTIMATE), curve, curve, curve, np.zeros(len(curve), dtype=np.int64))


def valued(steps, given=BASE, owed=1000.0):
    return valuation.value(outlook(steps), np.full(len(np.atleast_2d(steps)), owed), given)


def changed(**changes):
    """Return the base assumptions with leaves replaced, named such as ``legal__cost_share``."""
    tree = BASE.model_dump()
    for name, amount in changes.items():
        *path, leaf = name.split("__")
        place = tree
        for part in path:
            place = place[part]
        place[leaf] = amount
    return valuation.Assumptions.model_validate(tree)


steps = st.lists(st.floats(0, 0.2), min_size=6, max_size=6)
COSTS = ["required_return", "boarding_share", "legal__filed_share", "legal__cost_share",
         *(f"channels__{name}__{part}" for name in ("in_house", "agency", "court")
           for part in ("fee_share", "delay_months"))]  # fmt: skip


@pytest.mark.parametrize("name", COSTS)
@settings(max_examples=30, deadline=None)
@given(steps, st.floats(0.001, 0.5))
def test_price_falls_when_the_required_return_or_a_cost_rises(name, steps, rise):
    before = BASE.model_dump()
    for part in name.split("__"):
        before = before[part]
    dearer = changed(**{name: before + rise})
    cheap, dear = valued(steps), valued(steps, dearer)
    assert dear.npv[0] <= cheap.npv[0] + 1e-9 and dear.price[0] <= cheap.price[0] + 1e-9
    if sum(steps) > 0.01:
        assert dear.npv[0] < cheap.npv[0]


@settings(max_examples=50, deadline=None)
@given(steps, st.integers(0, 5), st.floats(0.001, 0.2))
def test_price_rises_with_recoveries_and_with_their_coming_sooner(steps, place, more):
    richer = [*steps]
    richer[place] += more
    assert valued(richer).npv[0] >= valued(steps).npv[0] - 1e-9
    if sum(richer) <= 1:
        assert valued(richer).npv[0] > valued(steps).npv[0]
        sooner = sorted(richer, reverse=True)
        assert valued(sooner).npv[0] >= valued(richer).npv[0] - 1e-9


@settings(max_examples=50, deadline=None)
@given(steps, st.floats(-0.3, 3))
def test_the_return_at_a_price_is_the_one_at_which_the_price_is_paid(steps, rate):
    loans = valued(steps, changed(required_return=rate))
    owed = np.array([1000.0])
    found = valuation.return_at(loans.npv, owed, loans.horizons, loans.curve, BASE)
    if loans.worth[0] > 1e-6:
        assert found[0] == pytest.approx(rate, abs=1e-6)
    else:
        assert np.isnan(found[0])


def test_where_nothing_comes_or_nothing_is_paid_there_is_no_return():
    free = changed(boarding_share=0.0, legal__filed_share=0.0)
    price, owed = np.array([10.0, 0.0, 10.0]), np.full(3, 1000.0)
    loans = valued([[0.0] * 6, [0.02] * 6, [0.02] * 6], free)
    rates = valuation.return_at(price, owed, loans.horizons, loans.curve, free)
    assert np.isnan(rates[:2]).all() and rates[2] > 0


def test_money_by_hand():
    given = changed(required_return=0.1, boarding_share=0.01, legal__filed_share=0.5, legal__cost_share=0.02,
                    channels__agency__delay_months=6.0)  # fmt: skip
    loans = valued([0.1, 0, 0, 0, 0, 0], given)
    in_house, agency, court = given.channels.every
    cash = 100 * 1.1 ** (-3 / 12)
    kept = sum(c.cash_share * (1 - c.fee_share) * 1.1 ** (-c.delay_months / 12) for c in (in_house, agency, court))
    assert loans.expected[0] == pytest.approx(100)
    assert loans.price[0] == pytest.approx(cash * kept - 1000 * (0.01 + 0.5 * 0.02))


def test_a_loan_not_worth_its_cost_is_free_and_not_negative():
    loans = valued([0.0] * 6)
    assert loans.npv[0] < 0 and loans.price[0] == 0


def test_a_model_of_the_ultimate_alone_gets_the_assumed_timing():
    alone = Outlook((ULTIMATE,), np.array([[0.2]]), np.zeros((1, 1)), np.ones((1, 1)), np.zeros(1, dtype=np.int64))
    loans = valuation.value(alone, np.array([1000.0]), BASE)
    assert loans.horizons == (*HORIZONS, ULTIMATE) and loans.curve[0, -1] == pytest.approx(0.2)
    half = np.interp(BASE.half_recovered_after, loans.horizons, loans.curve[0])
    assert half == pytest.approx(0.1, rel=0.01)
    assert list(loans.by_horizon()) == []
    slow = valuation.value(alone, np.array([1000.0]), changed(half_recovered_after=24.0))
    assert slow.npv[0] < loans.npv[0]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"required_return": -1}, "required_return"),
        ({"legal": {"filed_share": 1.2, "cost_share": 0.1}}, r"legal\.filed_share"),
        ({"boarding": 0.1}, "boarding"),
        ({"channels": {name: {"cash_share": 0.5, "fee_share": 0, "delay_months": 0}
                       for name in ("in_house", "agency", "court")}}, "add up to 1.5"),
        ({"half_recovered_after": "soon"}, "half_recovered_after"),
    ],
)  # fmt: skip
def test_impossible_assumptions_are_refused(tmp_path, change, told):
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(BASE.model_dump() | change))
    with pytest.raises(RecoupError, match=told):
        valuation.assumptions(tmp_path / "a.yaml")


def test_stresses_only_cost():
    loans = valued([0.05, 0.04, 0.03, 0.02, 0.01, 0.01])
    answers = stress.stressed(stress.read(), loans, np.array([1000.0]), BASE)
    assert list(answers) == ["base", "downturn", "slower_courts", "agency_failure", "late_payments"]
    base = answers.pop("base")
    assert base["price"] == pytest.approx(loans.price[0])
    assert base["expected_recovery"] == pytest.approx(loans.expected[0])
    assert all(found["price"] < base["price"] for found in answers.values())
    late = answers["late_payments"]
    assert late["npv"] + 1000 * BASE.upfront == pytest.approx(loans.worth[0] * 1.2**-0.5)


def test_a_stress_that_makes_no_sense_is_refused(tmp_path):
    (tmp_path / "s.yaml").write_text("war: {about: x, channels: {court: {recoveries: -1}}}")
    with pytest.raises(RecoupError, match=r"war\.channels\.court\.recoveries"):
        stress.read(tmp_path / "s.yaml")
