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
    return pl.DataFrame({"cohort": cohort, "region": region, "expected": expected, "realised": realised})


@pytest.mark.parametrize(("national", "regional"), [(0.3, 0.0), (0.25, 0.2), (0.0, 0.0)])
def test_many_loans_show_what_they_share(national, regional):
    found = [common_factor.estimate(vintages(400_000, national, regional, seed), 0.0) for seed in range(4)]
    assert np.mean([each["national"] for each in found]) == pytest.approx(national, abs=0.05)
    assert np.mean([each["regional"] for each in found]) == pytest.approx(regional, abs=0.05)


def test_few_loans_tell_little_and_what_is_usual_counts():
    for seed in range(5):
        found = common_factor.estimate(vintages(300, 0.0, 0.0, seed), 0.0)
        assert np.hypot(found["national"], found["regional"]) == pytest.approx(0.05, abs=0.02)
        assert found["national"] == pytest.approx(found["regional"], abs=0.02)


def test_the_market_is_never_taken_for_less_than_the_error_of_the_level():
    assert common_factor.estimate(vintages(300, 0.0, 0.0, 1), 0.2)["national"] == pytest.approx(0.2, abs=0.005)


YEARS = ("12", "24", "36")


def lived(loans, seed):
    """Loans of every age, 70 to 7,000 owed, of which few pay much; who paid early goes on paying."""
    rng = np.random.default_rng(seed)
    paid = rng.gamma(0.25, 4.0, (loans, 1)) * rng.gamma(1.0, [0.04, 0.02, 0.01], (loans, 3))
    known = pl.DataFrame(paid.cumsum(axis=1), schema=YEARS).with_columns(
        entity=np.arange(loans), moment=0, weight=rng.lognormal(6.5, 1.0, loans), age=rng.integers(1, 4, loans)
    )
    rows = known.unpivot(YEARS, index=["entity", "moment", "weight", "age"], variable_name="year", value_name="target")
    rows = rows.with_columns(horizon_months_asked=pl.col("year").cast(pl.Float64))
    return rows.filter(pl.col("horizon_months_asked") <= 12 * pl.col("age"))


def level(rows):
    """Return the money-weighted level at three years, each year's addition taken from those who lived through it."""
    wide = rows.pivot("year", index=["entity", "weight"], values="target")
    added = [wide["12"], wide["24"] - wide["12"], wide["36"] - wide["24"]]
    return sum((step * wide["weight"]).sum() / wide["weight"].filter(step.is_not_null()).sum() for step in added)


def test_the_error_of_the_level_is_how_far_levels_of_other_loans_lie_apart():
    levels = [level(lived(2000, seed)) for seed in range(200)]
    told = np.mean([common_factor.level_error(lived(2000, seed)) for seed in range(900, 910)])
    assert told == pytest.approx(np.std(levels) / np.mean(levels), rel=0.2)
