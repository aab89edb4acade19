"""What a person is told of a score: understandable, complete, in two languages, and nothing about others."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from features import services
from features.errors import RecoupError
from features.marts import OURS
from features.repository import SERVICES
from serving import turn
from serving.explain import letter
from serving.journal import Journal
from serving.letters.letter import after, changes, reasons, write
from serving.letters.phrases import LANGUAGES, phrases
from serving.pricing.answers import Pricing
from serving.schemas import PriceRequest
from serving.scoring import frame_of
from training import registry

MOMENT = datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)
INPUTS = {column.name: column for name in SERVICES for column in services.columns(name)}
RIGHTS = {"disputed", "do_not_contact", "legal_status"}


@pytest.fixture(scope="module")
def decided(worked):
    """Records of 40 priced loans, and the model."""
    version = registry.load(worked, "recovery")
    loans = [f"L{number:07d}" for number in range(1, 1_500, 25)]
    known = Pricing(worked, version.package.rows, version.label)
    priced = []
    for loan in loans:
        try:
            priced += turn.alone(known.price, PriceRequest(loan_ids=[loan], moment=MOMENT)).loans
        except RecoupError:  # on offer, and not ours yet
            continue
    return [Journal(worked).find(one.decision_id) for one in priced[:40]], version.package


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_every_input_has_words_in_both_languages_or_a_reason_not_to_be_told(name):
    topics = [topic for topic in phrases().topics.values() if name in topic.inputs]
    assert len(topics) + (name in phrases().untold) == 1
    for topic in topics:
        assert all(topic.of(language).strip() for language in LANGUAGES)
        assert re.search("[\u4e00-\u9fff]", topic.zh) and not re.search("[\u4e00-\u9fff]", topic.en)


def test_what_describes_others_is_never_told():
    others = {name for name, column in INPUTS.items() if column.view in OURS}
    assert others and others <= set(phrases().untold)


def test_nobody_is_told_to_give_up_a_right_or_to_change_what_cannot_be_changed():
    for action in phrases().actions.values():
        changed = set(action.set) | set(action.add)
        assert changed and not changed & RIGHTS
        views = {column.view for column in services.columns("recovery_v1") if column.name in changed}
        assert views <= {"financial", "contact", "at_valuation"} or changed == {"has_email"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_letters_name_the_person_s_own_matters_in_plain_words(worked, decided, language):
    records, package = decided
    assert len(records) > 20
    regions = {record["features"]["debt_region"] for record in records}
    for record in records:
        text = write(record, package, "USD", language)
        assert record["subject"] in text and record["decision_id"] in text
        plain = text.replace(record["subject"], "").replace(record["decision_id"], "")
        assert not re.search(r"[a-z]+_[a-z]+|SHAP|model|\bnan\b|None|\{|\}", plain)
        assert not [name for name in regions if re.search(rf"\b{name}\b", plain)]
        told = [topic for topic, _ in reasons(record, package)[0]]
        assert [phrases().topics[topic].of(language) in text for topic in told] == [True] * len(told)


def test_reasons_are_the_contributions_and_nothing_is_lost(decided):
    records, package = decided
    for record in records:
        told, rest = reasons(record, package)
        total = sum(effect for _, effect in told) + rest
        assert total == pytest.approx(record["score"] - record["base"], abs=1e-9)
        sizes = [abs(effect) for _, effect in told]
        assert sizes == sorted(sizes, reverse=True)


def test_what_would_change_the_outcome_is_the_model_s_own_answer(decided):
    records, package = decided
    seen = set()
    for record in records:
        found = dict(changes(record, package))
        for name, action in phrases().actions.items():
            features = after(action, record["features"])
            asked = float(package.scores(frame_of(features, package))[0])
            assert (abs(asked - record["score"]) >= 0.005) == (name in found)
            assert found.get(name, asked) == asked
            left = {key for key, value in record["features"].items() if features[key] != value}
            assert left <= set(action.set) | set(action.add) | ({"collected_share"} if action.pay else set())
        seen |= set(found)
    assert seen, "no action changes anything for anybody: is the model asked at all?"


def test_a_payment_is_counted_from_what_is_still_owed():
    action = phrases().actions["pay_instalment"]
    features = {"collected_share": 0.6, "collections": None, "months_since_last_collected": 7.0}
    changed = after(action, features)
    assert changed["collected_share"] == pytest.approx(0.6 + 0.05 * 0.4)
    assert changed["collections"] == 1.0 and changed["months_since_last_collected"] == 0.0


def test_a_letter_is_a_decision_of_its_own_and_an_unknown_language_is_refused(worked, decided):
    loan = decided[0][0]["subject"]
    text = letter(worked, loan, MOMENT, "en")
    record = Journal(worked).find(re.search(r"quote (\S+)\.$", text)[1])
    assert record["subject"] == loan and f"{record['score']:.0%}"[:-1] in text.replace(".", "")
    with pytest.raises(RecoupError, match="choose one of en, zh"):
        letter(worked, loan, MOMENT, "tlh")


def test_an_input_without_words_is_refused_and_not_passed_over(decided):
    records, package = decided
    renamed = [package.card.columns[0] | {"name": "new_input"}, *package.card.columns[1:]]
    other = replace(package, card=replace(package.card, columns=renamed))
    with pytest.raises(RecoupError, match="no word for new_input"):
        reasons(records[0], other)
