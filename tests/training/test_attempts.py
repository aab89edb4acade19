"""What attempts reach and add, learnt from a simulated world whose truth is known."""

from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from features import world
from features.errors import RecoupError
from features.feeds.contacts import CHANNELS
from features.home import Home
from features.store import FeatureDoor
from features.world.knowable import knowable_chance
from training import attempt_effect, attempt_value, contact, job, logged_attempts, off_policy
from training.attempt_value import AttemptValue

AS_OF = datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)
LOANS = 10_000
SINCE = date(2023, 1, 1)
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
def frame(book, log):
    return logged_attempts.features(book[1], log)


@pytest.fixture(scope="module")
def values(book):
    return attempt_effect.estimate(book[1], "canonical", AS_OF, seed=7)


def true_cells(files, values, log, frame):
    """What a conversation truly adds on a typical debt of a typical debtor, by cell, as the logging policy had them."""
    told = world.worth(world.load_truth(files.truth), log.with_columns(planned_at="attempted_at"))
    known = told.with_columns(frame.select(attempt_value.DIFFER))
    usual = known.select(values.size.scale() * values.multiple(known.columns)).to_series().alias("usual")
    loans = world.load_truth(files.truth).loans.select("loan_id", "cohort", "age_months")
    month = (pl.col("attempted_at").dt.epoch("s") - pl.datetime(2020, 12, 31).dt.epoch("s")) / 86_400 / 30.4375
    told = told.join(loans, on="loan_id", how="left", maintain_order="left")
    told = told.with_columns(months_since_default=pl.col("age_months") + month - pl.col("cohort"))
    weight = pl.col("true_chance") * pl.col("weight")
    return (
        told.with_columns(attempt_value.age_band(), usual)
        .group_by("channel", "age_band")
        .agg(true=(pl.col("true_added") * weight).sum() / (pl.col("usual") * weight).sum())
    )


def test_effects_are_found_in_sign_and_order(book, log, frame, values):
    cells = values.cells.join(true_cells(book[0], values, log, frame), on=["channel", "age_band"])
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


def test_debtors_differ_as_they_do_in_truth(book, log, frame, values):
    told = world.worth(world.load_truth(book[0].truth), log.drop("cost").with_columns(planned_at="attempted_at"))
    told = told.with_columns(frame.select("months_since_default", *attempt_value.DIFFER), chance="true_chance")
    known = ("agency", *attempt_value.DIFFER)
    alike = [
        np.corrcoef(values.of(told.drop(known[:left]))["added_value"], told["true_added"])[0, 1]
        for left in (len(known), 1, 0)
    ]
    assert alike[1] > alike[0] + 0.05 and alike[2] > alike[1] + 0.01
    reached = values.of(told).filter("right_party")
    by_people = pl.col("channel").is_in(["call", "visit"])  # the others reach too few to tell
    for some in (reached, reached.filter(by_people)):
        assert some["added_value"].sum() == pytest.approx(some["true_added"].sum(), rel=0.1)


def test_skills_of_agencies_are_found(book, values):
    true = dict(world.load_truth(book[0].truth).agencies.iter_rows())
    found, names = values.skills, sorted(true)[:5]  # the sixth is new: too few attempts to tell
    assert set(found) == set(true)
    assert np.corrcoef([found[name] for name in names], [true[name] for name in names])[0, 1] > 0.8
    assert 0.6 < found[names[-1]] < 1 < found[names[0]] < 1.6
    assert abs(found["agency_6"] - 1) < 0.4
    case = pl.DataFrame({"channel": ["call"] * 3, "months_since_default": [18.0] * 3, "owed": [5e3] * 3,
                         "chance": [0.3] * 3, "agency": ["agency_1", None, "nobody has heard of it"]})  # fmt: skip
    skilled, unknown, never = values.of(case)["added_value"]
    assert skilled > unknown == never > 0


def test_the_estimate_survives_its_card_and_an_earlier_form_is_refused(values):
    again = AttemptValue.from_card(values.to_card())
    assert again.cells.equals(values.cells) and again.differences == values.differences
    assert (again.overall, again.size, again.skills) == (values.overall, values.size, values.skills)
    earlier = {name: part for name, part in values.to_card().items() if name != "skills"}
    with pytest.raises(RecoupError, match=r"earlier release.*recoup train contact"):
        AttemptValue.from_card(earlier)


def people_first(cases):
    """Call who may be called, write letters to the others."""
    table = np.zeros((cases.height, len(CHANNELS)))
    table[:, 0] = 0.9 * cases["open_call"].to_numpy()
    table[:, 4] = 1 - table[:, 0]
    return table


