"""Loans unlike the training population: told apart from ordinary ones, named, and priced with less certainty."""

import numpy as np
import polars as pl
import pytest

from serving.pricing.population import Population
from training.outlook import Outlook
from training.population import HELD, describe

COLUMNS = [
    {"name": "balance", "kind": "number"},
    {"name": "income", "kind": "number"},
    {"name": "visits", "kind": "number"},
    {"name": "region", "kind": "category"},
]


def loans(rows: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    income = pl.Series(rng.lognormal(10, 0.7, rows))
    return pl.DataFrame(
        {
            "balance": rng.lognormal(8, 0.8, rows),
            "income": income.set(pl.Series(rng.random(rows) < 0.1), None),
            "visits": np.zeros(rows),
            "region": rng.choice(["north", "south", "missing"], rows),
        }
    )


@pytest.fixture(scope="module")
def population() -> Population:
    known = describe(loans(20_000, 1), COLUMNS, seed=1)
    ends = np.tile([0.2, 0.3], (50, 1))
    outlook = Outlook((12.0, 120.0), ends / 2, np.zeros_like(ends), ends, np.zeros(50, dtype=np.int64))
    return Population(known, frozenset({"balance", "visits"}), loans(50, 1), outlook)


def outlook(rows: int) -> Outlook:
    ends = np.tile([0.05, 0.1], (rows, 1))
    return Outlook((12.0, 120.0), ends / 2, np.full_like(ends, 0.01), ends, np.zeros(rows, dtype=np.int64))


def test_ranges_hold_the_share_that_they_promise_of_all_columns_at_once() -> None:
    frame = loans(20_000, 1)
    ranges = describe(frame, COLUMNS, seed=1)
    inside = pl.all_horizontal(
        pl.col(name).is_between(*ranges[name]).fill_null(value=True) for name in ("balance", "income")
    )
    assert HELD - 0.001 <= frame.select(inside.mean()).item() < 1
    assert ranges["region"] == ["missing", "north", "south"]


def test_ordinary_loans_are_rarely_flagged(population: Population) -> None:
    assert population.outside(loans(20_000, 2)).share < 0.02


def test_strange_loans_are_flagged_by_the_columns_that_are_strange(population: Population) -> None:
    frame = loans(6, 3).with_columns(balance=pl.lit(3000.0), income=pl.lit(20_000.0))
    row = pl.int_range(pl.len())
    strange = frame.with_columns(
        balance=pl.when(row == 1).then(1e6).when(row == 2).then(None).otherwise("balance"),
        income=pl.when(row == 3).then(None).when(row == 5).then(1e9).otherwise("income"),
        visits=pl.when(row == 5).then(2.0).otherwise("visits"),
        region=pl.when(row >= 4).then(pl.lit("moon")).otherwise("region"),
    )
    outside = population.outside(strange)
    assert outside.names.to_list() == [None, "balance", "balance", None, "region", "income, visits, region"]
    assert ((outside.distance > 0) == outside.names.is_not_null().to_numpy()).all()
    assert outside.summary()["share"] == 4 / 6
    assert outside.summary()["by_column"] == {"balance": 2 / 6, "region": 2 / 6, "income": 1 / 6, "visits": 1 / 6}
    (warning,) = outside.warnings()
    assert "4 of 6 loans" in warning and "region (2 loans, such as moon; known: 3 others)" in warning
    assert "balance (2 loans, such as 1e+06; known:" in warning


def test_the_flags_do_not_depend_on_the_neighbours(population: Population) -> None:
    frame = loans(300, 4).with_columns(balance=pl.col("balance") * 10)
    together = population.outside(frame)
    alone = [population.outside(frame[row : row + 1]) for row in range(frame.height)]
    assert [one.names[0] for one in alone] == together.names.to_list()
    assert [one.distance[0] for one in alone] == together.distance.tolist()


def test_only_strange_loans_get_wider_intervals_and_wider_the_stranger(population: Population) -> None:
    frame = loans(5, 3).with_columns(balance=pl.Series([3000.0, 3000.0, 5e4, 1e5, 2e5]), income=pl.lit(20_000.0))
    frame = frame.with_columns(region=pl.Series(["north", "moon", "north", "north", "north"]))
    before = outlook(5)
    after = population.widened(before, population.outside(frame).distance)
    assert (after.lower[0] == before.lower[0]).all() and (after.upper[0] == before.upper[0]).all()
    assert (after.lower[1:] <= before.lower[1:]).all() and (after.upper[1:] > population.upper).all()
    assert (np.diff(after.upper[2:], axis=0) > 0).all() and (after.upper <= 1).all() and (after.lower >= 0).all()
    assert (np.diff(after.upper, axis=1) >= 0).all() and (after.curve == before.curve).all()


def test_a_tape_within_says_nothing(population: Population) -> None:
    frame = loans(4, 3).with_columns(balance=pl.lit(3000.0), income=pl.lit(20_000.0))
    outside = population.outside(frame)
    assert (outside.warnings(), outside.share, outside.names.null_count()) == ([], 0.0, 4)
