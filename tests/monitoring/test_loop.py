"""The loop's gate: the alias moves on evidence, or stays with the reason, whatever dies in between."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import mlflow
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from features.home import Home
from features.lake import Lake
from features.store import FeatureDoor
from monitoring.loop import gate, pace, shadow
from monitoring.loop.comparison import Comparison, Measure, compare
from monitoring.loop.trial import IN_FORCE, ON_TRIAL, REFUSED, Trials
from serving.journal import Journal
from training import aliases, registry
from training.approval import Approver
from training.job import Trained
from training.leaf_shap import LeafShap
from training.level import levelled

AS_OF = datetime(2025, 6, 30, tzinfo=UTC)
UNTIL = datetime(2025, 9, 30, 23, 59, 59, tzinfo=UTC)
SIGNED = Approver("A. Reviewer", "a test")


@pytest.fixture(scope="module")
def champion(worked):
    return registry.load(worked, "recovery", "1").package


@pytest.fixture
def home(worked, tmp_path):
    """A home of the same facts with a registry of its own."""
    own = Home(tmp_path / "home")
    for room in ("lake", "marts", "feast"):
        shutil.copytree(getattr(worked, room), getattr(own, room))
    return own


def registered(home, package, tmp_path):
    """Register a version as a training would; the first of a home is in force."""
    trained = Trained(package, {}, pl.DataFrame(), pl.DataFrame(), {"trials": 0, "designs": {}, "utility": 0.0})
    with registry.started(home, package.card.name):
        return registry.register(home, trained, [], tmp_path / f"package-{package.fingerprint}")


def on_trial(home, champion, challenger, tmp_path):
    """Put a version on trial against another."""
    name = champion.card.name
    registered(home, champion, tmp_path)
    version = registered(home, challenger, tmp_path).version
    registry.promote(home, name, version, alias="challenger")
    kept = Trials(home, name)
    trial = kept.begun(name, "a test", [], AS_OF)
    return kept.keep(trial, state=ON_TRIAL, champion=f"{name}/1", version=version)


@pytest.fixture
def tried(home, champion, tmp_path):
    """Put a version on trial against another; both are the champion at other levels."""

    def put(in_force: float, challenger: float):
        return on_trial(
            home, levelled(champion, {"factor": in_force}), levelled(champion, {"factor": challenger}), tmp_path
        )  # fmt: skip

    return put


def named(home, name="recovery"):
    return {alias: found.version for alias, found in aliases.read(home, name).items()}


def test_a_better_challenger_takes_the_alias_and_the_reason_is_kept(home, tried):
    tried(5.0, 1.0)
    trial = gate.decide(home, "recovery", UNTIL, SIGNED)
    assert trial.state == IN_FORCE and "better by more than chance" in trial.reason
    assert named(home) == {"champion": "2"}
    (kept,) = Trials(home, "recovery").all()
    assert kept == trial and kept.evidence[0]["rows"] > 1_000 and kept.evidence[0]["since"].startswith("2025-06-30")
    client = mlflow.MlflowClient(f"sqlite:///{home.mlflow / 'mlflow.db'}")
    tags = client.get_model_version("recovery", "2").tags
    assert tags["loop.decision"] == IN_FORCE and tags["loop.reason"] == trial.reason
    (signed,) = json.loads(tags["exceptions"])
    assert signed["approver"] == "A. Reviewer"
    assert gate.decide(home, "recovery", UNTIL, SIGNED) is None, "nothing is on trial any more"
    assert named(home) == {"champion": "2"}


def test_without_a_green_pack_and_a_signature_the_alias_stays(home, tried):
    tried(5.0, 1.0)
    trial = gate.decide(home, "recovery", UNTIL)
    assert trial.open and "better by more than chance" in trial.reason and "no model-risk pack" in trial.reason
    assert named(home) == {"champion": "1", "challenger": "2"}
    assert gate.decide(home, "recovery", UNTIL) == trial, "the same look again changes nothing"
    later = gate.decide(home, "recovery", UNTIL + timedelta(days=1), SIGNED)
    assert later.state == IN_FORCE and len(later.evidence) == 2


def test_a_worse_challenger_is_refused_with_the_reason(home, tried):
    tried(1.0, 5.0)
    trial = gate.decide(home, "recovery", UNTIL, SIGNED)
    assert trial.state == REFUSED and "worse by more than chance" in trial.reason
    assert named(home) == {"champion": "1"}


def test_killed_before_the_alias_moves_it_stays_and_the_next_look_moves_it(home, tried, monkeypatch):
    tried(5.0, 1.0)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(registry, "promote", _killed)
        gate.decide(home, "recovery", UNTIL, SIGNED)
    assert named(home)["champion"] == "1"
    assert gate.decide(home, "recovery", UNTIL, SIGNED).state == IN_FORCE
    assert named(home) == {"champion": "2"}


def test_killed_after_the_alias_has_moved_the_trial_is_closed_and_nothing_is_signed_twice(home, tried, monkeypatch):
    tried(5.0, 1.0)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(registry, "note", _killed)
        gate.decide(home, "recovery", UNTIL, SIGNED)
    assert named(home)["champion"] == "2"
    trial = gate.decide(home, "recovery", UNTIL, SIGNED)
    assert trial.state == IN_FORCE and "better by more than chance" in trial.reason and len(trial.evidence) == 1
    assert len(registry.exceptions(home, registry.load(home, "recovery"))) == 1


def _killed(*_, **__):
    raise KeyboardInterrupt


def test_both_sides_are_judged_by_cash_that_neither_has_learnt_from(home, champion):
    door = FeatureDoor(home)
    found = compare(door, champion, levelled(champion, {"factor": 2.0}), UNTIL)
    cash, order = found.measures
    paid = door.lake.scan("payments").filter(pl.col("known_at") > AS_OF, pl.col("known_at") <= UNTIL)
    received = paid.select(pl.col("amount").sum()).collect().item()
    expected = received + np.array([cash.champion, -cash.champion])
    assert pytest.approx(cash.challenger, rel=0.02) in np.abs(2 * expected - received).tolist()
    assert order.champion == pytest.approx(order.challenger, abs=1e-3), "a level leaves the order as it is"
    assert order.champion > 0.05
    nothing = compare(door, champion, champion, AS_OF)
    assert nothing.rows == 0 and gate.verdict(nothing, last=False)[0] == ON_TRIAL


@pytest.fixture(scope="module")
def dialler(worked):
    """The contact model, and what it would be with its first trees alone."""
    whole = registry.load(worked, "contact", "1").package
    few = whole.model.copy()
    few.shrink(ntree_end=5)
    return whole, replace(whole, model=few, shap=LeafShap.build(few))


def test_contact_is_judged_by_the_attempts_since_as_they_were_known(home, dialler):
    whole, few = dialler
    door = FeatureDoor(home)
    found = compare(door, whole, few, UNTIL)
    attempts = door.lake.scan("contacts").filter(
        pl.col("attempted_at") - timedelta(seconds=1) > AS_OF, pl.col("known_at") <= UNTIL
    )
    attempts = attempts.sort("attempted_at").collect()
    assert (found.rows, found.debtors) == (attempts.height, attempts["borrower_id"].n_unique())
    asked = attempts.select(
        "loan_id", "borrower_id", channel_asked="channel", point_kind_asked=pl.col("point_kind").fill_null("unknown"),
        moment=pl.col("attempted_at") - timedelta(seconds=1),
    )  # fmt: skip
    frame, reached = door.frame(whole.card.service, asked), attempts["right_party"].to_numpy()
    (loss,) = found.measures
    for side, told in ((whole, loss.champion), (few, loss.challenger)):
        assert told == pytest.approx(log_loss(reached, side.scores(frame)), abs=1e-9)
    assert loss.worse and loss.low < loss.challenger - loss.champion < loss.high
    same = compare(door, whole, whole, UNTIL).measures[0]
    assert same.low == same.high == 0 and not same.better and not same.worse


@pytest.mark.parametrize(("better", "state", "in_force"), [(True, IN_FORCE, "2"), (False, REFUSED, "1")])
def test_a_contact_challenger_takes_the_alias_only_when_it_is_better(home, dialler, tmp_path, better, state, in_force):
    challenger, champion = dialler if better else reversed(dialler)
    on_trial(home, champion, challenger, tmp_path)
    trial = gate.decide(home, "contact", UNTIL, SIGNED)
    assert trial.state == state and "log loss" in trial.reason
    assert named(home, "contact") == {"champion": in_force}


measures = st.builds(
    lambda error, champion, ends: Measure("m", champion, champion + sum(ends) / 2, *sorted(ends), error),
    st.booleans(), st.floats(-5, 5), st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
)  # fmt: skip


@given(st.integers(0, 500), st.lists(measures, min_size=1, max_size=3), st.booleans())
def test_no_alias_moves_without_enough_rows_a_better_figure_and_no_worse_one(rows, found, last):
    state, reason = gate.verdict(Comparison("", "", rows, rows, found), last)
    if state == IN_FORCE:
        assert rows >= gate.FEWEST and found[0].better and not any(measure.worse for measure in found)
    assert reason and not (last and state == ON_TRIAL)


def test_the_pace_of_payments_is_one_where_nothing_changes_and_half_where_half_stay_away(worked, tmp_path):
    """As of the last day, so that no payment is still on its way to us."""
    usual = pace.measure(Lake(worked), "canonical", UNTIL)
    assert usual.level() == {} and 0.7 < usual.factor < 1.3
    payments = pl.read_csv(worked.root.parent / "world" / "feeds" / "payments.csv", infer_schema=False)
    recent = pl.col("known_at") > "2025-08-01"
    payments.filter(~recent | (pl.col("payment_id").hash(seed=1) % 2 == 0)).write_csv(tmp_path / "payments.csv")
    half = Lake(Home(tmp_path / "home"))
    half.ingest(worked.root.parent / "world" / "feeds" / "loans.csv", "canonical", "loans")
    half.ingest(tmp_path / "payments.csv", "canonical", "payments")
    found = pace.measure(half, "canonical", UNTIL)
    assert found.foretold == pytest.approx(usual.foretold)
    assert found.low < 0.5 * usual.factor < found.high and found.level()["factor"] == found.factor


def test_without_dated_payments_nothing_is_said_of_their_pace(lending_club, tmp_path):
    lake = Lake(Home(tmp_path))
    lake.ingest(lending_club, "lending_club")
    assert pace.measure(lake, "lending_club", datetime.now(UTC)) is None


def test_a_level_moves_every_score_and_nothing_else(champion):
    rows = champion.reference.drop("score").head(300)
    moved = levelled(champion, {"factor": 0.6})
    assert np.allclose(moved.scores(rows), 0.6 * champion.scores(rows), rtol=1e-12)
    assert moved.fingerprint != champion.fingerprint and moved.card.level == {"factor": 0.6}
    assert np.array_equal(moved.reference["score"].to_numpy(), moved.scores(moved.reference))
    explained = moved.explain(rows)
    np.testing.assert_allclose(explained.base + explained.contributions.sum(axis=1), explained.scores, atol=1e-9)
    moved.verify(rows)
    assert levelled(champion, {}) is champion


def test_what_the_challenger_said_in_service_is_read_back(home, champion, tmp_path):
    own = registered(home, champion, tmp_path)
    other = registered(home, levelled(champion, {"factor": 0.5}), tmp_path)
    assert shadow.seen(home, own, other) == {}
    journal = Journal(home)
    scored = [("L1", 0.1, own), ("L1", 0.05, other), ("L2", 0.3, own), ("L2", 0.15, other), ("L3", 0.2, own)]
    journal.append_all([{"subject": loan, "score": score, "model_version": side.label} for loan, score, side in scored])
    journal.close()
    found = shadow.seen(home, own, other)
    assert (found["champion"], found["challenger"], found["both"]) == (3, 2, 2)
    assert found["ratio"] == pytest.approx(0.5) and found["correlation"] == pytest.approx(1.0)
