"""A day's plan on a small simulated world, and the best slots of one debt."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
import yaml

from features.errors import RecoupError
from features.feeds.columns import INSTANT
from features.feeds.contacts import CHANNELS
from features.home import Home
from features.lake import Lake
from features.store import FeatureDoor
from features.world import simulate
from serving.dispatch import candidates, court, offering, plan, planning, policies
from serving.dispatch.capacities import Capacities
from serving.dispatch.next_contact import next_contact
from serving.journal import Journal
from serving.journal.keeper import TABLES
from serving.journal.verification import verify
from serving.replay import rebuild
from serving.review.page import review
from tests.serving.slow_law import broken
from training import registry
from training.attempt_value import AttemptValue, Size

DAY = date(2026, 1, 1)
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def silent(line):
    """Progress that nobody reads."""


@pytest.fixture(scope="module")
def small_desk(tmp_path_factory):
    """Capacities that bind on 1,500 loans."""
    hours = [0, 1, *range(13, 24)]
    pools = {name: {"channel": name, "unit": "seats", "units": 2, "each": 3, "hours": hours} for name in CHANNELS}
    pools["visit"] |= {"unit": "visitors", "each": 1, "most_a_day": 5, "regions": ["CA", "WA", "TX", "NY"]}
    pools["night"] = {"channel": "call", "unit": "agents", "units": 1, "each": 2, "hours": [0, 1]}
    agencies = {
        "agency_1": {"commission": 0.2, "term_days": 120, "least": 5, "most": 60, "share": [0.4, 0.6]},
        "agency_3": {"commission": 0.1, "term_days": 120, "most": 30},
        "agency_new": {"commission": 0.15, "term_days": 180, "least": 2, "most": 20},
    }
    path = tmp_path_factory.mktemp("desk") / "small.yaml"
    desk = {"pools": pools, "agencies": agencies, "explore": 0.3, "court": {"filings": 4},
            "challenger": {"policy": "oldest_first", "share": 0.2, "since": "2025-07-01"}}  # fmt: skip
    path.write_text(yaml.safe_dump(desk))
    return path


@pytest.fixture(scope="module")
def planned(worked, small_desk, tmp_path_factory):
    out = tmp_path_factory.mktemp("plan") / "day"
    return plan.plan(worked, DAY, out, capacities=small_desk, progress=silent)


@pytest.fixture(scope="module")
def door(worked):
    return FeatureDoor(worked)


def ways_by_key(door):
    """Return the facts of each debt, channel and contact point, as the slow law reads them, and past attempts."""
    cases = candidates.cases(door, MOMENT)
    points = candidates.points(door, MOMENT, cases["borrower_id"])
    tokens = pl.concat([points[name] for name in ("phone", "phone_alt", "email", "address")])
    attempts = candidates.history(door, MOMENT, cases["borrower_id"], tokens)
    ways = candidates.ways(cases, points, attempts)
    recent = attempts.filter(pl.col("attempted_at") > MOMENT - timedelta(days=10))
    return {(way["loan_id"], way["channel"], way["contact_point"]): way for way in ways.to_dicts()}, recent.to_dicts()


def test_no_contact_is_illegal_and_each_refusal_names_a_broken_clause(planned, door):
    ways, attempts = ways_by_key(door)
    by_person = {}
    for row in attempts:
        by_person.setdefault(row["borrower_id"], []).append(row)
    for row in planned.contacts.to_dicts():
        way = ways[row["loan_id"], row["channel"], row["contact_point"]]
        assert not broken(way, row["planned_at"], by_person.get(way["borrower_id"], [])), row
    refusals = pl.read_parquet(planned.folder / "refusals.parquet")
    assert refusals["clause"].null_count() == 0
    for row in refusals.sample(400, seed=1).to_dicts():
        way = ways[row["loan_id"], row["channel"], row["contact_point"]]
        assert row["clause"] in broken(way, row["planned_at"], by_person.get(way["borrower_id"], []))


def test_each_telephone_is_a_way_of_its_own_and_the_better_one_is_planned(planned, worked, door, small_desk):
    cases = candidates.cases(door, MOMENT)
    people = candidates.points(door, MOMENT, cases["borrower_id"])
    two = people.filter(pl.col("phone").is_not_null() & pl.col("phone_alt").is_not_null())
    told = candidates.judged(door, cases, Capacities.load(small_desk).slots(MOMENT), MOMENT)
    calls = told.ways.filter((pl.col("channel") == "call") & pl.col("borrower_id").is_in(two["borrower_id"].implode()))
    pairs = calls.group_by("loan_id").agg(pl.col("contact_point").sort())
    theirs = cases.join(two, on="borrower_id").select("loan_id", pl.concat_list("phone", "phone_alt").list.sort())
    assert pairs.height > 20 and dict(pairs.iter_rows()) == dict(theirs.iter_rows())
    model = registry.load(worked, "contact")
    values = AttemptValue.from_card(model.package.card.attempt_value)
    offers, _ = offering.contacts(door, told, MOMENT, model, values)
    at = ["loan_id", "channel", "slot"]
    offers = offers.select(pl.col("loan_id", "channel").cast(pl.String), "slot", "net_value", "way")
    best = offers.group_by(at).agg(pl.col("net_value").max().alias("best"), points=pl.len())
    mine = planned.contacts.filter(pl.col("policy") == "recoup").rename({"planned_at": "slot"}).join(best, on=at)
    assert mine.filter(pl.col("points") > 1).height > 5
    assert mine["net_value"].to_list() == pytest.approx(mine["best"].to_list())
    on_second = planned.contacts["contact_point"].is_in(two["phone_alt"].implode())
    assert 0 < on_second.sum() < planned.contacts.height


def test_one_contact_a_person_within_capacities(planned, small_desk):
    contacts, desk = planned.contacts, Capacities.load(small_desk)
    assert contacts.height > 100
    placed, filed = (pl.read_parquet(planned.folder / f"{name}.parquet") for name in ("placements", "filings"))
    filed = filed.filter(pl.col("decision") == "file")
    everybody = pl.concat([table["borrower_id"] for table in (contacts, placed, filed)])
    assert everybody.is_unique().all()
    for name, pool in desk.pools.items():
        mine = contacts.filter(pl.col("pool") == name)
        assert mine.height <= pool.day and set(mine["channel"]) <= {pool.channel}
        assert set(mine["planned_at"].dt.hour()) <= set(pool.hours)
        by_hour = mine.group_by("planned_at").len()["len"]
        assert by_hour.is_empty() or by_hour.max() <= pool.units * pool.each
    numbers = dict(placed["agency"].value_counts().iter_rows())
    for name, agency in desk.agencies.items():
        least, most = (part * placed.height for part in agency.share)
        assert max(agency.least, least - 1) <= numbers.get(name, 0) <= min(agency.most, most + 1)
    assert 0 < filed.height <= desk.court.filings


def test_visitors_stay_in_their_regions(planned, worked, small_desk):
    visits = planned.contacts.filter(pl.col("channel") == "visit")
    where = candidates.cases(FeatureDoor(worked), MOMENT).select("loan_id", "region")
    assert set(visits.join(where, on="loan_id")["region"]) <= set(Capacities.load(small_desk).pools["visit"].regions)
    assert visits.height


def test_what_the_plan_lays_out_can_be_had_again(planned):
    report = planned.report
    placed = pl.read_parquet(planned.folder / "placements.parquet")
    assert report["gap_to_bound"] < 0.01 and report["unmet"] == []
    assert 0 < placed["explored"].sum() < placed.height and placed["probability"].is_between(0, 1, closed="right").all()
    assert sum(package["debts"] for package in report["packages"]) == placed.height
    sides = dict(planned.contacts.group_by("policy").agg(pl.col("probability").first()).iter_rows())
    assert sides == {"recoup": 0.8, "oldest_first": 0.2}
    compared = report["challenger"]["comparison"]
    assert compared["lower"] < compared["difference"] < compared["upper"]
    assert 0.1 < compared["challengers"] / (compared["champions"] + compared["challengers"]) < 0.3


def test_claims_about_to_lapse_are_filed_first(planned):
    filings = pl.read_parquet(planned.folder / "filings.parquet")
    flagged = filings.filter("flagged")
    assert flagged.height == planned.report["limitation"]["flagged"] > 0
    assert flagged["days_left"].is_between(0, court.FLAGGED_DAYS).all()
    waiting = flagged.filter(pl.col("decision") == "waits for a filing")
    filed = filings.filter(pl.col("decision") == "file")
    assert (filed["net_value"] > 0).all()
    if waiting.height:  # then nobody else was filed before them
        assert filed["flagged"].all() and filed["days_left"].max() <= waiting["days_left"].min()


def test_money_adds_up_and_beats_the_largest_debt_first(planned):
    contacts, report = planned.contacts, planned.report
    net = contacts["chance"] * contacts["added_value"] - contacts["cost"]
    assert net.to_list() == pytest.approx(contacts["net_value"].to_list())
    assert (contacts.filter(pl.col("policy") == "recoup")["net_value"] > 0).all()
    assert report["contact_value"] == pytest.approx(contacts["net_value"].sum())
    assert report["contact_value"] >= report["baseline"]["expected_value"]
    assert f"{report['contacts']:,} contacts" in planned.summary()


def test_the_folder_holds_the_plan_and_no_raw_identifier(planned):
    files = {path.name for path in planned.folder.iterdir()}
    tables = {"plan", "placements", "recalls", "filings", "refusals"}
    assert files == {f"{name}.parquet" for name in tables} | {"plan.json", "plan.png"}
    assert [path.name for path in planned.folder.parent.iterdir()] == [planned.folder.name]
    report = json.loads((planned.folder / "plan.json").read_text())
    assert report == planned.report and report["model_version"] == "contact/1"
    told = pl.read_parquet(planned.folder / "refusals.parquet")["clause"].cast(pl.String).value_counts()
    assert report["refusals"] == dict(told.iter_rows())
    table = pl.read_parquet(planned.folder / "plan.parquet")
    assert table.equals(planned.contacts)
    assert table["borrower_id"].str.starts_with("t_").all()
    assert set(table["rule_set"]) == {report["rule_set"]}


def test_the_same_inputs_give_the_same_plan_again(planned, worked, small_desk):
    again = plan.plan(worked, DAY, planned.folder, capacities=small_desk, progress=silent)
    assert again.contacts.drop("decision_id").equals(planned.contacts.drop("decision_id"))
    mine = {"decision_id": again.report["decision_id"]}
    assert again.report == planned.report | mine and again.report != planned.report
    assert pl.read_parquet(planned.folder / "plan.parquet").equals(again.contacts)


def test_each_planned_contact_is_made_again_from_the_journal(planned, worked):
    contacts = planned.contacts.with_row_index("row")
    theirs = contacts.filter(pl.col("policy") == "oldest_first")
    for row in (contacts.row(0, named=True), theirs.row(-1, named=True)):
        record = Journal(worked).find(row["decision_id"])
        assert (record["kind"], record["subject"]) == ("attempt", row["loan_id"])
        assert (record["probability"], record["policy"]) == (row["probability"], row["policy"])
        assert record["slot"]["net_value"] == row["net_value"] and record["rule_set"] == row["rule_set"]
        told = rebuild(worked, row["decision_id"])
        assert "contributions are the same" in told and "money is the same" in told and row["pool"] in told
    assert len(review(worked, row["decision_id"])["inputs"]) == len(record["features"])


def test_a_lot_is_journalled_with_its_probability_and_the_plan_made_again(planned, worked):
    placed = pl.read_parquet(planned.folder / "placements.parquet")
    drawn = placed.filter("explored").row(0, named=True)
    record = Journal(worked).find(drawn["decision_id"])
    assert (record["subject"], record["agency"]) == (drawn["loan_id"], drawn["agency"])
    assert record["probability"] == drawn["probability"] < 1 and record["explored"]
    assert "each row is the same" in rebuild(worked, drawn["decision_id"])


def test_a_plan_whose_journal_was_changed_is_found(planned, worked, tmp_path):
    home = Home(tmp_path / "home")
    shutil.copytree(worked.journal, home.journal)
    assert verify(home).faults == []
    whole = Journal(home).find(planned.report["decision_id"])
    path = home.journal / TABLES / whole[TABLES]["contacts"]["file"]
    rows = pl.read_parquet(path)
    rows.with_columns(
        probability=pl.when(pl.int_range(pl.len()) == 7).then(0.5).otherwise("probability")
    ).write_parquet(path)
    assert [fault.file for fault in verify(home).faults] == [f"{TABLES}/{path.name}"]


def test_only_loans_known_by_then_are_cases(door):
    earlier = candidates.cases(door, datetime(2024, 1, 1, tzinfo=UTC))
    known = door.lake.scan("loans").filter(pl.col("known_at") <= datetime(2024, 1, 1, tzinfo=UTC)).collect()
    assert 0 < earlier.height <= known.height
    assert set(earlier["loan_id"]) <= set(known["loan_id"])


def test_paid_and_settled_debts_are_no_cases(door):
    cases = candidates.cases(door, MOMENT)
    payments = door.lake.scan("payments").collect()
    settled = set(payments.filter(pl.col("kind") == "settlement")["loan_id"])
    assert settled and not settled & set(cases["loan_id"])
    assert (cases["owed"] > 0).all()


def offers(rows):
    names = ["borrower_id", "loan_id", "channel", "hour", "net_value", "owed"]
    table = pl.DataFrame(rows, schema=names, orient="row").with_columns(region=pl.lit("NY"))
    slot = pl.lit(MOMENT).cast(INSTANT) + pl.duration(hours="hour")
    return table.with_columns(slot=slot)


def test_the_optimum_is_exact():
    seat = {"unit": "seats", "units": 1, "each": 1}
    desk = Capacities(pools={"calls": seat | {"channel": "call", "hours": [9, 10], "most_a_day": 1},
                             "texts": seat | {"channel": "sms", "hours": [9]}})  # fmt: skip
    table = offers(
        [("B1", "L1", "call", 9, 5.0, 10.0), ("B1", "L2", "call", 10, 6.0, 90.0),
         ("B1", "L1", "sms", 9, 5.5, 10.0), ("B2", "L3", "call", 9, 4.0, 80.0),
         ("B2", "L3", "sms", 9, 0.5, 80.0), ("B3", "L4", "sms", 9, -1.0, 99.0)]
    )  # fmt: skip
    best = planning.optimum(table, desk, MOMENT).chosen
    assert best["net_value"].sum() == 9.5  # greedy takes 6 and leaves 0.5
    assert sorted(best["loan_id"]) == ["L1", "L3"]
    plain = policies.in_order(table, "largest_first", desk, MOMENT)
    assert plain.sort("loan_id").select("loan_id", "channel").rows() == [("L2", "call"), ("L4", "sms")]


def test_no_capacity_means_no_contacts(worked, tmp_path):
    seat = {"channel": "call", "unit": "seats", "units": 0, "each": 1, "hours": [18]}
    (tmp_path / "none.yaml").write_text(yaml.safe_dump({"pools": {"calls": seat}}))
    found = plan.plan(worked, DAY, tmp_path / "p", capacities=tmp_path / "none.yaml", progress=silent)
    assert found.contacts.is_empty() and found.report["expected_value"] == 0


def test_what_a_contact_adds_is_shrunk_and_capped(worked):
    values = AttemptValue.from_card(registry.load(worked, "contact").package.card.attempt_value)
    assert set(values.cells["channel"]) <= set(CHANNELS)
    cells = values.cells
    assert (cells["lower"] < cells["added"]).all() and (cells["added"] < cells["upper"]).all()
    assert cells["added"].std() < cells["raw"].std()
    case = pl.DataFrame({"channel": ["call"] * 2, "months_since_default": [18.0] * 2, "owed": [1e3, 1e4],
                         "chance": [0.5] * 2})  # fmt: skip
    small, large = values.of(case)["added_value"]
    assert 0 < small < large
    flat = replace(values, size=Size(typical=1.0, power=0.0))
    assert flat.of(case.with_columns(owed=pl.lit(1.5)))["added_value"].to_list() == [1.5, 1.5]


def test_next_contact_offers_what_the_plan_would(worked, door, planned):
    def online(rows):
        return door.online(package.card.service, rows).frame

    package = registry.load(worked, "contact").package
    values = AttemptValue.from_card(package.card.attempt_value)
    loan = planned.contacts.row(0, named=True)
    told = next_contact(door, package, values, loan["loan_id"], MOMENT, online)
    offered = told.offered
    assert offered["net_value"].is_sorted(descending=True) and told.inputs.height == offered.height
    assert package.scores(told.inputs).tolist() == offered["chance"].to_list()
    same = offered.filter((pl.col("channel") == loan["channel"]) & (pl.col("planned_at") == loan["planned_at"]))
    assert same["chance"].item() == loan["chance"] and same["net_value"].item() == pytest.approx(loan["net_value"])
    assert told.refused["clause"].null_count() == 0
    with pytest.raises(RecoupError, match="was not known"):
        next_contact(door, package, values, "nobody", MOMENT, lambda rows: rows)


# --- bad input --------------------------------------------------------------------------------------


def test_an_empty_lake_says_so(home, tmp_path):
    with pytest.raises(RecoupError, match="the lake is empty"):
        plan.plan(home, DAY, tmp_path / "p", progress=silent)


def test_a_day_before_any_loan_says_since_when(worked, tmp_path):
    with pytest.raises(RecoupError, match=r"no loan was known by 2010-01-01; the first became known on 20\d\d-"):
        plan.plan(worked, date(2010, 1, 1), tmp_path / "p", progress=silent)
    assert not (tmp_path / "p").exists()


def test_without_a_model_it_says_what_to_run(tmp_path):
    world, home = simulate(30, 2, tmp_path / "world"), Home(tmp_path / "home")
    for feed in ("loans", "borrowers"):
        Lake(home).ingest(world.feeds[feed], "canonical", feed=feed)
    with pytest.raises(RecoupError, match="run `recoup train contact` first"):
        plan.plan(home, DAY, tmp_path / "p", progress=silent)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pools: {a: {channel: call, unit: agents, units: -1, each: 1, hours: [9]}}", "pools.a.units"),
        ("pools: {a: {channel: call, unit: agents, units: 1, each: 1, hours: [24]}}", "pools.a.hours.0"),
        ("pools: {a: {channel: telegram, unit: boys, units: 1, each: 1, hours: [9]}}", "pools.a.channel"),
        ("{pools: {}, agencies: {a: {commission: 0.1, term_days: 9, least: 5, most: 4}}}", "agencies.a"),
        ("{pools: {}, agencies: {a: {commission: 0.1, term_days: 9, most: 4, share: [0, 0.5]}}}", "less than 1"),
        ("pools: [", "cannot be read"),
        ("", "the file"),
    ],
)
def test_bad_capacities_are_named(worked, tmp_path, text, message):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(RecoupError, match=message):
        plan.plan(worked, DAY, tmp_path / "p", capacities=tmp_path / "c.yaml", progress=silent)


def test_a_folder_with_something_else_is_left_alone(worked, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RecoupError, match="not a plan"):
        plan.plan(worked, DAY, tmp_path, progress=silent)
    assert (tmp_path / "notes.txt").read_text() == "mine"
