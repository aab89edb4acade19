"""Simulated worlds that do not change keep the monitor quiet; one that does is found, by name and soon."""

import csv
import json
import shutil
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import polars as pl
import pytest
from scipy.stats import binom
from typer.testing import CliRunner

from features import world
from features.errors import RecoupError
from features.home import Home
from features.lake import Lake
from monitoring import monitor
from monitoring.ledger import Ledger, opened
from monitoring.thresholds import SCORE, Thresholds
from monitoring.ui import shown
from recoup.cli import app
from serving.server import free_port
from training import registry

AS_OF = datetime(2025, 6, 30, tzinfo=UTC)
MARKET = {"unemployment_rate", "employment_variation", "confidence_index", "house_price_index", "short_rate"}
SILENT_FROM = "2025-09-01"


def ingested(root: Path, feeds: dict[str, Path], worked: Home) -> Home:
    """Return a home with these feeds and the models of the world as it was."""
    home = Home(root)
    for feed, path in feeds.items():
        Lake(home).ingest(path, "canonical", feed=feed)
    shutil.copytree(worked.mlflow, home.mlflow)
    return home


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("monitoring")


@pytest.fixture(scope="module")
def unchanged(worked, root):
    home = Home(root / "unchanged")
    shutil.copytree(worked.root, home.root)
    return home


@pytest.fixture(scope="module")
def quiet(unchanged, root):
    return monitor(unchanged, root / "quiet", progress=lambda line: None)


@pytest.fixture(scope="module")
def downturn(worked, root):
    """The same past, and so the same models; then unemployment rises everywhere."""
    hit = world.simulate(1_500, 5, root / "hit", downturn="all")
    home = ingested(root / "downturn", hit.feeds, worked)
    return monitor(home, root / "found", until=AS_OF + timedelta(days=93), progress=lambda line: None)


@pytest.fixture(scope="module")
def planted(worked, root):
    """The seller's export turns to pesos and without credit scores; later no contacts come."""
    feeds = {path.stem: path for path in (worked.root.parent / "world" / "feeds").glob("*.csv")}
    loans = pl.read_csv(feeds["loans"], infer_schema=False)
    recent = pl.col("known_at") > AS_OF.isoformat()
    pesos = (pl.col("balance").cast(pl.Float64) * 20).cast(pl.String)  # in cents intake would refuse them
    loans.with_columns(
        pl.when(recent).then(pesos).otherwise("balance").alias("balance"),
        pl.when(~recent).then("credit_score").alias("credit_score"),
    ).write_csv(root / "loans.csv")
    with feeds["contacts"].open() as before, (root / "contacts.csv").open("w") as after:
        rows = csv.DictReader(before)
        kept = csv.DictWriter(after, rows.fieldnames or ())
        kept.writeheader()
        kept.writerows(row for row in rows if row["attempted_at"] < SILENT_FROM)
    home = ingested(root / "planted", feeds | {"loans": root / "loans.csv", "contacts": root / "contacts.csv"}, worked)
    found = monitor(home, root / "pesos", until=AS_OF + timedelta(days=93), progress=lambda line: None)
    return home, found


def test_an_unchanged_world_is_as_quiet_as_stated(quiet):
    stated = Thresholds.load().false_alarms
    chunks = [chunk for watched in quiet.models.values() for chunk in watched.chunks]
    assert len(chunks) == 6 + 26 and sum(chunk.comparison.untested is None for chunk in chunks) >= 26
    assert sum(bool(chunk.alerts) for chunk in chunks) <= binom.ppf(0.999, len(chunks), stated)
    assert not any(chunk.alerts for watched in quiet.feeds.values() for chunk in watched.chunks)


def test_every_input_and_the_score_is_compared_or_says_why_not(quiet, unchanged):
    for name, watched in quiet.models.items():
        inputs = set(registry.load(unchanged, name).package.names)
        found = [chunk.comparison for chunk in watched.chunks if not chunk.comparison.untested][-1]
        drifts = {one.column for one in found.findings if one.test == "drift"}
        missing = {one.column for one in found.findings if one.test == "missing"}
        assert drifts | set(found.not_compared) == inputs | {SCORE}
        assert not drifts & set(found.not_compared)
        history = {f"{of}_{share}_share" for of in ("region", "product") for share in ("default", "collected")}
        assert inputs - missing <= history | {"horizon_months", "month_of_year", "default_year", "paid_through_year"}
        assert {"balance", "channel"} & drifts and SCORE in drifts
        assert len(drifts) > 25


