"""Bad days on the real thing, under load: no wrong score, every answer or refusal says why, and service comes back.

What a loan is worth is asked while all is well; from then on an answer is that to the bit, or a refusal.
"""

import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx
import psutil
import pytest

from features.errors import RecoupError
from features.store import FeatureDoor
from serving import bento, server
from serving.journal import verification
from serving.refusals import TooEarly
from serving.scoring import require_standing
from tests.serving.load import journalled, under_load
from training import registry

KEY = "a key for the tests' services"
UNTIL = datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)
BODY = {"moment": "2025-12-31T23:59:59Z"}
LOANS = [f"L{number:07d}" for number in range(1, 31)]
_REFUSALS = 20
HEADERS = {"Authorization": f"Bearer {KEY}"}


class Served:
    """A service, and what its loans are worth while all is well."""

    def __init__(self, home, url, process):
        self.home, self.url, self.process = home, url, process
        self.worth = {loan["loan_id"]: worth(loan) for loan in self.ask(LOANS).json()["loans"]}

    def ask(self, loans, **fields):
        return httpx.post(f"{self.url}/price", json=BODY | {"loan_ids": loans} | fields, headers=HEADERS, timeout=60)

    def workers(self):
        found = [child for child in self.process.children() if child.status() != psutil.STATUS_ZOMBIE]
        return [child for child in found if "_bentoml_impl.worker.service" in child.cmdline()]

    @contextmanager
    def bad_day(self, status=503):
        """Load the service; what is answered must be right, and after the block right answers come back."""
        with under_load(self.url, KEY, BODY, LOANS) as load:
            load.wait_until(lambda entry: entry[2] == 200)
            yield load
            load.wait_until(lambda entry: entry[2] == 200)
        for _, loan, got, body in load.seen:
            assert got in (200, status), body
            if got == 200:
                assert worth(body["loans"][0]) == self.worth[loan] and body["loans"][0]["stale"] == {}
            elif got:
                assert body["status"] == got and body["detail"], body

    def refused(self, load):
        """Wait until every worker refuses; return why, as the service says itself."""
        *_, body = load.wait_until(lambda entry: entry[2] == 503)
        refused = count(1)
        load.wait_until(lambda entry: entry[2] == 503 and next(refused) == _REFUSALS)
        answer = self.ask(LOANS[:1])
        assert answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
        assert answer.headers["Content-Type"] == "application/problem+json"
        return body["detail"]


def worth(loan):
    return [loan[name] for name in ("owed", "recovery_rate", "recovery_rate_upper", "price", "base_effect")]


@contextmanager
def serving(home, workers):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOUP_API_KEY", KEY)
        patch.setenv("RECOUP_WORKERS", str(workers))
        tag = bento.build(home, registry.load(home, "recovery"))
        before = set(psutil.Process().children())
        with server.running(home, tag, server.free_port()) as url:
            (process,) = set(psutil.Process().children()) - before
            yield Served(home, url, process)


@pytest.fixture(scope="module")
def served(another_home):
    """Two workers on the embedded profile."""
    with serving(another_home(), workers=2) as found:
        yield found


