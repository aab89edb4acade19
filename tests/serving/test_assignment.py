"""The assignment against a linear program and by brute force; agencies' skills, recalls and lots; filings."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from features.errors import RecoupError
from features.lake import Lake
from serving.dispatch import court, placements
from serving.dispatch.assignment import Offers, Options, solve
from serving.dispatch.capacities import Capacities

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def world(seed, people, places, needs=False):
    """Offers of people to places in two groups, which cannot hold everybody."""
    rng = np.random.default_rng(seed)
    value = rng.gamma(1.0, 10.0, (people, places)) - 3.0
    offered = rng.random((people, places)) < 0.6
    person, option = np.nonzero(offered)
    nothing = np.zeros(places)
    most = rng.integers(1, max(2, people // places), places)
    group = np.arange(places) % 2
    least = np.where(np.arange(places) == 0, most, 0) * needs
    share = np.where(needs & (group == 1), 0.2 if places < 8 else 0.1, 0.0)
    options = Options(least, most, group, np.zeros(2, np.int64),
                      np.array([most[group == 0].sum() - 1 + needs, 10**6]), share, nothing + 1)  # fmt: skip
    return Offers(np.searchsorted(person, np.arange(people + 1)), option, value[offered]), options


def linear(offers, options):
    """Return the value of the linear program, by HiGHS."""
    person, count = offers.people(), len(offers.option)
    rows, most = [], []
    for one in range(len(offers.start) - 1):
        rows.append((person == one).astype(float))
        most.append(1.0)
    member = options.group[offers.option]
    for option in range(len(options.most)):
        mine = (offers.option == option).astype(float)
        rows += [mine, -mine, options.share_least[option] * (member == options.group[option]) - mine]
        most += [options.most[option], -options.least[option], 0.0]
    for group, room in enumerate(options.group_most):
        rows.append((member == group).astype(float))
        most.append(room)
    found = linprog(-offers.value, A_ub=np.array(rows), b_ub=np.array(most), bounds=[(0, 1)] * count)
    assert found.success
    return -found.fun


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.booleans())
def test_a_plan_is_lawful_and_near_the_linear_bound(seed, needs):
    offers, options = world(seed, 60, 6, needs)
    found = solve(offers, options)
    person = offers.people()[found.chosen]
    used = np.bincount(offers.option[found.chosen], minlength=6)
    assert len(set(person)) == len(person)
    assert (used <= options.most).all() and (np.bincount(options.group, used) <= options.group_most).all()
    exact = linear(offers, options)
    assert found.value <= found.bound + 1e-6 and found.bound >= exact - 1e-6 * abs(exact)
    if needs:  # shares of a whole number are whole numbers
        assert (used >= options.least).all()
        assert (used >= options.share_least * np.bincount(options.group, used)[options.group] - 1).all()
    else:
        assert found.value >= 0.99 * exact and found.bound <= 1.01 * exact


def test_a_price_is_what_one_more_would_add():
    offers, options = world(3, 400, 6)
    wide = Options(**(vars(options) | {"group_most": np.array([10**6, 10**6])}))
    found = solve(offers, wide)
    assert (found.price > 0).any()
    for option in range(6):
        one = (np.arange(6) == option).astype(int)
        more, less = (solve(offers, Options(**(vars(wide) | {"most": wide.most + step}))).value for step in (one, -one))
        assert more - found.value - 0.1 <= found.price[option] <= found.value - less + 0.1


def test_a_minimum_out_of_reach_is_told_not_crashed_on():
    offers, options = world(5, 30, 6)
    least = np.array([500, 0, 0, 0, 0, 0])
    found = solve(offers, Options(**(vars(options) | {"least": least, "most": options.most + least,
                                                      "group_most": np.array([600, 600])})))  # fmt: skip
    reached = len(set(offers.people()[offers.option == 0]))
    assert found.short.tolist() == [500 - reached, 0, 0, 0, 0, 0]
    assert np.isfinite(found.bound) and 0 <= found.gap < 0.01


def test_nothing_offered_is_nothing_planned():
    _, options = world(5, 30, 6)
    nothing = Offers(np.zeros(4, np.int64), np.zeros(0, np.int64), np.zeros(0))
    found = solve(nothing, options)
    assert found.value == found.bound == 0 and not len(found.chosen)


# --- agencies ---------------------------------------------------------------------------------------

SKILL = {"good": 1.5, "fair": 1.0, "poor": 0.6}


def past(seed, few=6):
    """Placements of agencies whose skill is known; the good get the easy debts, and a new one got ``few``."""
    rng = np.random.default_rng(seed)
    grade = rng.integers(0, 3, 6_000)
    drawn = rng.random(6_000)
    agency = np.where(drawn < 0.5 - 0.2 * grade, "good", np.where(drawn < 0.8 - 0.2 * grade, "fair", "poor"))
    owed = rng.gamma(2, 2_500, 6_000) + 100
    rate = np.array([0.09, 0.05, 0.02])[grade] * np.array([SKILL[name] for name in agency])
    agency = np.where(np.arange(6_000) < few, "new", agency)
    paid = rng.random(6_000) < 0.25
    return pl.DataFrame({
        "loan_id": [f"L{n}" for n in range(6_000)], "agency": agency, "credit_grade": ["ABC"[n] for n in grade],
        "owed": owed, "months_since_default": rng.uniform(0, 60, 6_000),
        "cash": np.where(paid, 4 * rate * rng.gamma(2, 0.5, 6_000), 0.0) * owed,
    })  # fmt: skip


def test_skills_come_in_the_planted_order_and_a_new_agency_is_no_hero():
    found = placements.skills(past(1))
    skill = dict(found.by_agency.select("agency", "skill").iter_rows())
    raw = dict(found.by_agency.select("agency", "raw").iter_rows())
    assert skill["good"] > skill["fair"] > skill["poor"]
    assert skill["good"] / skill["poor"] == pytest.approx(SKILL["good"] / SKILL["poor"], rel=0.25)
    assert abs(skill.get("new", 1.0) - 1) < 0.5 * max(abs(raw.get("new", 1.0) - 1), 0.02)
    bare = dict(past(1).group_by("agency").agg(pl.col("cash").sum() / pl.col("owed").sum()).iter_rows())
    assert bare["good"] / bare["poor"] > 1.5 * SKILL["good"] / SKILL["poor"]  # what bare rates would say
    case = pl.DataFrame({"owed": [1e4], "months_since_default": [6.0], "credit_grade": ["A"]})
    never = found.of(case, "nobody has heard of it")[0]
    assert found.of(case, "poor")[0] < never < found.of(case, "good")[0]


def test_lots_keep_each_agencys_number_and_tell_the_chance():
    given = pl.DataFrame({"loan_id": [f"L{n}" for n in range(2_000)], "agency": ["a"] * 1_500 + ["b"] * 500})
    told = placements.explored(given, 0.2, date(2026, 1, 1))
    assert sorted(told["agency"]) == sorted(given["agency"])
    assert told["explored"].mean() == pytest.approx(0.2, abs=0.03)
    assert told.filter(~pl.col("explored"))["agency"].equals(given.filter(~told["explored"])["agency"])
    by_lot = told.with_columns(planned=given["agency"]).filter(pl.col("agency") != pl.col("planned"))
    assert by_lot.height and (by_lot["probability"] < 0.2).all()
    days = [placements.explored(given, 0.2, date(2026, 1, 1) + timedelta(n))["agency"][0] for n in range(300)]
    assert np.mean([name == "a" for name in days]) == pytest.approx(told["probability"][0], abs=0.05)
    assert placements.explored(given, 0.0, date(2026, 1, 1))["probability"].unique().to_list() == [1.0]


def test_stale_placements_are_recalled_with_their_reason(worked):
    terms = {"commission": 0.2, "term_days": 100, "most": 5}
    desk = Capacities(pools={}, agencies={"a": terms, "b": terms | {"term_days": 400}})
    paid = Lake(worked).scan("payments").filter(pl.col("paid_at") > datetime(2025, 12, 1, tzinfo=UTC)).collect()
    out = pl.DataFrame({"loan_id": ["X1", "X2", "X3", paid["loan_id"][0], "X5"], "agency": ["a", "b", "gone", "b", "a"],
                        "placed_on": [date(2025, 9, 1)] * 4 + [date(2025, 12, 1)]})  # fmt: skip
    found = dict(placements.recalls(out, Lake(worked), desk, MOMENT).select("loan_id", "reason").iter_rows())
    assert found == {"X1": "the term is over", "X2": "nothing paid for 90 days", "X3": "no contract with the agency"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loan_id,agency\nL1,a\n", "column placed_on is missing"),
        ("loan_id,agency,placed_on\nL1,a,2026-01-01\nL2,a,yesterday\n", "row 3, placed_on"),
        ("loan_id,agency,placed_on\nL1,a,2026-01-01\nL1,b,2026-01-01\n", "row 2, loan_id"),
    ],
)
def test_a_wrong_placements_file_is_named_by_row(tmp_path, text, message):
    (tmp_path / "out.csv").write_text(text)
    with pytest.raises(RecoupError, match=message):
        placements.read(tmp_path / "out.csv")


# --- court ------------------------------------------------------------------------------------------


def test_filing_brings_what_the_world_says(worked):
    found = court.estimate(Lake(worked), MOMENT)
    assert found.cases > 20 and 0 < found.others < 0.4
    # 240 at filing, 150 at judgment, 180 at enforcement where the case is won, and 1.5 % of the claim
    assert 240 < found.fixed < 600 and found.part == pytest.approx(0.015, abs=0.005)
    small, large = found.of(pl.DataFrame({"region": ["TX", "TX"], "owed": [500.0, 30_000.0]})).iter_rows(named=True)
    assert small["enforced"] < small["court_cost"] and large["enforced"] > large["court_cost"]


def test_only_open_claims_near_their_end_are_flagged():
    day = MOMENT.timestamp()
    rows = pl.DataFrame({
        "limitation_at": [day + 86_400 * days for days in (-1, 0, 90, 92, 30)] + [None],
        "legal_status": ["none", None, "none", "none", "filed", "none"],
    })  # fmt: skip
    told = court.limitation(rows, MOMENT)
    assert told["flagged"].to_list() == [False, True, True, False, False, False]
    assert told["open_to_filing"].to_list() == [False, True, True, True, False, True]
