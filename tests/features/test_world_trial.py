"""Plans tried in a simulated world, and a world worked by another policy."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from features import world

SINCE = date(2025, 1, 1)
_TIMES = ["attempted_at", "known_at"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return world.simulate(2000, 12, tmp_path_factory.mktemp("usual") / "world")


@pytest.fixture(scope="module")
def truth(files):
    return world.load_truth(files.truth)


def logged(files):
    """The contacts feed with what a trial asks for."""
    log = pl.read_csv(files.feeds["contacts"], infer_schema_length=None)
    times = [pl.col(name).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC") for name in _TIMES]
    people = pl.read_csv(files.feeds["borrowers"], infer_schema=False).unique("borrower_id", keep="first")
    log = log.with_columns(times).join(people.select("borrower_id", "phone_alt"), on="borrower_id")
    second = (pl.col("contact_point") == pl.col("phone_alt")).fill_null(False)
    return log.with_columns(planned_at="attempted_at", second=second)


def test_an_attempt_has_the_chance_with_which_the_world_drew_it(files, truth):
    told = world.worth(truth, logged(files)).join(truth.attempts, on="attempt_id")
    assert np.abs(told["true_chance"] - told["contact_chance"]).max() < 1e-12
    mixed = world.worth(truth, logged(files).drop("second"))
    gap = mixed["true_chance"] - told["true_chance"]
    phones = mixed["channel"].is_in(["call", "auto_call"])
    assert abs(gap.filter(phones).mean()) < 0.005 and (gap.filter(~phones) == 0).all()


def test_the_mean_of_many_runs_is_the_worth(files, truth):
    plan = logged(files).unique("loan_id", keep="first", maintain_order=True)
    plan = plan.with_columns(channel=pl.lit("auto_call"))  # of all channels alone it also does harm
    told = world.worth(truth, plan)
    runs = [world.run(truth, plan, seed) for seed in range(100)]
    for column, expected in (
        ("net", told["true_net"]),
        ("spent", told["true_cost"]),
        ("right_party", told["true_chance"]),
    ):
        means = np.array([run[column].mean() for run in runs])
        assert abs(means.mean() - expected.mean()) < 4 * means.std() / np.sqrt(len(runs)), column
    assert np.mean([run["driven_off"].sum() for run in runs]) > 0


def test_a_loan_has_its_luck_whatever_is_tried_on_others(files, truth):
    plan = logged(files).unique("loan_id", keep="first", maintain_order=True)
    part = plan.sample(300, seed=2)
    alone, among = world.run(truth, part, 5), world.run(truth, plan, 5)
    assert alone.join(among, on="loan_id", how="left", maintain_order="left")["net_right"].equals(alone["net"])
    assert not world.run(truth, part, 6)["net"].equals(alone["net"])
    with pytest.raises(ValueError, match="one attempt a loan"):
        world.run(truth, pl.concat([part, part]), 5)


def test_nothing_is_added_by_an_attempt_on_a_settled_debt(files, truth):
    moment = pl.datetime(2026, 6, 1, 18, time_zone="UTC")
    settled = truth.payments.filter(pl.col("kind") == "settlement", pl.col("paid_at") < moment)
    plan = settled.select("loan_id", channel=pl.lit("call"), planned_at=moment)
    told = world.worth(truth, plan)
    assert told.height > 50 and (told["true_added"] == 0).all() and (told["true_net"] < 0).all()


def test_another_policy_works_the_same_book_from_its_day_on(files, tmp_path):
    def half_by_letter(cases):
        assert cases["months_since_default"].min() > 5 and set(cases["open_letter"]) == {True}
        table = np.zeros((cases.height, 6))
        table[:, 4], table[:, 0] = 0.5, np.where(cases["open_call"], 0.0, 0.5)  # no call is open: no attempt
        return table

    other = world.simulate(2000, 12, tmp_path / "world", change=world.Change(half_by_letter, SINCE))
    usual, changed = logged(files), logged(other)
    before = pl.col("attempted_at").dt.date() < SINCE
    assert changed.filter(before).drop("known_at", "agent").equals(usual.filter(before).drop("known_at", "agent"))
    since, log = changed.filter(~before), usual.filter(~before)
    assert set(since["channel"]) == {"letter"} and set(since["propensity"]) == {0.5}
    assert since.height == pytest.approx(log.height / 2, rel=0.1)
    for feed in ("loans", "borrowers", "market"):
        assert files.feeds[feed].read_bytes() == other.feeds[feed].read_bytes()
