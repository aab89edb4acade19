"""Intervals that cover what they claim, and shapes that are what was realised."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.distribution import LEVEL, Distribution, margin

HORIZONS, SCALES = np.array([6.0, 24.0, 120.0]), np.array([0.05, 0.15, 0.2])


def drawn(loans, seed):
    """Loans at horizons that they lived, and how high each may come; half pay nothing, a few in full."""
    rng = np.random.default_rng(seed)
    spread, place = rng.uniform(0.1, 2, loans), rng.integers(0, 2, loans)
    paid = np.where(rng.random(loans) < 0.5, 0.0, rng.exponential(spread))
    return HORIZONS[place], spread, np.clip(paid * SCALES[place], 0, 1)


@pytest.fixture(scope="module")
def distribution():
    return Distribution.calibrate(HORIZONS, SCALES, *drawn(6_000, seed=1))


def test_intervals_cover_nine_in_ten_at_each_horizon(distribution):
    """10,000 loans a horizon: the standard error is 0.3 points, and 0.6 that of 3,000 calibrating ones."""
    asked, spread, realised = drawn(20_000, seed=2)
    upper = distribution.upper(spread)
    for place in (0, 1):
        of = asked == HORIZONS[place]
        assert (realised[of] <= upper[of, place]).mean() == pytest.approx(LEVEL, abs=0.02)


def test_shapes_have_mean_one_and_the_spike_body_and_tail_that_were_realised(distribution):
    shapes = distribution.shapes
    np.testing.assert_allclose(shapes.mean(axis=1), 1.0)
    assert len(shapes) == len(distribution.edges) + 1 > 2 and (np.diff(shapes, axis=1) >= 0).all()
    asked, spread, realised = drawn(20_000, seed=3)
    groups = distribution.group(spread)
    for group, shape in enumerate(shapes):
        own = realised[(groups == group) & (asked == HORIZONS[1])]
        assert (shape == 0).mean() == pytest.approx((own == 0).mean(), abs=0.06)
        assert np.quantile(shape, 0.8) == pytest.approx(np.quantile(own / own.mean(), 0.8), rel=0.2)


def test_a_shape_varies_as_a_loan_does_around_its_own_expectation():
    """Nothing or twice an exponential: a variance of 3, and what loans of one group expect apart adds nothing."""
    shapes = Distribution.calibrate(HORIZONS, SCALES, *drawn(60_000, seed=7)).shapes
    assert shapes.var(axis=1) == pytest.approx(3.0, rel=0.15)


@given(arrays(float, st.integers(1, 30), elements=st.floats(-1e3, 1e3)))
def test_upper_ends_rise_with_the_horizon_within_one(spread):
    upper = Distribution.calibrate(HORIZONS, SCALES, *drawn(500, seed=4)).upper(spread)
    assert upper.shape == (len(spread), 3) and (np.diff(upper, axis=1) >= 0).all()
    assert (upper > 0).all() and (upper <= 1).all()


def test_what_too_few_loans_have_lived_is_uncertain():
    asked, spread, realised = drawn(2_000, seed=5)
    old = asked == HORIZONS[1]
    kept = ~old | (np.cumsum(old) <= 8)
    upper = Distribution.calibrate(HORIZONS, SCALES, asked[kept], spread[kept], realised[kept]).upper(spread)
    assert (upper[:, 0] < 0.5).all() and (upper[:, 1:] == 1).all()


def test_a_distribution_survives_the_card(distribution):
    again = Distribution.from_card(json.loads(json.dumps(distribution.to_card())))
    spread = np.linspace(0, 3, 50)
    assert np.array_equal(again.upper(spread), distribution.upper(spread))
    assert np.array_equal(again.group(spread), distribution.group(spread))
    assert np.array_equal(again.shapes, distribution.shapes)


def test_margins_are_those_of_mapie():
    """MAPIE's conformalized quantile regression at 80 %, each end apart, has our one-sided 90 % as its upper end."""
    from mapie.regression import ConformalizedQuantileRegressor
    from sklearn.linear_model import QuantileRegressor

    rng = np.random.default_rng(6)
    inputs = rng.random((900, 1))
    target = rng.exponential(inputs[:, 0])
    fit, calibrate, new = slice(0, 300), slice(300, 700), slice(700, 900)
    quantiles = [QuantileRegressor(quantile=q, alpha=0).fit(inputs[fit], target[fit]) for q in (0.1, 0.9, 0.5)]
    mapie = ConformalizedQuantileRegressor(quantiles, confidence_level=2 * LEVEL - 1, prefit=True)
    mapie.conformalize(inputs[calibrate], target[calibrate])
    _, intervals = mapie.predict_interval(inputs[new], symmetric_correction=False)
    ours = quantiles[1].predict(inputs[new]) + margin(target[calibrate] - quantiles[1].predict(inputs[calibrate]))
    np.testing.assert_allclose(ours, intervals[:, 1, 0], rtol=1e-12)


@given(
    spread=st.floats(-2, 50),
    curve=arrays(np.float64, 3, elements=st.floats(0, 1)).map(np.sort),
    margins=arrays(np.float64, 3, elements=st.floats(-1, 20)),
)
def test_the_outlook_of_a_loan_has_the_same_bits_whatever_is_beside_it(spread, curve, margins):
    known = Distribution(HORIZONS, SCALES, margins, np.array([0.5, 2.0]), np.ones((3, 4)))
    many = known.outlook(np.stack([curve, curve[::-1]]), np.array([spread, 1.0]))
    one = known.outlook(curve[None], np.array([spread]))
    assert one.horizons == many.horizons
    for side in ("curve", "lower", "upper", "shape"):
        assert np.array_equal(getattr(one, side), getattr(many, side)[:1])
