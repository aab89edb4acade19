"""The client does as the services describe themselves, and keeps its head when they do not answer."""

import asyncio
import inspect
import json
import re
import subprocess
import sys
import threading
import time
from datetime import UTC, date, datetime
from urllib.parse import parse_qs

import pytest
import uvicorn
from jsonschema import Draft202012Validator

from recoup import client
from recoup.client import answers, asynchronous, synchronous
from serving.dispatch.application import SERVICE as DISPATCH
from serving.http import openapi
from serving.pricing.application import SERVICE as PRICING
from serving.server import free_port

KEY = "a key that nobody may see"
CLIENTS = {
    ("sync", "pricing"): client.Pricing,
    ("sync", "dispatch"): client.Dispatch,
    ("async", "pricing"): client.AsyncPricing,
    ("async", "dispatch"): client.AsyncDispatch,
}
KINDS = ["sync", "async"]
DESCRIBED = {
    name: openapi.document(service.title, service.about, service.operations)
    for name, service in (("pricing", PRICING), ("dispatch", DISPATCH))
}
OPERATIONS = [
    pytest.param(name, path, method, id=operation["operationId"])
    for name, described in DESCRIBED.items()
    for path, methods in described["paths"].items()
    for method, operation in methods.items()
    if operation.get("security") != [] and path != "/metrics"  # those are for machines that watch
]
GIVEN = {
    "loan_ids": ["L1"], "loan_id": "L1", "moment": datetime(2025, 12, 31, tzinfo=UTC), "channel": "sms",
    "point_kind": "mobile", "most": 2, "source": "canonical", "assumptions": "{}", "task_id": "8b0e3f6c",
    "features": {"balance": 790.6, "product": "card", "collected_share": None},
    "currency": "USD", "reference": "T-17",
    "decision_id": "8b0e3f6c", "attempt_id": "A7", "attempted_at": datetime(2025, 12, 31, tzinfo=UTC),
    "outcome": "promise", "contact_point": f"t_{'0' * 32}", "promised_amount": 50.0, "cost": 0.6, "propensity": 0.9,
    "agency": "north", "borrower_id": "8b0e3f6c", "day": date(2026, 1, 1), "capacities": {"pools": {}},
    "placed": [{"loan_id": "L1", "agency": "north", "placed_on": date(2025, 11, 3)}],
}  # fmt: skip
TAKEN = b'{"loans": []}'
WRONG = {"title": "no", "status": 422, "detail": "it does not fit", "errors": [{"pointer": "#/moment", "detail": "?"}]}


class Scripted:
    """An application that behaves as told: (status, headers, body) by request, the last again and again."""

    def __init__(self):
        self.script, self.asked = [], []

    async def __call__(self, scope, receive, send):
        message, content = await receive(), b""
        while message.get("more_body"):
            content, message = content + message["body"], await receive()
        self.asked.append((scope, content + message.get("body", b"")))
        status, headers, body = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        told = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": told})
        await send({"type": "http.response.body", "body": body})


DROPPED = (200, {"content-length": "1000"}, TAKEN)
"""Fewer bytes than were promised: the server closes the connection."""


@pytest.fixture(scope="module")
def running():
    app, port = Scripted(), free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, lifespan="off", log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield app, f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def scripted(running):
    app, url = running
    app.asked.clear()
    return app, url


@pytest.fixture
def waits(monkeypatch):
    """Return the list of the pauses that either client makes; none of them takes time."""
    made = []

    async def awaited(seconds):
        made.append(seconds)

    monkeypatch.setattr(synchronous, "sleep", made.append)
    monkeypatch.setattr(asynchronous, "sleep", awaited)
    return made


def ask(kind, service, url, name, *given, patience=30.0):
    """Call a method of either client."""
    made = CLIENTS[kind, service](url, KEY, patience=patience)
    if kind == "sync":
        with made:
            return getattr(made, name)(*given)

    async def awaited():
        async with made:
            return await getattr(made, name)(*given)

    return asyncio.run(awaited())


