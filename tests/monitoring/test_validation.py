"""A pack of a sound model is made whole; a planted fault turns its own check, and says where."""

import json
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest

from features.errors import RecoupError
from monitoring.validation import truths, validate
from monitoring.validation.checks import CHECKS, PARTS, about
from monitoring.validation.evidence import gather
from monitoring.validation.expectations import expectations
from monitoring.validation.job import examine
from monitoring.validation.result import Verdict
from monitoring.validation.statistics import holm, interval
from training import registry
from training.revision import code_revision
from training.train import TASKS

RNG = np.random.default_rng(1)


@pytest.fixture(scope="module")
def truth(worked):
    return worked.root.parent / "world" / "truth"


@pytest.fixture(scope="module")
def contact(worked, truth):
    few = {"lightgbm": TASKS["contact"].challengers["lightgbm"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, "contact", replace(TASKS["contact"], challengers=few))
        return gather(worked, registry.load(worked, "contact"), truth, lambda line: None)


@pytest.fixture(scope="module")
def pack(worked, contact):
    return examine(worked, contact, lambda line: None)


@pytest.fixture(scope="module")
def recovery(worked):
    """The recovery model in a plain and small design: a blend takes long to fit."""
    version = registry.load(worked, "recovery")
    card = version.package.card
    small = replace(card, parameters=card.parameters | {"design": "direct", "iterations": 40})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, "recovery", replace(TASKS["recovery"], challengers={}))
        version = replace(version, package=replace(version.package, card=small))
        return gather(worked, version, None, lambda line: None)


def scored(evidence, scores):
    return replace(evidence, table=evidence.table.with_columns(score=pl.Series(np.clip(scores, 0, 1))))


def filled(evidence, name, values):
    """Return the evidence with other values of an input, and contributions that are not asked for."""
    frame = evidence.learner.frame.with_columns(pl.Series(name, values))
    return replace(evidence, learner=replace(evidence.learner, frame=frame))


def verdict(check, evidence):
    return CHECKS[check].run(evidence)


class Page(HTMLParser):
    """What a page asks the network for, and its identifiers."""

    def __init__(self, text):
        super().__init__()
        self.asked, self.names = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.names.add(given.get("id"))
        self.asked += [given[key] for key in ("src", "href", "xlink:href") if not given.get(key, "#").startswith("#")]


def test_every_check_says_what_it_is_for_and_has_named_thresholds():
    for name, module in CHECKS.items():
        said = about(module)
        assert said.title and said.question.endswith("?"), name
        assert tuple(said.parts) == PARTS and all(len(text) > 15 for text in said.parts.values())
        assert said.thresholds, name


def test_every_expectation_is_met_by_checks_and_every_check_is_asked_for():
    asked = {name for one in expectations() for name in one.checks}
    assert asked == set(CHECKS)


def test_a_pack_is_whole_tied_to_its_version_and_kept_with_it(pack, worked):
    version = registry.load(worked, "contact")
    content = json.loads(pack.json.read_text())
    assert content == pack.content and content["complete"]
    assert (content["version"], content["fingerprint"]) == ("contact/1", version.package.fingerprint)
    assert set(content["checks"]) == set(CHECKS)
    assert registry.pack(worked, version) == pack.json.read_bytes()
    failed = {name for name, check in content["checks"].items() if check["verdict"] in ("amber", "red")}
    assert {one["check"] for one in content["limitations"]} == failed
    assert all(one["limits"] for one in content["limitations"])
    assert content["checks"]["interval_coverage"]["verdict"] == "not applicable"
    assert content["checks"]["reproducibility"]["figures"]["same_fingerprint"] == 1.0


def test_a_sound_model_of_a_simulated_world_has_no_red_check(pack):
    red = {name: check["says"] for name, check in pack.content["checks"].items() if check["verdict"] == "red"}
    assert not red