class RedisServer:
    """A Redis server of one's own, which keeps its data through a kill."""

    def __init__(self, folder):
        self.folder, self.port = folder, server.free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self):
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        self.process = subprocess.Popen(
            [*command, "--save", "", "--appendonly", "yes"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("the Redis server does not start")

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def on_redis(another_home, tmp_path_factory):
    """One worker whose online store is on Redis; gives the service and the Redis server."""
    if "RECOUP_TEST_REDIS" not in os.environ or not shutil.which("redis-server"):
        pytest.skip("no Redis server; `.ci/servers make test` has one")
    redis = RedisServer(tmp_path_factory.mktemp("redis"))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RECOUP_ONLINE_STORE", redis.url)
            home = another_home()
            FeatureDoor(home).refresh()
            FeatureDoor(home).materialize(UNTIL)
            with serving(home, workers=1) as found:
                yield found, redis
    finally:
        redis.kill()


def test_the_store_cannot_be_read(served):
    store = served.home.feast / "packed.db"
    away = store.with_suffix(".away")
    with served.bad_day() as load:
        store.rename(away)
        store.write_bytes(b"not a database" * 1000)
        assert "cannot be read" in served.refused(load)
        away.rename(store)


def test_a_mart_is_lost_and_materialized_anew(served):
    store = served.home.feast / "packed.db"
    with served.bad_day() as load:
        with sqlite3.connect(store) as database:
            database.execute("DROP TABLE view_financial")
        database.close()
        assert "view_financial" in served.refused(load)
        FeatureDoor(served.home).materialize(UNTIL)


def test_a_bit_of_a_row_flips(served):
    def put(row):
        with sqlite3.connect(store) as database:
            database.execute("UPDATE view_asset SET row = ? WHERE key = ?", (row, LOANS[0]))
        database.close()

    store = served.home.feast / "packed.db"
    with sqlite3.connect(store) as database:
        (sound,) = database.execute("SELECT row FROM view_asset WHERE key = ?", LOANS[:1]).fetchone()
    database.close()
    with served.bad_day() as load:
        put(sound[:40] + bytes([sound[40] ^ 1]) + sound[41:])
        refused = served.ask(LOANS[:1])
        assert refused.status_code == 503 and "damaged" in refused.json()["detail"]
        load.wait_until(lambda entry: entry[2] == 503 and entry[1] == LOANS[0])
        put(sound)
        load.wait_until(lambda entry: entry[2] == 200 and entry[1] == LOANS[0])


def test_the_disk_is_full(served):
    def fill(limit):
        for worker in served.workers():
            resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    with served.bad_day() as load:
        fill(0)
        assert "journal" in served.refused(load)
        fill(resource.RLIM_INFINITY)
    every_answer_is_journalled(served, load)


def test_a_worker_is_killed(served):
    victim, *_ = workers = served.workers()
    assert len(workers) == 2
    with served.bad_day(status=0) as load:  # what it was answering when it died has no answer
        victim.send_signal(signal.SIGKILL)
        died = time.monotonic()
        end = died + 60
        while len(ready := served.workers()) < 2 or victim.pid in [worker.pid for worker in ready]:
            assert time.monotonic() < end, ready
            time.sleep(0.1)
    assert sum(status == 0 for _, _, status, _ in load.seen) <= 4
    assert [entry for entry in load.seen if entry[2] == 200 and entry[0] > died]
    every_answer_is_journalled(served, load)


def test_the_moment_is_before_what_is_known_or_long_after(served):
    early = served.ask(LOANS[:2], moment="2015-01-01T00:00:00Z")
    assert early.status_code == 422 and early.json()["errors"][0]["pointer"] == "#/moment"
    late = served.ask(LOANS[:2], moment="2026-06-30T00:00:00Z")
    assert late.status_code == 200
    for loan in late.json()["loans"]:
        assert loan["stale"]["asset"].startswith("2025-12-31T23:59:59")


def test_the_clock_is_behind_what_is_known():
    """The machine's clock cannot be turned back for one test; what is refused then can."""
    known, behind = {"asset": "2025-11-30T00:00:00+00:00"}, datetime(2025, 11, 29, 23, 59, 59, tzinfo=UTC)
    require_standing(None, behind + timedelta(seconds=1), known)
    with pytest.raises(RecoupError, match="set the clock") as refused:
        require_standing(None, behind, known)
    assert not isinstance(refused.value, TooEarly)


def test_redis_is_killed(on_redis):
    served, redis = on_redis
    with served.bad_day() as load:
        redis.kill()
        assert "does not answer" in served.refused(load)
        redis.start()


def test_redis_is_slow(on_redis):
    served, redis = on_redis
    with served.bad_day() as load:
        redis.process.send_signal(signal.SIGSTOP)
        try:
            assert "does not answer" in served.refused(load)
            assert httpx.get(f"{served.url}/livez", timeout=5).status_code == 200
        finally:
            redis.process.send_signal(signal.SIGCONT)


def test_redis_loses_a_mart(on_redis):
    from redis import Redis

    served, redis = on_redis
    client = Redis.from_url(redis.url)
    with served.bad_day() as load:
        client.delete(*client.scan_iter("*:financial:*"))
        assert "lost its financial" in served.refused(load)
        FeatureDoor(served.home).materialize(UNTIL)


def every_answer_is_journalled(served, load):
    records = journalled(served.home)
    answered = [body["loans"][0] for _, _, status, body in load.seen if status == 200]
    assert answered and {loan["decision_id"] for loan in answered} <= set(records)
    assert verification.verify(served.home).faults == []
