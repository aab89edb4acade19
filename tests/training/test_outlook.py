"""What a recovery package says of loans at every horizon, and how its spread model travels with it."""

import json
import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from features.errors import RecoupError
from training import registry
from training.outlook import ULTIMATE
from training.package import ModelPackage


@pytest.fixture(scope="module")
def package(worked):
    return registry.load(worked, "recovery").package


@pytest.fixture(scope="module")
def loans(package):
    return package.reference.drop("score").head(300)


def test_an_interval_holds_its_expectation_and_neither_falls_with_the_horizon(package, loans):
    outlook = package.outlook(loans)
    assert outlook.horizons == (*package.card.horizons, ULTIMATE)
    assert outlook.curve.shape == outlook.lower.shape == outlook.upper.shape == (loans.height, len(outlook.horizons))
    assert (outlook.lower >= 0).all() and (outlook.lower <= outlook.curve).all()
    assert (outlook.curve <= outlook.upper).all() and (outlook.upper <= 1).all()
    assert (np.diff(outlook.curve, axis=1) >= 0).all() and (np.diff(outlook.upper, axis=1) >= 0).all()
    assert np.unique(outlook.upper[:, -1]).size > 100, "the spread does not tell loans apart"
    assert set(outlook.shape) <= set(range(len(package.shapes)))


def test_a_loan_has_the_same_outlook_alone_and_at_any_horizon_asked(package, loans):
    many = package.outlook(loans)
    for place in range(5):
        one = package.outlook(loans[place].with_columns(horizon_months=pl.lit(6.0)))
        assert np.array_equal(one.curve[0], many.curve[place]) and np.array_equal(one.upper[0], many.upper[place])
        assert one.shape[0] == many.shape[place]


def test_the_interval_of_a_score_is_that_of_its_horizon(package, loans):
    outlook = package.outlook(loans)
    for place, months in enumerate(outlook.horizons):
        asked = loans.with_columns(horizon_months=pl.lit(months))
        lower, upper = package.interval(asked, package.scores(asked))
        assert np.array_equal(lower, outlook.lower[:, place]) and np.array_equal(upper, outlook.upper[:, place])


def test_beyond_the_longest_horizon_lived_the_curve_goes_on_and_the_card_says_so(package, loans):
    outlook = package.outlook(loans)
    assert package.card.extrapolated_beyond == max(package.card.horizons) < ULTIMATE
    assert outlook.curve[:, -1].mean() > 1.01 * outlook.curve[:, -2].mean()


def test_the_spread_travels_with_the_package(package, loans, tmp_path):
    package.save(tmp_path / "whole")
    again, ours = ModelPackage.load(tmp_path / "whole").outlook(loans), package.outlook(loans)
    assert np.array_equal(again.upper, ours.upper) and np.array_equal(again.shape, ours.shape)
    assert replace(package, spread=package.model).fingerprint != package.fingerprint


@pytest.mark.parametrize("damage", ["missing", "garbage", "another", "parts", "curve"])
def test_a_package_whose_parts_do_not_belong_together_is_refused(package, worked, tmp_path, damage):
    folder = tmp_path / damage
    package.save(folder)
    card = json.loads((folder / "card.json").read_text())
    if damage == "missing":
        (folder / "spread.cbm").unlink()
    elif damage == "garbage":
        (folder / "spread.cbm").write_bytes(b"broken")
    elif damage == "another":
        registry.load(worked, "contact").package.save(tmp_path / "contact")
        shutil.copy(tmp_path / "contact" / "model.cbm", folder / "spread.cbm")
    elif damage == "parts":
        card["distribution"]["margins"].pop()
    else:
        del card["curve"]["decay"]
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(RecoupError, match=r"not a usable model package|name different inputs"):
        ModelPackage.load(folder)


def test_coverage_is_recorded_overall_and_by_slice(worked, package):
    import mlflow

    coverage = package.card.coverage
    dimensions = {name.split()[0] for name in coverage}
    assert dimensions == {"all", "grade", "term", "balance_fifth", "vintage", "horizon"}
    assert all(0 <= share <= 1 for share in coverage.values()) and 0.8 <= coverage["all"] <= 1
    run = mlflow.MlflowClient(f"sqlite:///{worked.mlflow / 'mlflow.db'}").get_run(
        registry.load(worked, "recovery").run_id
    )
    assert run.data.metrics["coverage.all"] == coverage["all"]