def test_a_downturn_is_found_soon_and_named(downturn):
    for model, soon in (("recovery", 3), ("contact", 9)):
        watched = downturn.models[model]
        first = next(place for place, chunk in enumerate(watched.chunks) if chunk.alerts)
        assert first < soon, model
        named = {found.column for chunk in watched.chunks for found in chunk.alerts}
        assert named & MARKET and "unemployment_rate" in named
    standing = {alert.column: alert for alert in downturn.alerts if alert.model == "recovery"}
    assert "market" in standing["unemployment_rate"].action and standing["unemployment_rate"].owner == "portfolio"
    assert standing["unemployment_rate"].value >= standing["unemployment_rate"].threshold and downturn.alerted


def test_a_change_of_unit_and_values_that_stay_away_are_found_in_the_first_chunk_with_enough_rows(planted):
    _, outcome = planted
    first = next(chunk for chunk in outcome.models["recovery"].chunks if not chunk.comparison.untested)
    found = {(finding.column, finding.test) for finding in first.alerts}
    assert {("balance", "drift"), ("credit_score", "missing")} <= found
    assert "known values" in first.comparison.not_compared["credit_score"]
    actions = {(alert.column, alert.test): alert.action for alert in outcome.alerts}
    assert "unit" in actions["balance", "drift"] and "customer" in actions["credit_score", "missing"]


def test_a_feed_gone_silent_is_an_alert_and_not_untested(planted):
    home, outcome = planted
    silent = [chunk for chunk in outcome.models["contact"].chunks if not chunk.rows]
    assert silent and silent[0].start == datetime(2025, 9, 1, tzinfo=UTC)
    assert all([found.test for found in chunk.alerts] == ["rows"] for chunk in silent)
    assert all(chunk.comparison.untested for chunk in silent)
    (alert,) = (alert for alert in outcome.alerts if alert.model == "contact" and alert.test == "rows")
    assert (alert.level, alert.owner, alert.count) == ("critical", "data", len(silent))
    assert alert.first_seen == silent[0].end
    feeds = {alert.model for alert in outcome.alerts if alert.model.startswith("feeds")}
    assert feeds == {"feeds canonical contacts"}
    assert [one.id for one in Ledger(home).standing] == [one.id for one in outcome.alerts]


def test_estimates_stand_beside_what_became_of_them(quiet):
    contact = {one.metric: one for one in quiet.models["contact"].performance}
    assert set(contact) == {"reached", "log loss"}
    assert all(one.realised is not None for one in quiet.models["contact"].performance)
    reached = [one for one in quiet.models["contact"].performance if one.metric == "reached"]
    assert sum(one.estimated for one in reached) == pytest.approx(sum(one.realised for one in reached), rel=0.25)
    vintages = quiet.models["recovery"].vintages
    assert [one.months for one in vintages] == [5, 4, 3, 2, 1, 0]
    assert vintages[-1].causes is None and vintages[-1].estimated_year > 0
    to_date = [one for one in quiet.models["recovery"].performance if one.metric == "recovered to date"]
    in_a_year = [one for one in quiet.models["recovery"].performance if one.metric == "recovered in a year"]
    assert len(in_a_year) == 6 and all(one.estimated > 0 and one.realised is None for one in in_a_year)
    for measured, vintage in zip(to_date, vintages[:-1], strict=True):
        assert measured.realised == pytest.approx(vintage.causes.received / vintage.owed)


