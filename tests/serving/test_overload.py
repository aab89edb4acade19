"""The bench that asks at twice the capacity counts what came back, and refuses what should not."""

import asyncio
import json
import threading
from contextlib import contextmanager

import pytest

from features.errors import RecoupError
from recoup.bench import overload
from recoup.bench.load import Load, Side
from tests import servers

CAPACITY = Load(rate=500.0, p50_ms=5.0, p99_ms=10.0)
LATE_S = 0.05


@contextmanager
def serving(*answers):
    """Answer every request with one of some heads in turn, and the loan that it asked about; gives the port."""
    loop, started, turn = asyncio.new_event_loop(), threading.Event(), iter(range(10**6))

    async def answer(reader, writer):
        while head := await reader.readuntil(b"\r\n\r\n"):
            asked = json.loads(
                await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r")[0]))
            )
            first = answers[next(turn) % len(answers)]
            body = b'{"loans":[{"loan_id":"%s"}]}' % asked["loan_ids"][0].encode()
            if first.startswith(b"200"):
                await asyncio.sleep(LATE_S)
            writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (first, len(body), body))

    async def run():
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024)
        ports.append(server.sockets[0].getsockname()[1])
        started.set()

    ports: list[int] = []
    loop.set_exception_handler(lambda *_: None)  # callers hang up
    loop.create_task(run())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        assert started.wait(10)
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Measure a service that gives some answers in turn."""
    servers.address("RECOUP_TEST_WRK")
    monkeypatch.setattr(overload, "_SECONDS", 1)
    monkeypatch.setattr(overload, "_ROUNDS", 1)
    monkeypatch.setattr(overload.load, "bear", lambda side, connections: CAPACITY)
    (tmp_path / "bodies").write_text("\n".join(f'{{"loan_ids": ["L{loan}"]}}' for loan in range(2_000)))

    def measure(*answers):
        with serving(*answers) as port:
            side = Side(f"http://127.0.0.1:{port}/price", {"Authorization": "Bearer x"}, tmp_path / "bodies")
            return overload.measure(side, 16)

    return measure


def test_shed_and_answered_are_told_apart(measured):
    told = measured(b"200 OK", b"503 No\r\nRetry-After: 1", b"200 OK", b"429 No\r\nretry-after: 1")
    assert told["shed_share"] == pytest.approx(0.5, abs=0.05)
    assert 0 < told["asked_vs_capacity"] < 2.4, "pauses of chance, over a second"
    assert told["p99_ms"] >= LATE_S * 1e3, "refusals are not among the answers"
    assert told["p99_vs_capacity"] == told["p99_ms"] / told["capacity_p99_ms"]
    assert told["waiting_p99_ms"] == CAPACITY.p99_ms and told["recovers"] == 1


@pytest.mark.parametrize("answer", [b"500 No\r\nRetry-After: 1", b"503 No", b"404 No"])
def test_what_is_no_answer_and_no_proper_refusal_ends_the_bench(measured, answer):
    with pytest.raises(RecoupError, match="times a second: "):
        measured(b"200 OK", answer)


def test_a_service_that_answers_nothing_ends_the_bench(measured):
    with pytest.raises(RecoupError, match="0 answers"):
        measured(b"503 No\r\nRetry-After: 1")
