"""Both Bentos, built from the registry and served over HTTP."""

import json
from datetime import datetime, timedelta
from itertools import pairwise, product
from pathlib import Path
from uuid import uuid4

import httpx
import polars as pl
import pytest
from jsonschema import Draft202012Validator

from features.home import Home
from features.lake import Lake
from features.store import FeatureDoor
from recoup.client import Dispatch, Pricing, Refused
from serving import bento, server
from serving.access.keys import KeyRing
from serving.journal import Journal
from serving.scoring import replay
from tests.serving.described import described_client
from tests.serving.fuzzed import assert_as_described
from tests.serving.journals import kept_in
from training import registry

KEY = "a key for the tests' services"
MOMENT = "2025-12-31T23:59:59Z"
ROUTES = {
    "recovery": ("/price", {"loan_ids": ["L0000007", "L0001500"], "moment": MOMENT}),
    "contact": ("/chance", {"loan_id": "L0000007", "channel": "call", "moment": MOMENT}),
}
SCOPES = {"recovery": "price", "contact": "dispatch"}


@pytest.fixture(scope="module", params=list(product(ROUTES, ["embedded", "server"])))
def asked(request):
    """Which model is served, and on which profile."""
    return request.param


@pytest.fixture(scope="module")
def registered(asked, worked):
    return registry.load(worked, asked[0])


@pytest.fixture(scope="module")
def own(asked, registered, worked, another_home):
    """The service's home: on the server profile with rows in Redis, and marts and journal in PostgreSQL."""
    if asked[1] == "embedded":
        yield worked
        return
    home = another_home()
    with kept_in("postgres"):
        FeatureDoor(home).refresh()
        FeatureDoor(home).materialize(datetime.fromisoformat(MOMENT))
        yield home


