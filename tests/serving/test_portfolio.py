"""A portfolio's distribution: exact draws, shared luck, and what a desk reads from them."""

from itertools import groupby

import numpy as np
import polars as pl
import pytest

from recoup.bench import pricing
from serving.pricing import portfolio, scenarios, valuation
from serving.pricing.scenarios import Exposures
from training.outlook import HORIZONS, ULTIMATE, Outlook

_WHOLE = 2**64 - 1


def exposures(loans=1000, regions=3, seed=5):
    rng = np.random.default_rng(seed)
    shapes = np.sort(rng.gamma(0.5, 1.0, (4, 50)), axis=1)
    return Exposures(
        rng.gamma(1.0, 1.0, (loans, 3)), rng.integers(0, regions, loans), rng.integers(0, 4, loans),
        shapes / shapes.mean(axis=1, keepdims=True),
    )  # fmt: skip


def by_hand(loans, national, regional, count, seed):
    """The module's words, a loan at a time: SplitMix64 on whole numbers, either half of which is a loan's luck."""

    def mixed(z):
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _WHOLE
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _WHOLE
        return z ^ (z >> 31)

    def blocks():
        order = np.lexsort((loans.shape, loans.region)).tolist()
        start = 0
        for _, alike in groupby(order, lambda loan: (loans.region[loan], loans.shape[loan])):
            for block in np.array_split(found := list(alike), range(256, len(found), 256)):
                yield start, block
                start += len(block)

    levels, totals = loans.shapes.shape[1], np.zeros((count, loans.money.shape[1]))
    for scenario in range(count):
        rng = np.random.default_rng([seed, scenario])
        key = int(rng.integers(0, 2**64, dtype=np.uint64))
        normal = rng.standard_normal(2 + loans.region.max())
        for start, block in blocks():
            pairs = (len(block) + 1) // 2
            for place, loan in enumerate(block):
                drawn = mixed((key + (start + 1 + place % pairs) * 0x9E3779B97F4A7C15) & _WHOLE)
                uniform = (drawn >> 32 if place < pairs else drawn % 2**32) / 2**32
                log = national * normal[0] + regional * normal[1 + loans.region[loan]]
                shared = np.exp(log - (national**2 + regional**2) / 2)
                totals[scenario] += loans.money[loan] * loans.shapes[loans.shape[loan], int(uniform * levels)] * shared
    return totals


@pytest.mark.parametrize("loans", [exposures(401), exposures(1_201, regions=1)])
def test_every_loan_is_drawn_in_every_scenario_exactly(loans):
    drawn = scenarios.simulate(loans, 0.2, 0.1, 4, seed=11)
    np.testing.assert_allclose(drawn, by_hand(loans, 0.2, 0.1, 4, 11), rtol=1e-12)


def test_the_result_depends_on_the_seed_and_not_on_threads_or_on_how_many_scenarios_follow():
    loans = exposures()
    drawn = scenarios.simulate(loans, 0.2, 0.1, 700, threads=1)
    assert (scenarios.simulate(loans, 0.2, 0.1, 700, threads=3) == drawn).all()
    assert (scenarios.simulate(loans, 0.2, 0.1, 300) == drawn[:300]).all()
    assert (scenarios.simulate(loans, 0.2, 0.1, 700, seed=8) != drawn).any()


def test_a_straightforward_loop_gives_the_same_distribution():
    loans, count = exposures(400), 4000
    ours = scenarios.simulate(loans, pricing.NATIONAL, pricing.REGIONAL, count)[:, 0]
    loop = pricing.by_loop(loans, count)[:, 0]
    error = loop.std() / np.sqrt(count)
    assert abs(ours.mean() - loop.mean()) < 4 * np.sqrt(2) * error
    assert ours.std() / loop.std() == pytest.approx(1, abs=4 / np.sqrt(count))
    for level in (0.05, 0.5, 0.95):
        assert np.mean(ours <= np.quantile(loop, level)) == pytest.approx(level, abs=4 * np.sqrt(0.5 / count) / 2)


def test_the_mean_is_the_sum_of_the_loans_and_shared_luck_does_not_diversify():
    spreads = []
    for loans in (exposures(2_000), exposures(20_000)):
        drawn = scenarios.simulate(loans, 0.15, 0.0, 4000)[:, 0]
        expected = loans.money[:, 0].sum()
        assert drawn.mean() == pytest.approx(expected, rel=4 * 0.16 / np.sqrt(4000))
        spreads.append(drawn.std() / expected)
    assert spreads[1] == pytest.approx(0.15, abs=0.01) and spreads[0] >= spreads[1] - 0.005
    alone = scenarios.simulate(exposures(20_000), 0.0, 0.0, 4000)[:, 0]
    assert alone.std() / alone.mean() < 0.03


@pytest.fixture(scope="module")
def desk():
    rng = np.random.default_rng(2)
    rate = rng.beta(0.5, 4.0, 500)
    curve = np.outer(rate, [0.35, 0.55, 0.8, 0.9, 0.97, 1.0])
    shapes = np.sort(rng.gamma(0.4, 1.0, (3, 100)), axis=1)
    outlook = Outlook((*HORIZONS, ULTIMATE), curve, curve, curve, rng.integers(0, 3, 500))
    owed, given = rng.gamma(2.0, 3000.0, 500), valuation.assumptions()
    valued = valuation.value(outlook, owed, given)
    region = pl.Series(rng.choice(["TX", "NY", "CA"], 500))
    drawn = portfolio.distribute(
        valued, owed, region, shapes / shapes.mean(axis=1, keepdims=True), {"national": 0.1, "regional": 0.05}
    )
    return valued, owed, drawn, portfolio.summary(drawn, given), given


def test_the_loans_add_up_to_the_portfolio(desk):
    valued, _, drawn, told, _ = desk
    assert told["recovery"][-1]["expected"] == pytest.approx(valued.expected.sum())
    assert told["value"]["expected"] == pytest.approx(valued.price.sum())
    assert drawn.value.mean() == pytest.approx(valued.price.sum(), rel=0.01)
    np.testing.assert_allclose(drawn.cash.mean(axis=0), drawn.expected, rtol=0.01)


def test_recovery_rises_with_the_horizon_in_every_scenario_and_lies_in_its_interval(desk):
    _, _, drawn, told, _ = desk
    assert (np.diff(drawn.cash, axis=1) >= 0).all()
    assert all(step["lower"] < step["expected"] < step["upper"] for step in told["recovery"])


def test_the_bid_curve_says_how_often_a_price_reaches_the_required_return(desk):
    _, _, drawn, told, given = desk
    prices = [bid["price"] for bid in told["bid_curve"]]
    assert prices == sorted(prices, reverse=True)
    for bid in told["bid_curve"]:
        assert np.mean(drawn.value >= bid["price"]) == pytest.approx(bid["probability"], abs=0.001)
    (fair,) = drawn.worked.returns(np.array([drawn.price]), given)
    assert fair == pytest.approx(given.required_return, abs=1e-6)
    returns = [bid["expected_return"] for bid in told["bid_curve"]]
    assert returns == sorted(returns)


def test_shortfall_is_worse_than_value_at_risk(desk):
    _, _, drawn, told, _ = desk
    risk, shortfall = told["value_at_risk"], told["expected_shortfall"]
    assert np.mean(drawn.price - drawn.value > risk["95"]) == pytest.approx(0.05, abs=0.001)
    assert risk["95"] < shortfall["95"] and risk["95"] < risk["99"] < shortfall["99"]
    loss = np.sort(drawn.price - drawn.value)
    assert shortfall["95"] == pytest.approx(loss[9_500:].mean())
