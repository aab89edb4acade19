"""What came of an attempt reaches the lake once, the contact rules and the next decision's features at once."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import httpx
import polars as pl
import pytest

from features.lake import Lake
from features.online_home import tables
from features.store import FeatureDoor
from serving import turn
from serving.access.keys import KeyRing
from serving.dispatch.answers import Contacting
from serving.dispatch.application import SERVICE
from serving.http.app import create
from serving.journal import Journal
from serving.refusals import NoCase
from serving.schemas import ContactRequest, NextContactRequest
from training import registry


@pytest.fixture(scope="module")
def own(another_home):
    return another_home()


@pytest.fixture(scope="module")
def loan(own):
    """Return a case that may be called tomorrow: its id and its debtor."""
    asked = Contacting(own, registry.load(own, "contact").package.rows, "contact/1")
    known = Lake(own).scan("loans").filter(pl.col("status") == "charged_off").select("loan_id", "borrower_id")
    for loan_id, borrower in known.unique().sort("loan_id").collect().iter_rows():
        try:
            found = turn.alone(asked.next_contact, NextContactRequest(loan_id=loan_id, moment=tomorrow(), most=20))
        except NoCase:
            continue
        if any(slot.channel == "call" for slot in found.slots):
            return loan_id, borrower
    raise AssertionError("nobody may be called")


@pytest.fixture
def tell(own, monkeypatch):
    """Post outcomes; the answers' status and content."""
    monkeypatch.setenv("RECOUP_HOME", str(own.root))
    _, key = KeyRing(own).make(["dispatch"], None)

    def told(*bodies, key=key):
        async def answered():
            transport = httpx.ASGITransport(create(SERVICE))
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
                posts = [
                    client.post("/outcome", json=one, headers={"Authorization": f"Bearer {key}"}) for one in bodies
                ]
                return await asyncio.gather(*posts)

        return [(answer.status_code, answer.json()) for answer in asyncio.run(answered())]

    return told


def tomorrow():
    return datetime.now(UTC) + timedelta(days=1)


def an_outcome(loan_id, attempt_id):
    attempted = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    made = {"attempt_id": attempt_id, "loan_id": loan_id, "attempted_at": attempted, "channel": "call"}
    return made | {"outcome": "promise", "point_kind": "mobile", "promised_amount": 12.5, "propensity": 0.9}


def features(home, loan_id):
    asked = Contacting(home, registry.load(home, "contact").package.rows, "contact/1")
    answer = turn.alone(asked.chance, ContactRequest(loan_id=loan_id, moment=tomorrow()))
    return Journal(home).find(answer.decision_id)["features"]


def test_an_outcome_counts_with_the_law_and_in_features_at_once_and_as_materialized_later(own, loan, tell):
    loan_id, borrower = loan
    before = features(own, loan_id)
    ((status, answer),) = tell(an_outcome(loan_id, "now-1"))
    assert status == 200 and answer["features_known_at"] == answer["known_at"], answer
    after = features(own, loan_id)
    assert after["attempts"] == before["attempts"] + 1 and after["promises"] == before["promises"] + 1

    (row,) = Lake(own).scan("contacts").filter(pl.col("attempt_id") == "now-1").collect().to_dicts()
    assert row["borrower_id"] == borrower and row["right_party"] and row["promised_amount"] == 12.5
    assert row["source"] == "canonical" and row["propensity"] == 0.9

    asked = Contacting(own, registry.load(own, "contact").package.rows, "contact/1")
    found = turn.alone(asked.next_contact, NextContactRequest(loan_id=loan_id, moment=tomorrow(), most=20))
    assert not any(slot.channel == "call" for slot in found.slots)
    assert any("1006.14" in refusal.clause for refusal in found.refused if refusal.channel == "call")

    def packed():
        return tables(own).read(lambda sight: sight.rows({"contact": [borrower]}))

    renewed, door = packed(), FeatureDoor(own)
    door.refresh()
    door.materialize(datetime.now(UTC))
    assert packed() == renewed


def test_told_again_it_is_the_same_and_told_otherwise_it_is_refused(own, loan, tell):
    outcome = an_outcome(loan[0], "again-1")
    (first, *others), (other,) = tell(outcome, outcome, outcome), tell(outcome | {"outcome": "refused"})
    assert first[0] == 200 and all(answer == first for answer in others) and tell(outcome) == [first]
    assert other[0] == 409 and other[1]["errors"][0]["pointer"] == "#/attempt_id"
    held = Lake(own).scan("contacts").filter(pl.col("attempt_id") == "again-1").collect()
    assert held["outcome"].to_list() == ["promise"]
    told = [json.loads(line) for log in own.journal.glob("*.jsonl") for line in log.read_text().splitlines()]
    mine = [one for one in told if one.get("kind") == "outcome" and one["told"]["attempt_id"] == "again-1"]
    assert len(mine) == 4 and {one["known_at"] for one in mine} == {mine[0]["known_at"]}


def test_what_makes_no_sense_is_refused_by_field_and_leaves_nothing(own, loan, tell):
    before = Lake(own).snapshot()
    wrong = {
        "loan_id": (404, {"loan_id": "L404"}),
        "attempted_at": (422, {"attempted_at": tomorrow().isoformat()}),
        "outcome": (422, {"outcome": "went well"}),
        "contact_point": (422, {"contact_point": "+1 555 0100"}),
        "promised_amount": (422, {"promised_amount": -1}),
    }
    told = tell(*[an_outcome(loan[0], "wrong-1") | change for _, change in wrong.values()])
    for (field, (status, change)), (found, problem) in zip(wrong.items(), told, strict=True):
        assert found == status and problem["errors"][0]["pointer"] == f"#/{field}"
        assert str(change[field]) not in problem["errors"][0]["detail"]
    assert Lake(own).snapshot() == before
    _, key = KeyRing(own).make(["explain"], None)
    assert tell(an_outcome(loan[0], "wrong-2"), key=key)[0][0] == 403