def test_the_page_stands_alone_and_shows_what_the_json_says(pack):
    text = pack.html.read_text()
    page = Page(text)
    assert [address for address in page.asked if not address.startswith("data:")] == []
    assert set(CHECKS) <= page.names and "<script" not in text
    assert text.count("<svg") > 15
    for check in pack.content["checks"].values():
        assert check["title"] in text
        assert len(check["plots"]) >= (0 if check["title"] in ("Reproducibility", "Interval coverage") else 1)
        for table in check["tables"]:
            assert table["says"].endswith(".")


def test_scores_that_know_nothing_are_red(contact):
    assert verdict("discrimination", scored(contact, RNG.permutation(contact.scores))).verdict == Verdict.RED


def test_a_wrong_level_is_red_and_a_wrong_part_is_named(contact):
    assert verdict("calibration", contact).verdict == Verdict.GREEN
    assert verdict("calibration", scored(contact, 2 * contact.scores)).verdict == Verdict.RED
    place = contact.frame["channel"].value_counts(sort=True)["channel"][0]
    there = (contact.frame["channel"] == place).to_numpy()
    found = verdict("calibration_by_part", scored(contact, np.where(there, 0.4, 1.0) * contact.scores))
    assert found.verdict != Verdict.GREEN and f"channel {place}" in found.says


def test_an_input_that_knows_the_answer_and_a_shared_entity_are_found(contact):
    answer = contact.learner.rows["target"].to_numpy() + 0.01 * RNG.standard_normal(contact.learner.rows.height)
    leaky = filled(contact, "attempts", answer)
    rows = contact.learner.rows.with_columns(entity=pl.col("entity").str.slice(0, 3))
    found = verdict("leakage", replace(leaky, learner=replace(leaky.learner, rows=rows)))
    assert found.verdict == Verdict.RED and "attempts" in found.says
    assert found.figures["strongest_input"] > 0.8 and found.figures["shared_entities"] > 0


def test_a_feed_gone_silent_before_the_test_is_found(contact):
    gone = pl.Series(np.where(contact.parts.test, np.nan, contact.learner.frame["phones"].to_numpy()), nan_to_null=True)
    found = verdict("data_quality", filled(contact, "phones", gone))
    assert found.verdict == Verdict.RED and "phones" in found.says


def test_a_population_that_moves_is_found(contact):
    moved = contact.learner.frame["age_years"].to_numpy() + np.where(contact.parts.test, 30.0, 0.0)
    found = verdict("stability", filled(contact, "age_years", moved))
    assert found.verdict == Verdict.RED and "age_years" in found.says


def test_scores_against_business_sense_are_found(contact, monkeypatch):
    sense = CHECKS["sensitivity"].sense("contact")
    turned = {name: one | {"way": -one["way"]} for name, one in sense.items()}
    monkeypatch.setattr(CHECKS["sensitivity"], "sense", lambda model: turned)
    found = verdict("sensitivity", contact)
    assert found.verdict != Verdict.GREEN and "right_parties" in found.says


def test_a_weak_spot_is_found_and_named(contact):
    weak = ((contact.frame["channel"] == "call") & (contact.frame["age_years"] > 45)).fill_null(False).to_numpy()
    found = verdict("weak_spots", scored(contact, np.where(weak, 0.25, 1.0) * contact.scores))
    assert found.verdict == Verdict.RED and ("channel is call" in found.says or "age_years" in found.says)


def test_looking_at_many_slices_raises_few_false_alarms(contact):
    """Outcomes drawn from the scores themselves: nothing is wrong anywhere. The rate stated is 5 %."""
    alarms = 0
    for seed in range(6):
        drawn = (np.random.default_rng(seed).random(len(contact.scores)) < contact.scores).astype(float)
        innocent = replace(contact, table=contact.table.with_columns(realised=pl.Series(drawn)))
        alarms += verdict("weak_spots", innocent).verdict != Verdict.GREEN
    assert alarms <= 1