def test_the_page_the_picture_and_the_figures_say_what_the_call_returned(downturn, root):
    out = root / "found"
    assert {path.name for path in out.iterdir()} == {"monitor.html", "monitor.json", "monitor.png"}
    assert (out / "monitor.png").read_bytes().startswith(b"\x89PNG")
    page = (out / "monitor.html").read_text(encoding="utf-8")
    assert page.lstrip().startswith("<!DOCTYPE html>") and page.rstrip().endswith("</html>")
    assert "http://" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )
    said = json.loads((out / "monitor.json").read_text())
    assert said["alerted"] is True and said["skipped"] == {}
    assert [alert["id"] for alert in said["alerts"]] == [alert.id for alert in downturn.alerts]
    assert all(alert.id in page and alert.column in page for alert in downturn.alerts)
    recovery = said["models"]["recovery"]
    assert recovery["version"] == "recovery/1" and len(recovery["chunks"]) == 3
    returned = [{found.column for found in chunk.alerts} for chunk in downturn.models["recovery"].chunks]
    assert [set(chunk["alerts"]) for chunk in recovery["chunks"]] == returned
    assert any("unemployment_rate" in columns for columns in returned)
    assert {"plan", "mix", "foreseen", "behaviour", "model"} <= set(recovery["vintages"][0]["causes"])


def test_a_second_run_changes_nothing(unchanged, quiet, root):
    kept = sorted(path.name for path in (unchanged.root / "monitoring" / "evidently").rglob("*.json"))
    ledger = (unchanged.root / "monitoring" / "alerts.json").read_bytes()
    again = monitor(unchanged, root / "again", progress=lambda line: None)
    assert again == quiet
    assert sorted(path.name for path in (unchanged.root / "monitoring" / "evidently").rglob("*.json")) == kept
    assert (unchanged.root / "monitoring" / "alerts.json").read_bytes() == ledger


def test_evidently_shows_each_chunk_in_its_ui(unchanged, quiet):
    port = free_port()
    with shown(unchanged, port, lambda line: None), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                projects = client.get("/api/projects").json()
                break
            except httpx.TransportError:
                time.sleep(0.2)
        assert {project["name"] for project in projects} == {"recovery/1", "contact/1"}
        (contact,) = (project["id"] for project in projects if project["name"] == "contact/1")
        runs = client.get(f"/api/projects/{contact}/snapshots").json()
        tested = [chunk for chunk in quiet.models["contact"].chunks if not chunk.comparison.untested]
        assert len(runs) == len(tested)
        assert "<html" in client.get("/").text


def test_without_a_workspace_there_is_nothing_to_show(tmp_path):
    with pytest.raises(RecoupError, match="recoup monitor"), shown(Home(tmp_path), free_port(), print):
        pass


def test_the_command_fails_on_an_open_alert_and_not_on_one_acknowledged(planted, tmp_path, monkeypatch):
    home, outcome = planted
    monkeypatch.setenv("RECOUP_HOME", str(home.root))
    call = ["monitor", "--out", str(tmp_path), "--until", "2025-08-01"]
    with opened(home) as ledger:
        for alert in outcome.alerts[1:]:
            ledger.acknowledge(alert.id, "Mei")
    open_still = CliRunner().invoke(app, call)
    assert open_still.exit_code == 1 and outcome.alerts[0].id in open_still.output
    CliRunner().invoke(app, ["alerts", "ack", outcome.alerts[0].id, "--by", "Mei"])
    assert CliRunner().invoke(app, call).exit_code == 0


def test_a_model_that_was_not_trained_is_skipped_aloud(unchanged, tmp_path):
    home = Home(tmp_path / "half")
    shutil.copytree(unchanged.root, home.root)
    with closing(sqlite3.connect(home.mlflow / "mlflow.db")) as database, database:
        database.execute("DELETE FROM registered_model_aliases WHERE name = 'contact'")
    lines: list[str] = []
    outcome = monitor(home, tmp_path / "out", until=AS_OF + timedelta(days=32), progress=lines.append)
    assert set(outcome.models) == {"recovery"}
    assert "recoup train contact" in outcome.skipped["contact"] and any("skipped" in line for line in lines)


def test_without_any_model_there_is_nothing_to_monitor(tmp_path):
    with pytest.raises(RecoupError, match=r"nothing to monitor.*recoup train recovery.*recoup train contact"):
        monitor(Home(tmp_path / "home"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_that_cannot_be_read_is_an_error_and_not_skipped(worked, tmp_path):
    run = registry.load(worked, "recovery").run_id
    card = worked.mlflow / "artifacts" / run / "artifacts" / "package" / "card.json"
    content = card.read_bytes()
    card.write_text("{")
    try:
        with pytest.raises(RecoupError, match="not a usable model package"):
            monitor(worked, tmp_path / "out")
    finally:
        card.write_bytes(content)
