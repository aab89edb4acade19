"""Both Bentos, built from the registry and served over HTTP."""

import json
import os
import socket

import httpx
import pytest

from features.errors import RecoupError
from serving import bento, server
from serving.journal import Journal
from serving.scoring import replay
from training import registry

KEY = "a key for the tests' services"
MOMENT = "2025-12-31T23:59:59Z"
ROUTES = {
    "recovery": ("/price", {"loan_ids": ["L0000007", "L0001500"], "moment": MOMENT}),
    "contact": ("/chance", {"loan_id": "L0000007", "channel": "call", "moment": MOMENT}),
}


@pytest.fixture(scope="module", params=list(ROUTES))
def served(request, worked):
    """One service: its model's name, its address, and a client that has the key."""
    before = os.environ.get("RECOUP_API_KEY")
    os.environ["RECOUP_API_KEY"] = KEY
    tag = bento.build(worked, registry.load(worked, request.param))
    with (
        server.running(worked, tag, server.free_port()) as url,
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as client,
    ):
        yield request.param, client
    os.environ.pop("RECOUP_API_KEY")
    if before is not None:
        os.environ["RECOUP_API_KEY"] = before


def answers(name, client):
    route, body = ROUTES[name]
    response = client.post(route, json=body)
    assert response.status_code == 200, response.text
    return response.json()["loans"] if name == "recovery" else [response.json()]


def test_reasons_and_base_add_up_to_the_score(served):
    name, client = served
    for answer in answers(name, client):
        total = answer["base_effect"] + answer["other_effect"] + sum(r["effect"] for r in answer["reasons"])
        assert total == pytest.approx(answer["expected_recovery" if name == "recovery" else "chance"], abs=1e-6)
        assert len(answer["reasons"]) == 5 and all(reason["about"] for reason in answer["reasons"])


def test_a_decision_is_journalled_and_replays_to_the_same_bits(served, worked):
    name, client = served
    for answer in answers(name, client):
        record = Journal(worked).find(answer["decision_id"])
        assert record["subject"] == answer["loan_id"] and record["model_version"] == answer["model_version"]
        again = replay(record, registry.load(worked, name).package)
        assert again.same_score and again.same_contributions
        assert again.score == answer["recovery_rate" if name == "recovery" else "chance"]


def test_the_service_says_since_when_features_stand_and_which_are_stale(served):
    name, client = served
    route, body = ROUTES[name]
    assert answers(name, client)[0]["features_known_at"] and answers(name, client)[0]["stale"] == {}
    late = client.post(route, json=body | {"moment": "2026-03-31T00:00:00Z"}).json()
    stale = (late["loans"][0] if name == "recovery" else late)["stale"]
    assert {"asset", "contact"} <= set(stale)


def test_nothing_but_health_answers_without_the_key(served):
    name, client = served
    route, body = ROUTES[name]
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": KEY}):
        bare = httpx.post(f"{client.base_url}{route}", json=body, headers=headers)
        assert bare.status_code == 401
    assert httpx.get(f"{client.base_url}/docs.json").status_code == 401
    assert httpx.get(f"{client.base_url}/readyz").status_code == 200


def test_bad_requests_name_the_field(served):
    name, client = served
    route, body = ROUTES[name]
    unknown = {"loan_ids": ["L404"]} if name == "recovery" else {"loan_id": "L404"}
    missing = client.post(route, json=body | unknown)
    assert missing.status_code == 404 and "L404" in missing.text and "materialized" in missing.text
    for wrong in ({**body, "surprise": 1}, {**body, "moment": "yesterday"}):
        refused = client.post(route, json=wrong)
        assert refused.status_code == 400
        assert ("surprise" if "surprise" in wrong else "moment") in refused.text


def test_a_bento_is_built_once_per_model_version(served, worked):
    name, _ = served
    tag = bento.build(worked, registry.load(worked, name))
    assert registry.load(worked, name).package.fingerprint in tag
    label = json.loads((bento.path(worked, tag) / "src" / "model" / "label.json").read_text())
    assert label == registry.load(worked, name).label


def test_a_killed_worker_loses_no_answered_decision(served, worked):
    name, client = served
    given = [answer["decision_id"] for _ in range(5) for answer in answers(name, client)]
    (log,) = set(worked.journal.glob("*.jsonl"))
    for line in log.read_text().splitlines():
        json.loads(line)
    assert all(Journal(worked).find(decision) for decision in given)


def test_a_port_in_use_is_refused_by_its_number(worked, monkeypatch):
    monkeypatch.setenv("RECOUP_API_KEY", KEY)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RecoupError, match=f"port {port} is in use"):
            server.serve_all(worked, {"recovery": port}, print)


def test_serving_without_a_key_is_refused(worked, monkeypatch):
    monkeypatch.delenv("RECOUP_API_KEY", raising=False)
    with pytest.raises(RecoupError, match="RECOUP_API_KEY is not set"):
        server.start(worked, "recoup_pricing:none", server.free_port(), worked.reports / "x.log")


def test_the_next_contact_is_lawful_and_explained(served, worked):
    name, client = served
    if name != "contact":
        assert client.post("/next_contact", json={}).status_code == 404
        return
    asked = {"loan_id": "L0000007", "moment": "2026-01-01T00:00:00Z", "most": 2}
    answer = client.post("/next_contact", json=asked)
    assert answer.status_code == 200, answer.text
    slots, refused = answer.json()["slots"], answer.json()["refused"]
    assert slots or refused
    assert all(8 <= slot["local_hour"] < 21 for slot in slots)
    assert [slot["net_value"] for slot in slots] == sorted((slot["net_value"] for slot in slots), reverse=True)
    for slot in slots:
        record = Journal(worked).find(slot["decision_id"])
        assert replay(record, registry.load(worked, name).package).score == slot["chance"]
    assert all(entry["clause"] for entry in refused)
