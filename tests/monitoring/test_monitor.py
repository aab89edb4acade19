"""A world that does not change keeps the monitor quiet; one that does is found, by name."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from features import world
from features.errors import RecoupError
from features.home import Home
from features.lake import Lake
from monitoring import monitor
from monitoring.thresholds import SCORE
from training import registry
from training.train import train

AS_OF = datetime(2025, 6, 30, tzinfo=UTC)
LOANS, SEED = 2_500, 1
MARKET = {"unemployment_rate", "confidence_index", "house_price_index", "short_rate"}


def ingested(root: Path, feeds: dict[str, Path]) -> Home:
    home = Home(root)
    for feed, path in feeds.items():
        Lake(home).ingest(path, "canonical", feed=feed)
    return home


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("monitoring")


@pytest.fixture(scope="module")
def files(root):
    return world.simulate(LOANS, SEED, root / "world")


@pytest.fixture(scope="module")
def half_trained(files, root):
    """A home that has a recovery model only."""
    home = ingested(root / "half", files.feeds)
    train("recovery", home, as_of=AS_OF, trials=1, progress=lambda line: None)
    return home


@pytest.fixture(scope="module")
def unchanged(half_trained, root):
    home = Home(root / "unchanged")
    shutil.copytree(half_trained.root, home.root)
    train("contact", home, as_of=AS_OF, trials=1, progress=lambda line: None)
    return home


@pytest.fixture(scope="module")
def quiet(unchanged, root):
    return monitor(unchanged, root / "quiet", progress=lambda line: None)


@pytest.fixture(scope="module")
def downturn(unchanged, root):
    """The same past, and so the same models; then unemployment rises everywhere."""
    hit = world.simulate(LOANS, SEED, root / "hit", downturn="all")
    home = ingested(root / "downturn", hit.feeds)
    shutil.copytree(unchanged.mlflow, home.mlflow)
    return monitor(home, root / "found", progress=lambda line: None)


@pytest.fixture(scope="module")
def regional(half_trained, root):
    """A downturn in one region out of twelve, watched by the recovery model alone."""
    hit = world.simulate(LOANS, SEED, root / "california", downturn="CA")
    home = ingested(root / "regional", hit.feeds)
    shutil.copytree(half_trained.mlflow, home.mlflow)
    return monitor(home, root / "one region", progress=lambda line: None)


@pytest.fixture(scope="module")
def planted(half_trained, files, root):
    """The seller's export starts to give balances in pesos, and stops to give credit scores."""
    loans = pl.read_csv(files.feeds["loans"], infer_schema=False)
    recent = pl.col("cutoff_on") > f"{AS_OF:%Y-%m-%d}"
    pesos = (pl.col("balance").cast(pl.Float64) * 20).cast(pl.String)  # in cents intake would refuse them
    loans.with_columns(
        pl.when(recent).then(pesos).otherwise("balance").alias("balance"),
        pl.when(~recent).then("credit_score").alias("credit_score"),
    ).write_csv(root / "loans.csv")
    home = ingested(root / "planted", files.feeds | {"loans": root / "loans.csv"})
    shutil.copytree(half_trained.mlflow, home.mlflow)
    return monitor(home, root / "cents", progress=lambda line: None)


def test_an_unchanged_world_is_quiet(quiet):
    assert set(quiet.models) == {"recovery", "contact"}
    assert all(watched.untested is None for watched in quiet.models.values())
    assert not quiet.alerted, quiet.alerts


def test_every_input_and_the_score_is_compared_or_says_why_not(quiet, unchanged):
    for name, watched in quiet.models.items():
        inputs = set(registry.load(unchanged, name).package.names)
        drifts = {found.column for found in watched.columns if found.test == "drift"}
        missing = {found.column for found in watched.columns if found.test == "missing"}
        assert drifts | set(watched.not_compared) == inputs | {SCORE}
        assert not drifts & set(watched.not_compared)
        history = {f"{of}_{share}_share" for of in ("region", "product") for share in ("default", "collected")}
        assert inputs - missing <= history | {"horizon_months", "month_of_year", "default_year", "paid_through_year"}
        assert {"balance", "channel", SCORE} & drifts
        assert len(drifts) > 25


def test_a_downturn_is_found_and_named(downturn):
    assert downturn.alerted
    for model in ("recovery", "contact"):
        named = {alert.column for alert in downturn.alerts if alert.model == model}
        assert named - {SCORE} == MARKET | ({"employment_variation"} if model == "contact" else set())
    for alert in downturn.alerts:
        assert alert.value >= alert.threshold
        assert alert.column == SCORE or "market" in alert.action
    gravity = [alert.value / alert.threshold for alert in downturn.alerts]
    assert gravity == sorted(gravity, reverse=True)
    assert {alert.level for alert in downturn.alerts if alert.value >= 2 * alert.threshold} <= {"critical"}


