"""A service of the server profile whose journal is in PostgreSQL: what it answered is there, whatever happens."""

import json
import os
import signal
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import psutil
import psycopg
import pytest

from features.store import FeatureDoor
from serving import bento, server
from serving.journal import Journal
from serving.journal.verification import verify
from tests import servers
from tests.serving.journals import Rows, kept_in
from tests.serving.load import under_load
from training import registry

KEY = "a key for the tests' services"
UNTIL = datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)
BODY = {"moment": "2025-12-31T23:59:59Z"}
LOANS = [f"L{number:07d}" for number in range(1, 31)]


class Served:
    """A service with two workers, and its journal."""

    def __init__(self, home, url, process):
        self.home, self.url, self.process, self.journal = home, url, process, Rows(home)
        self.database = self.journal.url.rpartition("/")[2]

    def workers(self):
        living = (child for child in self.process.children() if child.status() != psutil.STATUS_ZOMBIE)
        return [child for child in living if "_bentoml_impl.worker.service" in child.cmdline()]

    def writing(self):
        """Return the sessions that write the journal, the server's process and our port: each locks its own file."""
        return set(self.journal.ask(
            "SELECT pid, client_port FROM journal.files JOIN pg_locks "
            "ON (classid::bigint << 32) | objid::bigint = hashtextextended(name, 0) "
            "JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory'"
        ))  # fmt: skip

    def ports(self):
        return {used.laddr.port for worker in self.workers() for used in worker.net_connections("tcp")}

    @contextmanager
    def bad_day(self, least=1):
        """Load the service; what it answered must be in the journal, and after the block it answers again."""
        with under_load(self.url, KEY, BODY, LOANS) as load:
            load.wait_until(lambda entry: entry[2] == 200)
            yield load
            load.wait_until(lambda entry: entry[2] == 200)
        assert {status for _, _, status, _ in load.seen} <= {0, 200, 503}
        answered = [body["loans"][0]["decision_id"] for _, _, status, body in load.seen if status == 200]
        lines = (json.loads(line) for name in self.journal.names() for line in self.journal.lines(name))
        assert len(answered) >= least and set(answered) <= {line.get("decision_id") for line in lines}
        assert verify(self.home).faults == []


@pytest.fixture(scope="module")
def served(worked, another_home):
    registered, home = registry.load(worked, "recovery"), another_home()
    with kept_in("postgres"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOUP_API_KEY", KEY)
        patch.setenv("RECOUP_WORKERS", "2")
        FeatureDoor(home).refresh()
        FeatureDoor(home).materialize(UNTIL)
        tag, before = bento.build(home, registered), set(psutil.Process().children())
        with server.running(home, tag, server.free_port()) as url:
            (process,) = set(psutil.Process().children()) - before
            yield Served(home, url, process)


def test_killed_workers_lose_no_decision_that_was_answered(served):
    with served.bad_day(least=100) as load:
        for _ in range(2):
            for worker in served.workers():
                worker.kill()
            load.wait_until(lambda entry: entry[2] == 200)
        load.wait_until(lambda _: len(load.seen) > 150)
    decision_id = load.seen[0][3]["loans"][0]["decision_id"]
    assert Journal(served.home).find(decision_id)["subject"] == load.seen[0][1]


def test_the_server_is_down_and_comes_back(served):
    with (
        psycopg.connect(servers.address("RECOUP_TEST_POSTGRES"), autocommit=True) as postgres,
        served.bad_day() as load,
    ):
        postgres.execute(f"ALTER DATABASE {served.database} WITH ALLOW_CONNECTIONS false")
        try:
            postgres.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [served.database]
            )
            for _ in range(20):
                load.wait_until(lambda entry: entry[2] == 503)
            refused = httpx.post(
                f"{served.url}/price", json=BODY | {"loan_ids": LOANS[:1]}, headers={"Authorization": f"Bearer {KEY}"}
            )
            assert refused.status_code == 503 and int(refused.headers["Retry-After"]) > 0
            assert "PostgreSQL" in refused.json()["detail"]
            assert httpx.get(f"{served.url}/readyz").status_code == 503
            assert httpx.get(f"{served.url}/livez").status_code == 200
        finally:
            postgres.execute(f"ALTER DATABASE {served.database} WITH ALLOW_CONNECTIONS true")


def test_sessions_that_stall_are_given_up_and_do_no_harm_later(served):
    with served.bad_day() as load:
        stalled = served.writing()
        assert {port for _, port in stalled} & served.ports()
        try:
            for pid, _ in stalled:
                os.kill(pid, signal.SIGSTOP)
            load.wait_until(lambda _: not {port for _, port in stalled} & served.ports())
        finally:
            for pid, _ in stalled:
                os.kill(pid, signal.SIGCONT)
    deadline = time.monotonic() + 30  # a session that goes on has to notice first that nobody is there
    while stalled & served.writing():
        assert time.monotonic() < deadline
        time.sleep(0.1)