def test_a_group_that_is_misjudged_is_named_and_an_unknown_one_is_said(contact):
    assert verdict("fairness", contact).verdict == Verdict.GREEN
    women = (contact.people["sex"] == "female").to_numpy()
    found = verdict("fairness", scored(contact, np.where(women, 0.4, 1.0) * contact.scores))
    assert found.verdict == Verdict.RED and "sex female" in found.says
    costs = found.tables[1].rows
    assert [row[0] for row in costs] == ["age band", "region", "sex"]
    nobody = contact.people.with_columns(pl.lit(None, pl.String).alias(name) for name in contact.people.columns)
    unknown = verdict("fairness", replace(contact, people=nobody))
    assert unknown.verdict == Verdict.NOT_APPLICABLE and "sex" in unknown.says


def test_a_jumpy_model_and_a_feed_leant_on_are_found(contact, monkeypatch):
    monkeypatch.setattr(CHECKS["robustness"], "NOISE", 5.0)
    assert verdict("robustness", contact).verdict == Verdict.RED


def test_a_better_method_is_named(contact):
    better = contact.metrics["contact"] | {"log_loss": 0.1}
    found = verdict("benchmark", replace(contact, metrics=contact.metrics | {"oracle": better}))
    assert found.verdict == Verdict.RED and "oracle" in found.says


def test_reasons_that_disagree_with_the_truth_are_found(contact):
    card = contact.package.card
    quick = replace(card, parameters=card.parameters | {"iterations": 60})
    version = replace(contact.version, package=replace(contact.package, card=quick))
    dealt = replace(contact, version=version, truth=RNG.permutation(contact.truth))
    assert verdict("concept", dealt).verdict == Verdict.RED
    assert verdict("concept", replace(contact, truth=None)).verdict == Verdict.NOT_APPLICABLE


def test_another_model_than_training_gives_is_found(contact, monkeypatch):
    monkeypatch.setattr("training.job.fit", lambda *given: contact.tested)
    same = replace(contact.package.card, code=code_revision())
    here = replace(contact, version=replace(contact.version, package=replace(contact.package, card=same)))
    assert verdict("reproducibility", here).verdict == Verdict.RED
    grown = verdict("reproducibility", replace(here, lake="another"))
    assert grown.verdict == Verdict.AMBER and "lake is another" in grown.says


def test_intervals_of_recovery_are_counted(recovery):
    held = verdict("interval_coverage", recovery)
    assert held.verdict != Verdict.RED and 0.85 < held.figures["covered"] <= 1.0
    short = recovery.table.with_columns(upper=pl.col("score"))
    assert verdict("interval_coverage", replace(recovery, table=short)).verdict == Verdict.RED


@pytest.mark.parametrize("check", ["calibration", "calibration_by_part", "discrimination", "fairness", "sensitivity"])
def test_checks_hold_for_rates_as_for_chances(recovery, check):
    found = verdict(check, recovery)
    assert found.verdict in tuple(Verdict) and found.says.endswith(".") and found.plots
    if check == "sensitivity":
        assert found.figures["broken_promises"] == 0


def test_a_truth_of_another_world_is_refused(contact, truth, tmp_path):
    with pytest.raises(RecoupError, match="not the truth folder"):
        truths.expected(tmp_path, contact.learner.rows, "contact")
    with pytest.raises(RecoupError, match="of another world"):
        truths.expected(truth, contact.learner.rows.with_columns(entity=pl.lit("nobody's")), "contact")


def test_a_version_that_there_is_not_is_refused(worked):
    with pytest.raises(RecoupError, match="recoup train contact"):
        validate(worked, "contact", "99")


def test_intervals_hold_and_many_tests_are_paid_for():
    """The mean of clustered rows: a 95 % interval holds it in most worlds, one that ignores clusters does not."""
    held = {True: 0, False: 0}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        values = np.repeat(rng.standard_normal(40), 10) + 0.1 * rng.standard_normal(400)
        for clustered in held:
            cluster = np.repeat(np.arange(40), 10) if clustered else np.arange(400)
            low, high = interval(lambda rows, values=values: float(values[rows].mean()), cluster)
            held[clustered] += low <= 0 <= high
    assert held[True] >= 50 > 45 > held[False]
    assert (holm(np.full(20, 0.01)) >= 0.05).all() and holm(np.array([0.001, 0.9]))[0] < 0.05
