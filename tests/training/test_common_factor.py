"""What loans share is told apart from their own luck, and is usual where too little is known."""

import numpy as np
import polars as pl
import pytest

from training import common_factor


def vintages(loans, national, regional, seed, cohorts=80, regions=12):
    rng = np.random.default_rng(seed)
    cohort, region = rng.integers(0, cohorts, loans), rng.integers(0, regions, loans)
    market = np.exp(national * rng.standard_normal(cohorts) - national**2 / 2)
    local = np.exp(regional * rng.standard_normal((cohorts, regions)) - regional**2 / 2)
    expected = rng.gamma(1.0, 0.1, loans)
    luck = rng.gamma(0.25, 4.0, loans)  # a standard deviation of twice the mean
    realised = expected * market[cohort] * local[cohort, region] * luck
    return pl.DataFrame({"cohort": cohort, "region": region, "expected": expected, "realised": realised, "weight": 1.0})


@pytest.mark.parametrize(("national", "regional"), [(0.3, 0.0), (0.25, 0.2), (0.0, 0.0)])
def test_many_loans_show_what_they_share(national, regional):
    found = [common_factor.estimate(vintages(400_000, national, regional, seed), 0.0) for seed in range(4)]
    assert np.mean([each["national"] for each in found]) == pytest.approx(national, abs=0.05)
    assert np.mean([each["regional"] for each in found]) == pytest.approx(regional, abs=0.05)


def test_few_loans_tell_little_and_what_is_usual_counts():
    for seed in range(5):
        found = common_factor.estimate(vintages(300, 0.0, 0.0, seed), 0.0)
        assert found["national"] == pytest.approx(0.05, abs=0.02)
        assert found["regional"] == pytest.approx(0.05, abs=0.02)


def test_the_market_is_never_taken_for_less_than_the_error_of_the_level():
    assert common_factor.estimate(vintages(300, 0.0, 0.0, 1), 0.2)["national"] == pytest.approx(0.2, abs=0.005)


def test_the_error_of_the_level_is_that_of_a_mean():
    levels = [
        (rows := vintages(2000, 0.0, 0.0, seed))["realised"].sum() / rows["expected"].sum() for seed in range(200)
    ]
    told = common_factor.level_error(vintages(2000, 0.0, 0.0, 999))
    assert told == pytest.approx(np.std(levels), rel=0.3)
