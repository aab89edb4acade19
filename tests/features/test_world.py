import hashlib
import itertools
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import ks_2samp

from features import feeds, world

ROOT = Path(__file__).resolve().parents[2]
LOANS = 4000
UNTIL = date(2025, 12, 31)
END = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return world.simulate(LOANS, 11, tmp_path_factory.mktemp("plain") / "world")


@pytest.fixture(scope="module")
def hit(tmp_path_factory):
    return world.simulate(LOANS, 11, tmp_path_factory.mktemp("hit") / "world", downturn="all")


@pytest.fixture(scope="module")
def truth(files):
    return world.load_truth(files.truth)


def read(path, feed):
    """A feed's CSV in the types of its schema."""
    frame = pl.read_csv(path, infer_schema=False)
    casts = []
    for name, column in feeds.FEEDS[feed].SCHEMA.columns.items():
        text = pl.col(name)
        kind = column.dtype.type
        if isinstance(kind, pl.Datetime):
            text = text.str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC")
        elif kind == pl.Date:
            text = text.str.to_date("%Y-%m-%d")
        elif kind == pl.Boolean:
            text = text.replace_strict({"true": True, "false": False}, return_dtype=pl.Boolean)
        elif kind != pl.String:
            text = text.cast(kind)
        casts.append(text)
    return frame.with_columns(casts)


def digest(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.*"))
    }


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    first = digest(world.simulate(600, 3, tmp_path / "a").out)
    assert first == digest(world.simulate(600, 3, tmp_path / "b").out)
    other = digest(world.simulate(600, 4, tmp_path / "c").out)
    assert len(first) == 15
    same = {name for name in first if first[name] == other[name]}
    assert same == {str(Path("truth") / "agencies.parquet")}  # holds constants alone


def test_the_bytes_do_not_depend_on_the_process(tmp_path):
    here = digest(world.simulate(300, 3, tmp_path / "a").out)
    code = "import sys; from pathlib import Path; from features.world import simulate; "
    code += "simulate(300, 3, Path(sys.argv[1]))"
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "b")],
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "4711"},
    )
    assert here == digest(tmp_path / "b")


@pytest.mark.parametrize("feed", list(feeds.FEEDS))
def test_every_feed_satisfies_its_schema(files, feed):
    frame = read(files.feeds[feed], feed)
    assert frame.height == files.rows[feed] > 0
    feed_module = feeds.FEEDS[feed]
    feed_module.SCHEMA.validate(frame, lazy=True)
    assert set(frame.columns) == set(feed_module.SCHEMA.columns)
    assert not frame.select(feed_module.KEY).is_duplicated().any()
    assert frame["known_at"].max() < END
    assert (frame[feed_module.HAPPENED].cast(pl.Date) <= UNTIL).all()


def test_facts_are_learnt_after_they_happen(files):
    for feed, module in feeds.FEEDS.items():
        frame = read(files.feeds[feed], feed)
        happened = frame[module.HAPPENED].cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        assert (frame["known_at"] >= happened).all(), feed


def test_the_tape_is_on_offer_and_has_borrowers(files):
    tape, people = read(files.tape, "loans"), read(files.tape_borrowers, "borrowers")
    feeds.FEEDS["loans"].SCHEMA.validate(tape, lazy=True)
    feeds.FEEDS["borrowers"].SCHEMA.validate(people, lazy=True)
    assert tape.height == LOANS // 10
    assert (tape["cutoff_on"] == UNTIL).all()
    assert set(tape["borrower_id"]) == set(people["borrower_id"])
    book = read(files.feeds["loans"], "loans")
    assert set(tape["loan_id"]).isdisjoint(book["loan_id"])
    assert set(tape["borrower_id"]).isdisjoint(book["borrower_id"])


def test_a_tape_alone_has_the_columns_of_the_feed():
    tape = world.simulate_tape(1000, 5)
    feeds.FEEDS["loans"].SCHEMA.validate(tape, lazy=True)
    assert tape.equals(world.simulate_tape(1000, 5))
    assert not tape.equals(world.simulate_tape(1000, 6))


