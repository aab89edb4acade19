"""Inputs that a whole tape lacks: told apart from those that some loans lack, and paid for with wider intervals."""

import numpy as np
import polars as pl
import pytest

from serving.pricing.absence import Absence
from serving.pricing.population import Population
from training import registry

ROWS = 400


@pytest.fixture(scope="module")
def package(worked):
    return registry.load(worked, "recovery").package


@pytest.fixture(scope="module")
def population(package):
    return Population.of(package)


@pytest.fixture(scope="module")
def frame(package):
    return package.reference.head(ROWS)


def test_a_tape_that_lacks_nothing_is_left_as_it_is(package, population, frame):
    absence = Absence.of(package, population, frame)
    outlook = package.outlook(frame.head(5))
    assert (absence.names, absence.warnings(0)) == ((), [])
    assert absence.widened(outlook) is outlook


def test_what_some_loans_lack_is_those_loans_fault(package, population, frame):
    half = frame.with_columns(pl.when(pl.int_range(pl.len()) < ROWS // 2).then("balance").alias("balance"))
    absence = Absence.of(package, population, half)
    assert absence.names == ()
    names = absence.left_out(population).outside(half).names
    assert names.str.contains("balance").fill_null(value=False)[ROWS // 2 :].all()


def test_intervals_without_an_input_reach_as_far_as_with_it(package, population, frame):
    lost = frame.with_columns(balance=pl.lit(None, pl.Float64), product=pl.lit("missing"))
    absence = Absence.of(package, population, lost)
    assert set(absence.names) == {"balance", "product"} and absence.fall <= 1 < absence.rise
    assert not absence.left_out(population).known.keys() & {"balance", "product"}
    with_them, without = package.outlook(frame), package.outlook(lost)
    widened = absence.widened(without)
    assert (widened.lower <= without.lower).all() and (widened.upper >= without.upper).all()
    assert (np.diff(widened.upper, axis=1) >= 0).all() and widened.upper.max() <= 1
    assert (with_them.upper <= widened.upper + 1e-12).mean() == pytest.approx(0.95, abs=0.04)
    assert (with_them.upper <= without.upper).mean() < 0.85


def test_the_warning_tells_missing_debtors_from_missing_columns():
    absence = Absence(("phones", "age_years"), fall=0.9, rise=1.2)
    (nobody,), (somebody,) = absence.warnings(0), absence.warnings(3)
    assert nobody.startswith("debtor data absent: no loan of the tape has phones, age_years")
    assert "10% lower and 20% higher" in nobody and "--feed borrowers" in nobody
    assert somebody.startswith("data absent") and "borrowers" not in somebody
