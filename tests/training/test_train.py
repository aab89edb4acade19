"""A training job from the lake to the registry, on a real MLflow database."""

import shutil
from datetime import UTC, datetime

import mlflow
import numpy as np
import polars as pl
import pytest

from features.errors import RecoupError
from features.home import Home
from features.lake import Lake
from tests.light import LIGHT
from training import registry
from training.package import ModelPackage
from training.train import train

AS_OF = datetime(2025, 6, 30, tzinfo=UTC)


@pytest.fixture(scope="module", params=["recovery", "contact"])
def registered(request, worked):
    return registry.load(worked, request.param)


def test_a_run_keeps_parameters_metrics_plots_and_fingerprint(worked, registered):
    run = mlflow.MlflowClient(f"sqlite:///{worked.mlflow / 'mlflow.db'}").get_run(registered.run_id)
    card = registered.package.card
    assert run.data.tags["lake"] == Lake(worked).snapshot() == card.lake
    assert run.data.tags["service"] == card.service and run.data.tags["code"] == card.code
    assert {"depth", "learning_rate", "seed", "as_of"} <= set(run.data.params)
    for side in card.metrics:
        assert any(name.startswith(f"{side}.") for name in run.data.metrics)
    client = mlflow.MlflowClient(f"sqlite:///{worked.mlflow / 'mlflow.db'}")
    held = {file.path for folder in ("plots", "package") for file in client.list_artifacts(registered.run_id, folder)}
    assert {
        "plots/calibration.png",
        "plots/shap_summary.png",
        "package/model.cbm",
        "package/card.json",
    } <= held
    assert client.get_model_version_by_alias(registered.name, registry.CHAMPION).version == int(registered.version)


def test_the_same_seed_gives_the_same_model(worked, registered):
    """The alias is moved by a further training, so the copy of the home has its own registry."""
    home = Home(worked.root.parent / f"again-{registered.name}")
    shutil.copytree(worked.lake, home.lake)
    _, again = train(LIGHT[registered.name], home, as_of=AS_OF, trials=1, seed=3, progress=lambda line: None)
    assert again.package.fingerprint == registered.package.fingerprint
    assert again.package.card.metrics == registered.package.card.metrics


def test_another_seed_gives_another_model_which_waits_to_be_promoted(another_home):
    home = another_home()
    first = registry.load(home, "contact")
    _, other = train(LIGHT["contact"], home, as_of=AS_OF, trials=1, seed=4, progress=lambda line: None)
    assert other.version != first.version and other.package.fingerprint != first.package.fingerprint
    assert registry.load(home, "contact").version == first.version


def test_inputs_stand_in_the_order_of_the_feature_service(worked, registered):
    from features.store import FeatureDoor

    columns = FeatureDoor(worked).columns(registered.package.card.service)
    assert registered.package.names == [column.name for column in columns]
    assert registered.package.model.feature_names_ == registered.package.names


def test_contributions_and_base_add_up_to_every_score(registered):
    rows = registered.package.reference.drop("score")
    explained = registered.package.explain(rows)
    np.testing.assert_allclose(
        explained.base + explained.contributions.sum(axis=1), explained.scores, atol=1e-9, rtol=0
    )
    assert np.array_equal(explained.scores, registered.package.scores(rows))
    assert np.array_equal(explained.scores, registered.package.reference["score"].to_numpy())


def test_top_reasons_are_the_largest_contributions(registered):
    rows = registered.package.reference.drop("score").head(50)
    explained = registered.package.explain(rows)
    places, effects, _ = registered.package.reasons(rows, 3)
    assert np.array_equal(np.take_along_axis(explained.contributions, places, axis=1), effects)
    assert (np.abs(effects).min(axis=1) >= np.sort(np.abs(explained.contributions), axis=1)[:, -4]).all()


def test_one_row_scores_as_it_does_among_many(registered):
    rows = registered.package.reference.drop("score").head(20)
    many = registered.package.explain(rows)
    for place in range(rows.height):
        one = registered.package.explain(rows[place])
        assert one.scores[0] == many.scores[place]
        assert np.array_equal(one.contributions[0], many.contributions[place])


def test_a_package_survives_the_disk_and_a_broken_one_is_refused(registered, tmp_path):
    package = registered.package
    package.save(tmp_path / "package")
    again = ModelPackage.load(tmp_path / "package")
    rows = package.reference.drop("score")
    assert again.fingerprint == package.fingerprint and again.card == package.card
    assert np.array_equal(again.scores(rows), package.scores(rows))
    for name in ("model.cbm", "card.json", "leaf_shap.npz"):
        shutil.copytree(tmp_path / "package", tmp_path / name)
        (tmp_path / name / name).write_bytes(b"broken")
        with pytest.raises(RecoupError, match="not a usable model package"):
            ModelPackage.load(tmp_path / name)


def test_recovery_score_never_falls_with_the_horizon(worked):
    package = registry.load(worked, "recovery").package
    rows = package.reference.drop("score").head(200)
    ahead = [package.scores(rows.with_columns(horizon_months=pl.lit(float(h)))) for h in (3, 6, 12, 24, 36, 60, 120)]
    assert (np.diff(ahead, axis=0) >= 0).all() and (ahead[-1] > ahead[0]).any()


def test_the_model_beats_base_rate_and_logistic_on_the_real_campaign(bank_marketing, tmp_path):
    home = Home(tmp_path)
    Lake(home).ingest(bank_marketing, "bank_marketing")
    trained, version = train("contact", home, trials=2, seed=7, progress=lambda line: None)
    ours, base, logistic = (trained.metrics[side] for side in ("contact", "mean", "logistic"))
    assert ours["roc_auc"] > logistic["roc_auc"] > base["roc_auc"] == 0.5
    assert "duration" not in version.package.names
    assert ours["roc_auc"] < 0.9, "so high on this data means that duration leaked"


def test_training_on_an_empty_or_wrong_lake_says_what_to_do(home, lending_club):
    with pytest.raises(RecoupError, match="recoup ingest"):
        train("recovery", home, trials=1, progress=lambda line: None)
    Lake(home).ingest(lending_club, "lending_club")
    with pytest.raises(RecoupError, match=r"no contacts.*recoup ingest"):
        train("contact", home, trials=1, progress=lambda line: None)
    with pytest.raises(RecoupError, match="no loans of source 'canonical'"):
        train("recovery", home, source="canonical", trials=1, progress=lambda line: None)


def test_a_model_not_trained_yet_is_named(home):
    with pytest.raises(RecoupError, match="recoup train recovery"):
        registry.load(home, "recovery")
