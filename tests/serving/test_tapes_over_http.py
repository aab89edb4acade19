"""Tapes given to the pricing service: priced beside the answers, whatever happens to the service."""

import io
import json
import signal
import time
from contextlib import contextmanager, suppress

import httpx
import polars as pl
import psutil
import pytest

from features.errors import RecoupError
from serving import bento, server
from serving.access.keys import KeyRing
from serving.journal import Journal
from serving.pricing import tape, valuation
from serving.replay import rebuild
from serving.tasks.tasks import ENDED
from tests.serving.described import described_client
from training import registry

KEY = "a key for the tests' services"
CSV = {"Content-Type": "text/csv"}
CANONICAL = {"source": "canonical"}


class Served:
    """The pricing service, which a test may kill and start again."""

    def __init__(self, home, tag):
        self.home, self.tag, self.port = home, tag, server.free_port()
        self.log = home.reports / "serving" / "tapes.log"

    def start(self):
        self.process = server.start(self.home, self.tag, self.port, self.log)
        server.wait_ready(self.process, self.port, self.log)
        self.client = described_client(f"http://127.0.0.1:{self.port}", KEY)

    def stop(self):
        self.client.close()
        server.stop(self.process)

    def pricing(self):
        """Return the processes that price tapes."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it has just ended
                if "serving.pricing.task" in process.cmdline():
                    found.append(process)
        return found

    def kill(self):
        """Kill all of the service but the processes that price: they must end by themselves."""
        pricing = self.pricing()
        whole = psutil.Process(self.process.pid)
        rest = [process for process in [whole, *whole.children(recursive=True)] if process not in pricing]
        for process in rest:
            process.kill()
        self.process.wait()
        psutil.wait_procs(rest, timeout=30)
        self.client.close()
        return pricing


@pytest.fixture(scope="module")
def served(worked):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOUP_API_KEY", KEY)
        patch.setenv("RECOUP_MAX_TAPE_BYTES", "300000")
        patch.setenv("RECOUP_MAX_WAITING_TASKS", "2")
        found = Served(worked, bento.build(worked, registry.load(worked, "recovery")))
        found.start()
        yield found
        found.stop()


def post(served, content, headers=CSV, **query):
    return served.client.post("/portfolio", params=CANONICAL | query, content=content, headers=headers)


def until(served, task_id, *states):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        status = served.client.get(f"/portfolio/{task_id}").json()
        if status["state"] in states:
            return status
        assert status["state"] not in ENDED, status
        time.sleep(0.2)
    raise AssertionError(f"never {states}: {status}")


@contextmanager
def held(served):
    """A tape that is being priced, and stands still for as long as the block lasts."""
    task_id = post(served, b"loan_id\nL1\n").json()["task_id"]
    until(served, task_id, "running")
    while not served.pricing():
        time.sleep(0.05)
    (process,) = served.pricing()
    process.send_signal(signal.SIGSTOP)
    try:
        yield task_id
    finally:
        served.client.delete(f"/portfolio/{task_id}")


def test_a_tape_is_priced_as_by_the_command(served, worked, tape_on_offer, tmp_path):
    given = valuation.assumptions().model_copy(update={"required_return": 0.3})
    accepted = post(served, tape_on_offer.read_bytes(), assumptions=given.model_dump_json())
    assert accepted.status_code == 202 and accepted.json()["state"] == "waiting"
    place = accepted.headers["Location"]
    assert served.client.get(f"{place}/result").status_code == 409
    status = until(served, accepted.json()["task_id"], "done")
    assert status["share"] == 1 and status["attempts"] == 1 and status["steps"][-1] == "valuing"

    ours = tape.price(worked, tape_on_offer, "canonical", tmp_path / "out", given, progress=lambda line: None)
    assert served.client.get(f"{place}/result").json() == json.loads(
        (ours.prices.parent / "portfolio.json").read_text()
    )
    prices = pl.read_parquet(io.BytesIO(served.client.get(f"{place}/prices").content))
    assert prices.equals(pl.read_parquet(ours.prices))
    assert {"recovery_rate_lower", "recovery_rate_upper", "reason_1", "price"} <= set(prices.columns)
    rejected = pl.read_parquet(io.BytesIO(served.client.get(f"{place}/rejected").content))
    assert rejected.equals(pl.read_parquet(ours.prices.with_name("rejected.parquet")))
    assert served.client.delete(place).status_code == 409

    record = Journal(worked).find(status["decision_id"])
    assert (record["kind"], record["subject"]) == ("portfolio", status["task_id"])
    assert record["accepted"] == prices.height and record["assumptions"]["required_return"] == 0.3
    assert "same to the last bit" in rebuild(worked, status["decision_id"])
    kept = worked.portfolios / status["task_id"] / "tape.csv"
    kept.write_bytes(kept.read_bytes().rpartition(b"\nL")[0])
    with pytest.raises(RecoupError, match="prices differ"):
        rebuild(worked, status["decision_id"])


def test_a_parquet_tape_is_priced_while_scores_are_answered(served, tape_on_offer):
    content = io.BytesIO()
    pl.read_csv(tape_on_offer, infer_schema=False).write_parquet(content)
    headers = {"Content-Type": "application/vnd.apache.parquet"}
    task_id = post(served, content.getvalue(), headers).json()["task_id"]
    until(served, task_id, "running")
    asked = {"loan_ids": ["L0000007"], "moment": "2025-12-31T23:59:59Z"}
    assert served.client.post("/price", json=asked).status_code == 200
    assert until(served, task_id, "done")["error"] is None


@pytest.mark.parametrize(
    ("content", "said"), [(b"loan_id,balance\nL1,100\n", "tape.csv"), (b"\x00\x01 no tape \xff", "tape.csv")]
)
def test_a_bad_tape_fails_with_what_to_do_and_no_path_of_ours(served, content, said):
    task_id = post(served, content).json()["task_id"]
    status = until(served, task_id, "failed")
    assert said in status["error"] and str(served.home.root) not in status["error"]
    assert "Traceback" not in status["error"]
    assert served.client.get(f"/portfolio/{task_id}/prices").status_code == 409


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"source": "/etc/passwd"}, "source"),
        ({"source": ""}, "source"),
        ({"assumptions": "{}"}, "assumptions/required_return"),
        ({"assumptions": "no json"}, "assumptions"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_tape_is_kept(served, query, pointer):
    refused = post(served, b"loan_id\n", **query)
    assert refused.status_code == 422 and refused.json()["errors"][0]["pointer"] == pointer
    assert "passwd" not in refused.text


def test_tapes_too_large_empty_or_of_another_kind_are_refused_and_leave_nothing(served):
    kept = sorted(served.home.portfolios.iterdir())
    large = b"x" * 300_001
    assert post(served, large).status_code == 413
    assert post(served, iter([large[:200_000], large[200_000:]])).status_code == 413
    assert post(served, b"").status_code == 422
    assert post(served, b"{}", {"Content-Type": "application/json"}).status_code == 415
    assert sorted(served.home.portfolios.iterdir()) == kept


def test_a_full_queue_says_when_to_come_back_and_a_cancelled_tape_makes_room(served):
    with held(served) as first:
        second = post(served, b"loan_id\nL1\n").json()["task_id"]
        full = post(served, b"loan_id\nL1\n")
        assert full.status_code == 429 and int(full.headers["Retry-After"]) > 0
        assert served.client.get(f"/portfolio/{second}").json()["state"] == "waiting"
        assert served.client.delete(f"/portfolio/{second}").json()["state"] == "cancelled"
        third = post(served, b"loan_id\nL1\n").json()["task_id"]
        assert served.client.delete(f"/portfolio/{third}").status_code == 200
    assert served.client.get(f"/portfolio/{first}").json()["state"] == "cancelled"
    gone = time.monotonic() + 30
    while served.pricing() and time.monotonic() < gone:
        time.sleep(0.1)
    assert not served.pricing()


def test_a_task_is_seen_by_its_key_and_by_administrators_only(served):
    ring = KeyRing(served.home)
    keys = {scope: ring.make([scope], None) for scope in ("price", "dispatch")}
    keys["admin"] = ring.make(["price", "admin"], None)
    place = f"/portfolio/{post(served, b'loan_id').json()['task_id']}"

    def status(scope):
        return served.client.get(place, headers={"Authorization": f"Bearer {keys[scope][1]}"}).status_code

    assert {scope: status(scope) for scope in keys} == {"price": 404, "dispatch": 403, "admin": 200}
    for unknown in ("/portfolio/404", "/portfolio/..%2Fkeys", "/portfolio/open"):
        assert served.client.get(unknown).status_code == 404


def test_a_killed_service_prices_the_tape_after_all(served, tape_on_offer):
    """What was running runs again; what priced it has ended with the service."""
    task_id = post(served, tape_on_offer.read_bytes()).json()["task_id"]
    until(served, task_id, "running")
    while not served.pricing():
        time.sleep(0.05)
    left = served.kill()
    _, alive = psutil.wait_procs(left, timeout=30)
    assert left and not alive
    kept = json.loads((served.home.portfolios / task_id / "state.json").read_text())
    assert kept["state"] == "running"
    served.start()
    assert until(served, task_id, "done")["attempts"] == 2


def test_a_tape_whose_pricing_is_killed_twice_has_failed(served):
    with held(served) as task_id:
        for attempt in (1, 2):
            while served.client.get(f"/portfolio/{task_id}").json()["attempts"] < attempt or not served.pricing():
                time.sleep(0.05)
            for process in served.pricing():
                process.kill()
                process.wait()
        assert "killed 2 times" in until(served, task_id, "failed")["error"]


def test_a_stopped_service_takes_the_tape_up_again_without_counting(served, tape_on_offer):
    task_id = post(served, tape_on_offer.read_bytes()).json()["task_id"]
    until(served, task_id, "running")
    served.stop()
    assert json.loads((served.home.portfolios / task_id / "state.json").read_text())["state"] == "waiting"
    served.start()
    assert until(served, task_id, "done")["attempts"] == 1


def test_without_the_key_no_tape_is_taken(served):
    url = str(served.client.base_url)
    assert httpx.post(f"{url}/portfolio", params=CANONICAL, content=b"x", headers=CSV).status_code == 401
