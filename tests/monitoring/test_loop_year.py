"""A short simulated year: a downturn is noticed, a challenger trained on it, tried, and put in force or not."""

import json

import pytest

from features.errors import RecoupError
from features.home import Home
from monitoring.loop import page, retraining, turn
from monitoring.loop import year as simulated
from monitoring.loop.trial import ON_TRIAL, TRAINING, Trials
from training import aliases, registry

MONTHS = 4


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("year") / "out"


@pytest.fixture(scope="module")
def year(out):
    return simulated.run(1_500, 1, out, months=MONTHS, downturn=1, progress=lambda line: None)


@pytest.fixture(scope="module")
def home(year, out):
    return Home(out / "home")


def test_a_downturn_is_noticed_and_answered_by_a_challenger_at_a_lower_level(year):
    retrained = [month.turned.retrained for month in year.months if month.turned.retrained]
    first = retrained[0]
    assert first.because.startswith("alert: ") and first.alerts
    assert first.level["factor"] == pytest.approx(0.55, abs=0.2) and first.level["high"] < 1
    assert first.champion == "recovery/1" and first.version == "2"


def test_bids_are_by_the_version_in_force_then(year):
    assert [month.number for month in year.months] == list(range(1, MONTHS + 1))
    assert year.months[0].version == "recovery/1"
    for month in year.months:
        if month.version == "recovery/1":
            assert month.bids.bid == month.bids.bid_never
        assert month.bids.worth > 0 and 5 <= month.bids.loans <= 40
    assert year.avoided == pytest.approx(sum(one.bids.loss_never - one.bids.loss for one in year.months))


def test_a_challenger_is_decided_on_what_came_after_it_was_trained(year, home):
    trials = Trials(home, "recovery").all()
    decided = [month.turned.decided for month in year.months if month.turned.decided]
    assert decided and trials[0].evidence
    assert trials[0].evidence[0]["since"] == trials[0].as_of < trials[0].evidence[0]["until"]
    assert all(trial.reason for trial in trials)
    assert registry.pack(home, registry.load(home, "recovery", trials[0].version)), "it was validated first"


def test_the_same_turn_again_changes_nothing(year, home, out):
    before, named = Trials(home, "recovery").all(), aliases.read(home, "recovery")
    turn(home, "recovery", out / "monitor", year.months[-1].end, approver=simulated.POLICY, progress=lambda line: None)
    assert Trials(home, "recovery").all() == before and aliases.read(home, "recovery") == named


def test_killed_between_training_and_pack_the_alias_stays_and_the_request_goes_on(year, home, monkeypatch):
    named, moment = aliases.read(home, "recovery")["champion"], year.months[-1].end
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(retraining, "validate", _killed)
        retraining.retrain(home, "recovery", "a person asks", as_of=moment, progress=lambda line: None)
    begun = next(trial for trial in Trials(home, "recovery").all() if trial.because == "a person asks")
    assert begun.state == TRAINING and begun.version
    assert aliases.read(home, "recovery")["champion"] == named
    again = retraining.retrain(home, "recovery", "a person asks", as_of=moment, progress=lambda line: None)
    assert again.state == ON_TRIAL and again.version == begun.version
    once = retraining.retrain(home, "recovery", "a person asks", as_of=moment, progress=lambda line: None)
    assert once == again and aliases.read(home, "recovery")["champion"] == named


def _killed(*_, **__):
    raise KeyboardInterrupt


def test_the_page_says_what_the_year_was(year, out, tmp_path):
    written = page.write(year, tmp_path)
    text, told = written.read_text(), json.loads((tmp_path / "year.json").read_text())
    assert told["avoided"] == pytest.approx(year.avoided) and len(told["months"]) == MONTHS
    assert "recovery/2" in text and "<svg" in text and "<script" not in text
    assert page.conclusion(year) in page.table(year)
    with pytest.raises(RecoupError, match="not empty"):
        simulated.run(1_500, 1, out)