def bare(schema):
    """Return a schema without what it tells its readers, and without ranges."""
    if isinstance(schema, list):
        return [bare(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    told = {"title", "description", "examples", "minimum", "maximum", "default", "additionalProperties"}
    kept = {name: bare(part) for name, part in schema.items() if name not in told or isinstance(part, dict)}
    return kept | {"properties": {name: bare(part) for name, part in schema.get("properties", {}).items()}}


def answered(described):
    """Return the names of the schemas that answers are made of."""
    schemas, found = described["components"]["schemas"], set()
    paths = [entry["responses"] for methods in described["paths"].values() for entry in methods.values()]
    named = re.findall(r"schemas/(\w+)", json.dumps(paths))
    while named:
        if (name := named.pop()) not in found:
            found.add(name)
            named += re.findall(r"schemas/(\w+)", json.dumps(schemas[name]))
    return found


def example(schemas, name):
    """Return an answer as the description shows it, by itself or in a list."""
    if "examples" in schemas[name]:
        return schemas[name]["examples"][0]
    return schemas["PriceResponse"]["examples"][0]["loans"][0]


@pytest.mark.parametrize("service", DESCRIBED)
def test_answers_are_typed_as_the_service_describes_them(service):
    schemas = DESCRIBED[service]["components"]["schemas"]
    names = answered(DESCRIBED[service])
    assert "Status" in names and names <= set(vars(answers))
    for name in names:
        ours = getattr(answers, name).model_json_schema(
            mode="serialization", ref_template="#/components/schemas/{model}"
        )
        ours.pop("$defs", None)
        assert bare(ours) == bare(schemas[name]), name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("service", "path", "method"), OPERATIONS)
def test_every_operation_is_asked_and_read_as_described(scripted, tmp_path, kind, service, path, method):
    app, url = scripted
    described = DESCRIBED[service]["components"]
    operation = DESCRIBED[service]["paths"][path][method]
    tape = tmp_path / "tape.csv"
    tape.write_text("loan_id\nL1\n")
    parameters = list(inspect.signature(getattr(CLIENTS[kind, service], operation["operationId"])).parameters)[1:]
    status = min(operation["responses"])
    schema = next(iter(operation["responses"][status]["content"].values()))["schema"]
    shown = example(described["schemas"], schema["$ref"].split("/")[-1]) if "$ref" in schema else {}
    app.script = [(int(status), {}, json.dumps(shown).encode())]
    answer = ask(kind, service, url, operation["operationId"], *[({"tape": tape} | GIVEN)[name] for name in parameters])

    scope, content = app.asked[0]
    assert scope["method"] == method.upper() and re.fullmatch(re.sub(r"{\w+}", "8b0e3f6c", path), scope["path"])
    assert dict(scope["headers"])[b"authorization"] == f"Bearer {KEY}".encode()
    queried = {one["name"] for one in operation.get("parameters", []) if one["in"] == "query"}
    assert set(parse_qs(scope["query_string"].decode())) == queried
    media = dict(scope["headers"]).get(b"content-type", b"").decode()
    held = operation.get("requestBody", {}).get("content", {})
    assert media in held or not held
    if media == "application/json":
        asked = described["schemas"][held[media]["schema"]["$ref"].split("/")[-1]]
        Draft202012Validator(asked | {"components": described}).validate(json.loads(content))
        assert set(json.loads(content)) == set(asked["properties"])
    if "$ref" in schema:
        assert answer.model_dump(mode="json", exclude_unset=True) == shown
    else:
        assert answer in ({}, b"{}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_question_is_asked_again_when_the_service_says_so(scripted, waits, kind):
    app, url = scripted
    app.script = [
        (429, {"retry-after": "3"}, b""),
        (503, {"retry-after": "Mon, 01 Jan 2024 00:00:00 GMT"}, b""),
        (503, {}, b""),
        DROPPED,
        (200, {}, TAKEN),
    ]
    assert ask(kind, "pricing", url, "price", ["L1"]).loans == []
    assert waits[:2] == [3.0, 0.0] and len(waits) == 4 and all(0 <= wait <= 0.2 for wait in waits[2:])
    assert len({content for _, content in app.asked}) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_wait_that_would_outlast_the_patience_is_not_begun(scripted, waits, kind):
    app, url = scripted
    app.script = [(429, {"retry-after": "31"}, json.dumps(WRONG | {"status": 429}).encode())]
    with pytest.raises(client.Refused) as refused:
        ask(kind, "pricing", url, "price", ["L1"])
    assert refused.value.status == 429 and waits == [] and len(app.asked) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_patience_ends(scripted, kind):
    app, url = scripted
    app.script = [DROPPED]
    with pytest.raises(client.Unreachable, match=r"/chance: no answer within 0.3 s"):
        ask(kind, "dispatch", url, "chance", "L1", patience=0.3)
    assert len(app.asked) > 1
    with pytest.raises(client.Unreachable, match="no answer within"):
        ask(kind, "dispatch", f"http://127.0.0.1:{free_port()}", "chance", "L1", patience=0.3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tape_is_sent_again_only_where_it_was_refused(scripted, waits, tmp_path, kind):
    app, url = scripted
    tape = tmp_path / "tape.csv"
    tape.write_text("loan_id\nL1\n")
    app.script = [(429, {"retry-after": "1"}, b""), DROPPED]
    with pytest.raises(client.Unreachable, match="may have arrived"):
        ask(kind, "pricing", url, "price_tape", tape)
    assert [content for _, content in app.asked] == [tape.read_bytes()] * 2 and waits == [1.0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_names_the_field(scripted, waits, kind):
    app, url = scripted
    app.script = [(422, {}, json.dumps(WRONG).encode())]
    with pytest.raises(client.Refused, match=r"POST /price: 422 no: it does not fit; #/moment") as refused:
        ask(kind, "pricing", url, "price", ["L1"])
    assert [fault.pointer for fault in refused.value.faults] == ["#/moment"]
    app.script = [(500, {}, b"<html>")]
    with pytest.raises(client.Refused, match="500"):
        ask(kind, "pricing", url, "price", ["L1"])
    app.script = [(200, {}, b"<html>")]
    with pytest.raises(client.Unreachable, match="not this service's"):
        ask(kind, "pricing", url, "price", ["L1"])
    assert waits == [] and KEY not in str(refused.value)


def test_address_and_key_come_from_the_environment(scripted, monkeypatch):
    app, url = scripted
    monkeypatch.delenv("RECOUP_API_KEY", raising=False)
    with pytest.raises(ValueError, match="RECOUP_PRICING_URL and RECOUP_API_KEY"):
        client.Pricing(url)
    monkeypatch.setenv("RECOUP_API_KEY", KEY)
    monkeypatch.setenv("RECOUP_DISPATCH_URL", url)
    app.script = [(404, {}, json.dumps(WRONG | {"status": 404}).encode())]
    with client.Dispatch() as made, pytest.raises(client.Refused):
        made.chance("L1")
    with client.Dispatch() as made, pytest.raises(ValueError, match="time zone"):
        made.chance("L1", moment=datetime(2025, 12, 31))
    assert KEY not in repr(vars(made))


def test_the_client_loads_nothing_of_the_house_but_itself():
    code = "import sys, recoup.client; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {name for name in loaded if name.split(".")[0] in ("features", "training", "serving", "monitoring")}
    assert not {"numpy", "pandas", "polars", "bentoml", "mlflow"} & set(loaded)