def test_a_downturn_in_one_region_is_found_where_it_is(regional):
    found = {alert.column: alert for alert in regional.alerts}
    assert found["unemployment_rate"].within == "CA"
    assert found["unemployment_rate"].test == "drift within"
    assert set(found) <= MARKET | {SCORE}


def test_a_change_of_unit_and_values_that_stay_away_are_found(planted):
    found = {(alert.column, alert.test): alert for alert in planted.alerts}
    assert found["balance", "drift"].level == "critical"
    assert "unit" in found["balance", "drift"].action
    assert found["credit_score", "missing"].value > 0.5
    assert "customer" in found["credit_score", "missing"].action
    watched = planted.models["recovery"]
    assert "known values" in watched.not_compared["credit_score"]
    fed_by_balance = {"balance", "unpaid_share", "balance_to_income", "principal_share", "interest_share",
                      "fee_share", "schedule_gap", "paid_gap"}  # fmt: skip
    assert {alert.column for alert in planted.alerts} <= fed_by_balance | {"credit_score", SCORE}


def test_reports_are_written_whole(downturn, root):
    out = root / "found"
    written = {
        "recovery.html",
        "recovery.json",
        "contact.html",
        "contact.json",
        "monitor.json",
        "monitor.png",
    }
    assert {path.name for path in out.iterdir()} == written
    assert (out / "monitor.png").read_bytes().startswith(b"\x89PNG")
    for model, watched in downturn.models.items():
        page = (out / f"{model}.html").read_text(encoding="utf-8")
        assert page.lstrip().startswith("<!DOCTYPE html>") and page.rstrip().endswith("</html>")
        for found in watched.columns:
            assert found.column in page
        account = json.loads((out / f"{model}.json").read_text())
        assert len(account["tests"]) >= len(watched.columns)


def test_the_concise_outcome_says_what_the_call_returned(downturn, root):
    said = json.loads((root / "found" / "monitor.json").read_text())
    assert said["alerted"] is True and said["skipped"] == {}
    assert [alert["column"] for alert in said["alerts"]] == [alert.column for alert in downturn.alerts]
    recovery = said["models"]["recovery"]
    assert recovery["version"] == "recovery/1"
    assert recovery["since"].startswith("2025-06-30") and recovery["until"].startswith("2025-12-3")
    assert recovery["compared"] == recovery["rows"] == downturn.models["recovery"].rows > 200
    first = recovery["columns"][0]
    assert first["alert"] and first["method"] == "wasserstein" and first["value"] > first["threshold"]


def test_too_few_rows_are_said_and_not_tested(half_trained, tmp_path):
    for name in ("contact.html", "monitor.png"):
        (tmp_path / name).write_text("of an earlier run")
    (tmp_path / "notes.txt").write_text("somebody else's")
    lines: list[str] = []
    outcome = monitor(half_trained, tmp_path, since=datetime(2025, 12, 15, tzinfo=UTC), progress=lines.append)
    assert "too few current rows: 0, 150 needed" in str(outcome.models["recovery"].untested)
    assert not outcome.alerted
    assert any("not tested" in line for line in lines)
    assert {path.name for path in tmp_path.iterdir()} == {"monitor.json", "notes.txt"}


def test_a_model_that_was_not_trained_is_skipped_aloud(planted):
    assert set(planted.models) == {"recovery"}
    assert "recoup train contact" in planted.skipped["contact"]


def test_without_any_model_there_is_nothing_to_monitor(tmp_path):
    with pytest.raises(RecoupError, match=r"nothing to monitor.*recoup train recovery.*recoup train contact"):
        monitor(Home(tmp_path / "home"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_that_cannot_be_read_is_an_error_and_not_skipped(half_trained, tmp_path):
    run = registry.load(half_trained, "recovery").run_id
    card = half_trained.mlflow / "artifacts" / run / "artifacts" / "package" / "card.json"
    content = card.read_bytes()
    card.write_text("{")
    try:
        with pytest.raises(RecoupError, match="not a usable model package"):
            monitor(half_trained, tmp_path / "out")
    finally:
        card.write_bytes(content)


def test_the_same_run_twice_finds_the_same(half_trained, tmp_path):
    first, again = (monitor(half_trained, tmp_path, progress=lambda line: None) for _ in range(2))
    assert first == again