def test_balances_and_dates_of_a_loan_agree(files):
    loans = read(files.feeds["loans"], "loans")
    parts = loans.select(pl.sum_horizontal("principal_balance", "interest_balance", "fee_balance"))
    assert np.abs(parts.to_series() - loans["balance"]).max() < 0.005
    repaid = loans["original_amount"] - loans["principal_paid"]
    assert np.abs(repaid - loans["principal_balance"]).max() < 0.005
    days = (loans["cutoff_on"] - loans["default_on"]).dt.total_days()
    assert (loans["days_past_due"] == days + 90).all()
    assert loans.filter(pl.col("last_payment_on") < pl.col("originated_on")).is_empty()
    assert days.min() >= 150 and days.max() <= 6 * 366
    assert (days < 366).mean() > 0.4  # the recently defaulted are the bulk


def test_cash_never_exceeds_the_balance(files, truth):
    owed = truth.loans.select("loan_id", "balance")
    paid = truth.payments.group_by("loan_id").agg(pl.col("amount").sum())
    both = owed.join(paid, on="loan_id", how="left").fill_null(0.0)
    assert (both["amount"] <= both["balance"] + 0.005).all()
    whole = truth.loans.select("loan_id", "realised_cash").join(both, on="loan_id")
    assert np.abs(whole["amount"] - whole["realised_cash"]).max() < 0.01
    curves = np.stack(truth.curves["realised"].to_numpy())
    assert (np.diff(curves, axis=1) >= 0).all() and curves.max() <= 1 + 1e-9


def test_the_feed_shows_the_truth_up_to_now(files, truth):
    seen = read(files.feeds["payments"], "payments")
    every = truth.payments.filter(pl.col("known_at") < END)
    assert seen.equals(every.select(seen.columns))
    assert truth.payments.height > seen.height  # immature vintages have cash to come
    tape = truth.loans.filter("on_offer").join(seen, on="loan_id", how="semi")
    assert tape.is_empty()
    oldest = truth.loans.filter(pl.col("cohort") == 0)
    shown = seen.join(oldest, on="loan_id", how="semi")["amount"].sum()
    assert shown == pytest.approx(oldest["realised_cash"].sum(), rel=0.02)  # lags apart


def test_recovery_has_the_shape_of_the_domain(truth):
    rate = truth.loans["realised_60"]
    assert 0.38 < (rate == 0).mean() < 0.58
    assert 0.06 < rate.mean() < 0.10
    assert (rate > 0.2).mean() < 0.16
    assert 0.001 < (rate > 0.99).mean() < 0.02


def test_old_debt_recovers_less(truth):
    loans, rate = truth.loans, pl.col("expected_60").mean()
    edges = (0, 12, 24, 36, 60, 80)
    means = [
        loans.filter(pl.col("age_months").is_between(low, high)).select(rate).item()
        for low, high in itertools.pairwise(edges)
    ]
    assert means == sorted(means, reverse=True)
    assert 0.085 < means[0] < 0.11
    assert 0.025 < means[-1] < 0.045


