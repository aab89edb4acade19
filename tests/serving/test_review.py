"""The reviewer's page: one decision, all that it rests on, and that it can be made again."""

import asyncio
from datetime import UTC, datetime

import httpx
import pytest

from features.errors import RecoupError
from serving import turn
from serving.access.keys import KeyRing
from serving.http.app import create
from serving.journal import Journal
from serving.pricing.answers import Pricing
from serving.pricing.application import SERVICE as PRICING
from serving.review.page import render, review
from serving.schemas import PriceRequest
from training import registry

MOMENT = datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.fixture(scope="module")
def decision(worked):
    version = registry.load(worked, "recovery")
    pricing = Pricing(worked, version.package.rows, version.label)
    (priced,) = turn.alone(pricing.price, PriceRequest(loan_ids=["L0000007"], moment=MOMENT)).loans
    return priced.decision_id


def test_the_page_holds_inputs_sources_times_model_and_replay(worked, decision):
    found, page = review(worked, decision), render(worked, decision)
    record, package = Journal(worked).find(decision), registry.load(worked, "recovery").package
    assert found["replayed"] == {"score": record["score"], "same": True} and "equal to the bit" in page
    assert {row["input"]: row["value"] for row in found["inputs"]} == record["features"]
    assert sorted(row["contribution"] for row in found["inputs"]) == sorted(record["contributions"])
    for row in found["inputs"]:
        assert row["input"] in page and row["feeds"]
        assert row["known_at"] == record["known_at"].get(row["view"], "")
    assert any(row["known_at"] for row in found["inputs"])
    assert package.fingerprint in page and package.card.lake in page
    assert "http" not in page.replace("http-equiv", "")


def test_validation_is_shown_or_said_to_be_missing(worked, decision):
    pack = registry.pack(worked, registry.load(worked, "recovery"))
    page = render(worked, decision)
    assert ("never validated" in page) == (pack is None)
    assert "exception signed by" in page


def test_the_page_is_served_to_who_may_explain_and_to_nobody_else(worked, decision, monkeypatch):
    monkeypatch.setenv("RECOUP_HOME", str(worked.root))
    ring = KeyRing(worked)
    made = {scope: ring.make([scope], None) for scope in ("explain", "price")}

    def ask(decision_id, scope):
        async def answered():
            transport = httpx.ASGITransport(create(PRICING))
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
                headers = {"Authorization": f"Bearer {made[scope][1]}"}
                return await client.get(f"/decisions/{decision_id}", headers=headers)

        return asyncio.run(answered())

    refused, unknown = ask(decision, "price"), ask("20200101-nothing", "explain")
    found = ask(decision, "explain")
    for key, _ in made.values():
        ring.revoke(key.id)
    assert (refused.status_code, unknown.status_code) == (403, 404)
    assert found.status_code == 200 and found.headers["content-type"].startswith("text/html")
    assert "equal to the bit" in found.text and decision in found.text


def test_what_differs_is_shown_and_not_hidden(worked, decision, monkeypatch):
    record = Journal(worked).find(decision)
    monkeypatch.setattr(Journal, "find", lambda self, name: record | {"score": record["score"] + 1e-15})
    assert not review(worked, decision)["replayed"]["same"]
    assert "differs" in render(worked, decision)


def test_a_decision_that_is_no_single_score_or_is_not_there_is_refused(worked, monkeypatch):
    with pytest.raises(RecoupError, match="no decision"):
        render(worked, "20200101-nothing")
    monkeypatch.setattr(Journal, "find", lambda self, name: {"kind": "portfolio", "subject": "t"})
    with pytest.raises(RecoupError, match="no single score"):
        render(worked, "any")
