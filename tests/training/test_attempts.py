"""What attempts add, learnt from a simulated world whose truth is known."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from features import world
from features.feeds.contacts import CHANNELS
from features.home import Home
from features.store import FeatureDoor
from training import attempt_value, logged_attempts
from training.attempt_value import AttemptValue

AS_OF = datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)
LOANS = 10_000
FEEDS = ("loans", "borrowers", "payments", "contacts", "market")


def taken_in(folder, loans, seed):
    files = world.simulate(loans, seed, folder / "world")
    door = FeatureDoor(Home(folder / "home"))
    for feed in FEEDS:
        door.lake.ingest(files.feeds[feed], "canonical", feed)
    door.refresh()
    return files, door


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    return taken_in(tmp_path_factory.mktemp("book"), LOANS, 21)


@pytest.fixture(scope="module")
def log(book):
    return logged_attempts.logged(book[1].lake, "canonical", AS_OF)


@pytest.fixture(scope="module")
def values(book):
    return attempt_value.estimate(book[1], "canonical", AS_OF, seed=7)


def true_cells(files, values, log):
    """What a conversation truly adds on a typical debt, by cell, as the logging policy had them."""
    told = world.worth(world.load_truth(files.truth), log.with_columns(planned_at="attempted_at"))
    loans = world.load_truth(files.truth).loans.select("loan_id", "cohort", "age_months")
    month = (pl.col("attempted_at").dt.epoch("s") - pl.datetime(2020, 12, 31).dt.epoch("s")) / 86_400 / 30.4375
    told = told.join(loans, on="loan_id", how="left", maintain_order="left")
    told = told.with_columns(months_since_default=pl.col("age_months") + month - pl.col("cohort"))
    weight = pl.col("true_chance") * pl.col("weight")
    return (
        told.with_columns(attempt_value.age_band(), added=pl.col("true_added") / values.size.scale())
        .group_by("channel", "age_band")
        .agg(true=(pl.col("added") * weight).sum() / weight.sum())
    )


def test_effects_are_found_in_sign_and_order(book, log, values):
    cells = values.cells.join(true_cells(book[0], values, log), on=["channel", "age_band"])
    assert cells.height == len(CHANNELS) * 4
    held = cells["true"].is_between(cells["lower"], cells["upper"])
    assert held.mean() > 0.75  # of 24 intervals that hold 90 % each
    strange = (cells["raw"] - cells["true"]) / cells["standard_error"]
    assert abs(strange.mean()) < 3 / np.sqrt(cells.height) and strange.abs().max() < 4
    added = {(channel, band): value for channel, band, value in cells.select("channel", "age_band", "added").rows()}
    young, old = "under 12", "36 up"
    assert added["auto_call", young] > 2 * max(added["auto_call", old], 0)
    assert added["auto_call", young] / added["call", young] > added["auto_call", old] / added["call", old] + 0.2
    for band in (young, old):
        assert added["visit", band] > added["call", band] > max(added["sms", band], added["email", band]) > 0
    sure = cells.filter(pl.col("lower") > 0)
    assert {("call", old), ("visit", young)} <= set(sure.select("channel", "age_band").rows())


def test_machines_earn_their_cost_on_young_debt_and_people_on_old(values):
    case = pl.DataFrame({"channel": ["auto_call", "call"] * 2, "months_since_default": [8.0, 8.0, 60.0, 60.0],
                         "owed": [values.size.typical] * 4, "chance": [0.22, 0.26] * 2})  # fmt: skip
    young_machine, _, old_machine, old_person = values.of(case)["net_value"]
    assert young_machine > 1 > old_machine and old_person > 2 * max(old_machine, 0)


def test_debtors_differ_as_they_do_in_truth(book, log, values):
    frame = logged_attempts.features(book[1], log).select("months_since_default", *attempt_value.DIFFER)
    told = world.worth(world.load_truth(book[0].truth), log.drop("cost").with_columns(planned_at="attempted_at"))
    told = told.with_columns(frame, chance="true_chance")
    plain = values.of(told.drop(attempt_value.DIFFER))["added_value"]
    knowing = values.of(told)["added_value"]
    alike = [np.corrcoef(side, told["true_added"])[0, 1] for side in (plain, knowing)]
    assert alike[1] > alike[0] + 0.05


def test_the_estimate_survives_its_card(values):
    again = AttemptValue.from_card(values.to_card())
    assert again.cells.equals(values.cells) and again.differences == values.differences
    assert again.overall == values.overall and again.size == values.size