def write_first(cases):
    """Write letters, and seldom more."""
    table = np.zeros((cases.height, len(CHANNELS)))
    for channel, chance in {"call": 0.2, "auto_call": 0.3, "email": 0.2}.items():
        table[:, CHANNELS.index(channel)] = chance * cases[f"open_{channel}"].to_numpy()
    table[:, 4] = 1 - table.sum(axis=1)
    return table


def cases_of(door, log, frame):
    """What a policy of the world is shown of each case."""
    people = door.lake.scan("borrowers").sort("known_at").unique("borrower_id", keep="first").collect()
    standing = log.select("borrower_id").join(people, on="borrower_id", how="left", maintain_order="left")
    points = {"call": "phone", "auto_call": "phone", "email": "email"}
    return standing.select(
        (pl.col(point).is_not_null() & ~pl.col("disputed").fill_null(False)
         & pl.col(f"consent_{channel}").fill_null(False)).alias(f"open_{channel}")
        for channel, point in points.items()
    ).with_columns(frame["months_since_default"])  # fmt: skip


def net_cash(files):
    """Cash of the book since the change, less commission and what attempts cost; and how many there were."""
    paid = world.load_truth(files.truth).payments.filter(
        (pl.col("kind") != "legal_recovery") & pl.col("paid_at").dt.date().is_between(SINCE, AS_OF.date())
    )
    log = pl.read_csv(files.feeds["contacts"], infer_schema_length=None).filter(pl.col("attempted_at") >= str(SINCE))
    return paid["amount"].sum() - paid["collection_cost"].sum() - log["cost"].sum(), log.height


def test_an_off_policy_value_covers_what_running_the_policy_brings(book, log, frame, tmp_path):
    files, door = book
    since = log["attempted_at"].dt.date() >= SINCE
    log, frame = log.filter(since), frame.filter(since)
    cases, (usual, attempts) = cases_of(door, log, frame), net_cash(files)
    found = {}
    for policy in (people_first, write_first):
        found[policy] = off_policy.value(log, frame, policy(cases), seed=7)
        other = world.simulate(LOANS, 21, tmp_path / policy.__name__, change=world.Change(policy, SINCE))
        brought = (net_cash(other)[0] - usual) / attempts
        # one world tells no coverage: that is counted over campaigns, in `test_off_policy`
        assert abs(brought - found[policy].gain) < 3 * found[policy].standard_error
    widths = [high - low for low, high in (one.interval for one in found.values())]
    assert max(widths) < found[people_first].gain - found[write_first].gain


def as_written(files, name):
    """A feed as it was written, times in UTC."""
    rows = pl.read_csv(files.feeds[name], infer_schema_length=None)
    times = [column for column in ("attempted_at", "known_at") if column in rows.columns]
    return rows.with_columns(pl.col(times).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC"))


def expected_log_loss(truth, chance):
    """The log loss that a chance would have on average over what may come of an attempt."""
    return -(truth * np.log(chance) + (1 - truth) * np.log(1 - chance)).mean()


def test_chances_are_calibrated_on_later_attempts_and_nearly_what_can_be_known(book):
    """So few attempts leave a model 2 points off in its outer deciles; those of 20,000 loans, 1.4."""
    files, door = book
    learner = job.prepare(door, contact.TASK, "canonical", AS_OF, 7, lambda line: None)
    order = learner.rows["order"]
    past = (order < order.quantile(0.75)).to_numpy()
    parameters = {"design": "direct", "iterations": 300, "depth": 6, "learning_rate": 0.06, "l2_leaf_reg": 8,
                  "rsm": 0.7}  # fmt: skip
    chance = learner.scores(learner.fit(past, parameters, None), ~past, None)
    feed = as_written(files, "contacts")
    feed = feed.with_columns(knowable=knowable_chance(feed, as_written(files, "borrowers")))
    drawn = feed.join(world.load_truth(files.truth).attempts, on="attempt_id", maintain_order="left")
    asked = learner.rows.filter(~past).select(attempt_id="entity", chance=pl.Series(chance))
    asked = asked.join(drawn, on="attempt_id", maintain_order="left").sort("chance")
    assert asked.height > 10_000  # a decile's true mean is known within 0.005
    for decile in asked.iter_slices(-(-asked.height // 10)):
        assert abs(decile["chance"].mean() - decile["contact_chance"].mean()) < 0.03
    truth, best, ours = (asked[name].to_numpy() for name in ("contact_chance", "knowable", "chance"))
    assert expected_log_loss(truth, best) < expected_log_loss(truth, ours) < 1.03 * expected_log_loss(truth, best)