def test_the_expected_curve_is_the_mean_of_what_came(truth):
    loans = truth.loans
    for months in (6, 12, 24, 36, 60):
        gap = loans[f"realised_{months}"] - loans[f"expected_{months}"]
        assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(loans.height)
    low_to_high = loans.sort("expected_60")
    fifths = [low_to_high.slice(k * len(loans) // 5, len(loans) // 5) for k in range(5)]
    for part in fifths:
        gap = part["realised_60"] - part["expected_60"]
        assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(part.height)


def test_attempts_have_the_shape_of_the_domain(files, truth):
    log = read(files.feeds["contacts"], "contacts")
    assert 12 < log.height / LOANS < 18
    calls = log.filter(pl.col("channel") == "call")
    assert calls["right_party"].mean() == pytest.approx(0.26, abs=0.02)
    assert log["propensity"].min() >= 0.02 - 1e-6
    reached = log["outcome"].is_in(["right_party", "promise", "refused"])
    assert (reached == log["right_party"]).all()
    joined = log.join(truth.attempts, on="attempt_id")
    assert joined.height == log.height
    gap = joined["right_party"].cast(float) - joined["contact_chance"]
    assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(joined.height)
    assert joined["contact_chance"].max() < 1


def test_the_propensity_is_the_chance_of_the_channel(files):
    log = read(files.feeds["contacts"], "contacts").filter(pl.col("channel") == "call")
    whole = read(files.feeds["contacts"], "contacts")
    # every call stands for 1 / propensity attempts of cases that could be called
    could = whole.join(log.select("loan_id").unique(), on="loan_id", how="semi").height
    assert (1 / log["propensity"]).sum() == pytest.approx(could, rel=0.06)


def test_most_attempts_are_lawful(files):
    log = read(files.feeds["contacts"], "contacts")
    people = read(files.feeds["borrowers"], "borrowers").unique("borrower_id", keep="first")
    log = log.join(people.select("borrower_id", "time_zone"), on="borrower_id")
    hours = [
        part["attempted_at"].dt.convert_time_zone(zone).dt.hour()
        for (zone,), part in log.drop_nulls("time_zone").group_by("time_zone")
    ]
    hour = pl.concat(hours)
    assert hour.is_between(8, 20).mean() > 0.99
    asked = read(files.feeds["borrowers"], "borrowers").filter("do_not_contact")
    late = log.join(asked.select("borrower_id", "changed_at"), on="borrower_id")
    assert late.filter(pl.col("attempted_at") > pl.col("changed_at")).is_empty()


def test_a_downturn_moves_the_economy_and_the_cash(files, hit):
    calm, bad = read(files.feeds["market"], "market"), read(hit.feeds["market"], "market")
    last = pl.col("published_on") == date(2025, 11, 30)
    rise = bad.filter(last)["unemployment_rate"] - calm.filter(last)["unemployment_rate"]
    assert rise.min() == pytest.approx(0.04, abs=1e-3)
    before = pl.col("published_on") < date(2025, 7, 1)
    assert calm.filter(before).equals(bad.filter(before))
    start = datetime(2025, 9, 1, tzinfo=UTC)
    cash = [
        read(one.feeds["payments"], "payments")
        .filter(pl.col("paid_at") > start, pl.col("kind") == "recovery")["amount"]
        .sum()
        for one in (files, hit)
    ]
    assert 0.35 < cash[1] / cash[0] < 0.68
    for name in ("loans", "borrowers"):
        assert files.feeds[name].read_bytes() == hit.feeds[name].read_bytes()


def test_a_downturn_leaves_the_past_as_it_was(files, hit):
    onset = datetime(2025, 7, 1, tzinfo=UTC)
    for feed in ("payments", "contacts", "litigation"):
        calm, bad = (read(one.feeds[feed], feed) for one in (files, hit))
        calm, bad = (frame.filter(pl.col("known_at") < onset) for frame in (calm, bad))
        assert calm.height > 500 and calm.equals(bad), feed


def test_a_regional_downturn_stays_in_its_region(tmp_path, files):
    one = world.simulate(LOANS, 11, tmp_path / "w", downturn="FL")
    calm, bad = read(files.feeds["market"], "market"), read(one.feeds["market"], "market")
    same = calm["unemployment_rate"] == bad["unemployment_rate"]
    assert set(calm.filter(~same)["region"]) == {"FL"}


def test_an_unchanged_world_does_not_drift(files):
    loans = read(files.feeds["loans"], "loans").join(
        read(files.feeds["borrowers"], "borrowers").unique("borrower_id", keep="first"),
        on="borrower_id",
        suffix="_borrower",
    )
    middle, late = date(2023, 6, 30), date(2024, 12, 1)
    old, new = loans.filter(pl.col("cutoff_on") <= middle), loans.filter(pl.col("cutoff_on") > late)
    tests = 0
    for name, kind in loans.schema.items():
        a, b = old[name].drop_nulls(), new[name].drop_nulls()
        if kind == pl.Float64 and name != "birth_year" and len(a):
            tests += 1
            assert ks_2samp(a, b).pvalue > 1e-4, name
        elif kind == pl.Boolean or (kind == pl.String and a.n_unique() < 40):
            tests += 1
            for value in set(a):
                shares = (a == value).mean(), (b == value).mean()
                unsure = max(shares[0] * (1 - shares[0]), 1e-3)
                spread = np.sqrt(unsure * (1 / len(a) + 1 / len(b)))
                assert abs(shares[0] - shares[1]) < 4.5 * spread, (name, value)
    assert tests > 40


def test_attempts_of_a_cohort_do_not_drift(files):
    log = read(files.feeds["contacts"], "contacts").join(
        read(files.feeds["loans"], "loans").select("loan_id", "cutoff_on"), on="loan_id"
    )
    opening = timedelta(days=60)
    log = log.filter(pl.col("attempted_at").dt.date() < pl.col("cutoff_on") + opening)
    old = log.filter(pl.col("cutoff_on") <= date(2023, 6, 30))
    new = log.filter(pl.col("cutoff_on").is_between(date(2024, 9, 1), date(2025, 10, 1)))
    assert ks_2samp(old["propensity"], new["propensity"]).statistic < 0.05
    assert old["right_party"].mean() == pytest.approx(new["right_party"].mean(), abs=0.02)
    for channel in set(old["channel"]):
        shares = [(part["channel"] == channel).mean() for part in (old, new)]
        assert shares[0] == pytest.approx(shares[1], abs=0.02)


def test_no_hidden_column_stands_in_a_feed(files, truth):
    keys = {"loan_id", "borrower_id", "attempt_id", "region", "balance", "agency"}
    hidden = set()
    for name in ("borrowers", "loans", "curves", "attempts", "market", "agencies"):
        hidden |= set(getattr(truth, name).columns) - keys
    for feed in feeds.FEEDS:
        header = files.feeds[feed].read_text().split("\n", 1)[0].split(",")
        assert hidden.isdisjoint(header), feed


def test_some_borrowers_are_awkward(files):
    people = read(files.feeds["borrowers"], "borrowers")
    first = people.unique("borrower_id", keep="first", maintain_order=True)
    assert people.height > first.height  # some asked for silence later
    for column in ("time_zone", "consent_call", "consent_sms", "phone", "email"):
        assert 0 < first[column].null_count() < 0.4 * first.height, column
    assert first["do_not_contact"].sum() > 0 and first["disputed"].sum() > 0
    assert first["phone"].drop_nulls().is_duplicated().sum() > 0
    several = read(files.feeds["loans"], "loans")["borrower_id"].value_counts()
    assert (several["count"] > 1).mean() == pytest.approx(0.03, abs=0.002)


def test_court_cases_step_forward(files):
    steps = read(files.feeds["litigation"], "litigation")
    order = {"filed": 0, "judgment": 1, "enforcement": 2, "closed": 3}
    ranked = steps.with_columns(rank=pl.col("stage").replace_strict(order)).sort("case_id", "rank")
    back = ranked.with_columns(earlier=pl.col("happened_at").shift(1).over("case_id"))
    assert back.filter(pl.col("earlier") > pl.col("happened_at")).is_empty()
    loans = read(files.feeds["loans"], "loans")
    tape = loans.filter(pl.col("legal_status") == "judgment")["loan_id"]
    assert set(tape) <= set(steps.filter(pl.col("stage") == "judgment")["loan_id"])


def test_the_truth_answers_what_an_attempt_is_worth(files, truth):
    people = truth.borrowers.select("borrower_id")
    evening = world.contact_chance(truth, people, "call", 18)
    morning = world.contact_chance(truth, people, "call", 10)
    kind = truth.borrowers["routine"].to_numpy()
    assert evening[kind == "worker"].mean() > 1.5 * morning[kind == "worker"].mean()
    assert evening[kind == "retired"].mean() < morning[kind == "retired"].mean()
    loans = truth.loans.filter(pl.col("age_months") > 36)
    machine = world.attempt_effect(truth, loans, "auto_call", 18, 3)
    person = world.attempt_effect(truth, loans, "call", 18, 3)
    assert machine.max() < 0 < person.max()
    young = truth.loans.filter(pl.col("age_months") < 8)
    assert world.attempt_effect(truth, young, "auto_call", 18, 0).mean() > 0
    year = world.expected_recovery(truth, loans, 12)
    assert year == pytest.approx(loans["expected_12"].to_numpy())
    with pytest.raises(ValueError, match="not of this world"):
        world.expected_recovery(truth, pl.DataFrame({"loan_id": ["nobody's"]}), 12)


def test_a_place_in_use_and_nonsense_are_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(ValueError, match="not an empty folder"):
        world.simulate(10, 1, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep"
    with pytest.raises(ValueError, match="downturn"):
        world.simulate(10, 1, tmp_path / "new", downturn="Atlantis")
    with pytest.raises(ValueError, match="loans"):
        world.simulate(0, 1, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_run_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(OSError, match="disk full"):
        world.simulate(50, 1, tmp_path / "world")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("loans", [1, 2, 7])
def test_small_worlds_work(tmp_path, loans):
    seen = []
    files = world.simulate(loans, 1, tmp_path / "w", until=date(2024, 2, 29), progress=seen.append)
    assert files.rows["loans"] == loans
    assert seen == ["market", "book", "tape", "files"]
    tape = read(files.tape, "loans")
    assert tape["cutoff_on"].to_list() == [date(2024, 2, 29)]