@pytest.fixture(scope="module")
def served(asked, registered, own):
    """One service: its model's name, and a client that has the key and checks answers against the description."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOUP_API_KEY", KEY)
        patch.setenv("RECOUP_MAX_BODY_BYTES", "20000")
        tag = bento.build(own, registered)
        with (
            server.running(own, tag, server.free_port()) as url,
            described_client(url, KEY) as client,
        ):
            yield asked[0], client


def answers(name, client):
    route, body = ROUTES[name]
    response = client.post(route, json=body)
    assert response.status_code == 200, response.text
    return response.json()["loans"] if name == "recovery" else [response.json()]


def test_the_typed_client_reads_the_same(served):
    name, http = served
    made = {"recovery": Pricing, "contact": Dispatch}[name](str(http.base_url), KEY)

    def ask(loan):
        moment = datetime.fromisoformat(MOMENT)
        return made.price([loan], moment).loans[0] if name == "recovery" else made.chance(loan, moment=moment)

    with made:
        for answer in answers(name, http):
            read = ask(answer["loan_id"])
            assert read == type(read).model_validate(answer | {"decision_id": read.decision_id})
        with pytest.raises(Refused, match="404"):
            ask("L404")


def test_reasons_and_base_add_up_to_the_score(served):
    name, client = served
    for answer in answers(name, client):
        total = answer["base_effect"] + answer["other_effect"] + sum(r["effect"] for r in answer["reasons"])
        assert total == pytest.approx(answer["expected_recovery" if name == "recovery" else "chance"], abs=1e-6)
        assert len(answer["reasons"]) == 5 and all(reason["about"] for reason in answer["reasons"])


def test_a_price_comes_with_its_curve_and_intervals(served):
    name, client = served
    if name != "recovery":
        pytest.skip("the pricing service alone answers curves")
    for loan in answers(name, client):
        curve = loan["outlook"]
        assert [point["months"] for point in curve] == sorted({point["months"] for point in curve})
        assert all(0 <= point["lower"] <= point["rate"] <= point["upper"] <= 1 for point in curve)
        assert all(early["rate"] <= late["rate"] for early, late in pairwise(curve))
        ultimate = [curve[-1][side] for side in ("rate", "lower", "upper")]
        assert ultimate == [loan[f"recovery_rate{side}"] for side in ("", "_lower", "_upper")]


def test_a_decision_is_journalled_and_replays_to_the_same_bits(served, own, registered):
    name, client = served
    for answer in answers(name, client):
        record = Journal(own).find(answer["decision_id"])
        assert record["subject"] == answer["loan_id"] and record["model_version"] == answer["model_version"]
        again = replay(record, registered.package)
        assert again.same_score and again.same_contributions
        assert again.score == answer["recovery_rate" if name == "recovery" else "chance"]
        if name == "recovery":
            assert record["value"]["outlook"] == answer["outlook"]


def test_the_service_says_since_when_features_stand_and_which_are_stale(served):
    name, client = served
    route, body = ROUTES[name]
    assert answers(name, client)[0]["features_known_at"] and answers(name, client)[0]["stale"] == {}
    late = client.post(route, json=body | {"moment": "2026-03-31T00:00:00Z"}).json()
    stale = (late["loans"][0] if name == "recovery" else late)["stale"]
    assert {"asset", "contact"} <= set(stale)


def test_nothing_but_health_answers_without_a_key(served):
    name, client = served
    route, body = ROUTES[name]
    for shown in (None, "Bearer wrong", KEY, f"Basic {KEY}", "Bearer", f"Bearer {KEY} {KEY}"):
        headers = {"Authorization": shown} if shown else {}
        bare = httpx.post(f"{client.base_url}{route}", json=body, headers=headers)
        assert bare.status_code == 401 and bare.headers["WWW-Authenticate"] == "Bearer"
        assert bare.headers["Content-Type"] == "application/problem+json"
    for path in ("/openapi.json", "/metrics", "/nowhere", "/portfolio/1"):
        assert httpx.get(f"{client.base_url}{path}").status_code == 401
    for path in ("/healthz", "/livez", "/readyz"):
        assert httpx.get(f"{client.base_url}{path}").status_code == 200


def test_a_key_made_while_serving_opens_its_scope_until_it_is_revoked(served, own):
    name, client = served
    route, body = ROUTES[name]
    ring = KeyRing(own)
    (made, shown), (_, other) = ring.make([SCOPES[name]], None), ring.make(["explain"], None)

    def status(key):
        return client.post(route, json=body, headers={"Authorization": f"Bearer {key}"}).status_code

    assert (status(shown), status(other)) == (200, 403)
    ring.revoke(made.id)
    assert (status(shown), status(other)) == (401, 403)


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"surprise": 1}, "#/surprise"),
        ({"moment": "yesterday"}, "#/moment"),
        ({"moment": "2025-12-31T23:59:59"}, "#/moment"),
        ({"moment": "0001-01-01T00:00:00+14:00"}, "#/moment"),
        ({"moment": "9999-12-31T23:59:59-14:00"}, "#/moment"),
        ({"loan_ids": [], "loan_id": 7}, "#/loan_id"),
    ],
)
def test_what_does_not_fit_is_refused_by_field_without_its_value(served, wrong, pointer):
    name, client = served
    route, body = ROUTES[name]
    refused = client.post(route, json=body | wrong)
    assert refused.status_code == 422
    assert any(fault["pointer"].startswith(pointer) for fault in refused.json()["errors"])
    assert "yesterday" not in refused.text


def test_unknown_loans_are_refused_by_their_place(served):
    name, client = served
    route, body = ROUTES[name]
    unknown = {"loan_ids": ["L0000007", "L404"]} if name == "recovery" else {"loan_id": "L404"}
    refused = client.post(route, json=body | unknown)
    assert refused.status_code == 404 and "materialized" in refused.text and "L404" not in refused.text
    assert refused.json()["errors"][0]["pointer"] == ("#/loan_ids/1" if name == "recovery" else "#/loan_id")


def test_bodies_that_are_too_long_or_of_another_kind_are_refused(served):
    name, client = served
    route, body = ROUTES[name]
    long = json.dumps(body | {"padding": "x" * 20_000}).encode()
    told = client.post(route, content=long, headers={"Content-Type": "application/json"})
    streamed = client.post(route, content=iter([long]), headers={"Content-Type": "application/json"})
    assert (told.status_code, streamed.status_code) == (413, 413)
    assert client.post(route, content=json.dumps(body).encode()).status_code == 415
    broken = client.post(route, content=b'{"loan', headers={"Content-Type": "application/json"})
    assert broken.status_code == 422 and broken.json()["errors"][0]["pointer"] == "#"
    assert client.get(route).status_code == 405
    if name == "recovery":
        many = client.post(route, json=body | {"loan_ids": ["L"] * 1001})
        assert many.status_code == 422 and many.json()["errors"][0]["pointer"] == "#/loan_ids"


def test_metrics_count_answers_by_route_and_status(served):
    name, client = served
    route, body = ROUTES[name]

    def counted(status):
        want = f'recoup_answers_total{{method="POST",route="{route}",status="{status}"}} '
        found = [line for line in client.get("/metrics").text.splitlines() if line.startswith(want)]
        return float(found[0].removeprefix(want)) if found else 0.0

    before = counted(200), counted(422)
    client.post(route, json=body)
    client.post(route, json={})
    assert (counted(200), counted(422)) == (before[0] + 1, before[1] + 1)
    client.get("/made-up-path")
    assert "made-up-path" not in client.get("/metrics").text


def test_every_example_of_the_description_fits_what_it_stands_for(served):
    _, client = served
    description = client.get("/openapi.json").json()
    schemas = description["components"]["schemas"]
    shown = {name: schema["examples"][0] for name, schema in schemas.items() if "examples" in schema}
    for name, example in shown.items():
        whole = schemas[name] | {"components": {"schemas": schemas}}
        Draft202012Validator(whole).validate(example)
    for path, methods in description["paths"].items():
        held = methods.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json")
        if held:
            asked = shown[held["schema"]["$ref"].split("/")[-1]]
            others = (422,) if path == "/price_given" else ()  # its features are those of a model
            assert client.post(path, json=asked).status_code in (200, 202, 404, 409, *others)


def test_no_question_breaks_the_service_or_is_answered_otherwise_than_described(served):
    _, client = served
    assert_as_described(str(client.base_url).rstrip("/"), KEY, 10)


def test_a_bento_is_built_once_per_model_version(own, registered):
    tag = bento.build(own, registered)
    assert registered.package.fingerprint in tag
    label = json.loads((bento.path(own, tag) / "src" / "model" / "label.json").read_text())
    assert label == registered.label


@pytest.fixture
def compile_more():
    """Have a file of the kind that numba keeps beside the code when it compiles a function."""
    kept = Path(bento.__file__).parent / "__pycache__" / f"function.{uuid4().hex}.nbi"
    kept.parent.mkdir(exist_ok=True)
    yield lambda: kept.write_bytes(b"compiled")
    kept.unlink(missing_ok=True)


def test_every_home_of_a_process_keeps_its_own_bentos(own, registered, compile_more, tmp_path):
    tag = bento.build(own, registered)
    other = Home(tmp_path / "other")
    compile_more()
    assert bento.build(other, registered) == tag
    assert bento.path(other, tag).is_relative_to(other.root) and bento.path(own, tag).is_relative_to(own.root)


def test_every_answered_decision_is_in_the_journal(served, own):
    name, client = served
    given = [answer["decision_id"] for _ in range(5) for answer in answers(name, client)]
    for log in own.journal.glob("*.jsonl"):
        for line in log.read_text().splitlines():
            json.loads(line)
    assert all(Journal(own).find(decision) for decision in given)


def test_the_next_contact_is_lawful_and_explained(served, own, registered):
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
        record = Journal(own).find(slot["decision_id"])
        assert replay(record, registered.package).score == slot["chance"]
    assert all(entry["clause"] for entry in refused)
    loans = Lake(own).scan("loans").filter(pl.col("status") == "charged_off").collect()
    last = loans.sort("default_on").row(-1, named=True)
    before = last["default_on"] - timedelta(days=60)
    early = client.post("/next_contact", json={"loan_id": last["loan_id"], "moment": f"{before}T00:00:00Z"})
    assert early.status_code == 409 and early.json()["errors"][0]["pointer"] == "#/loan_id"
