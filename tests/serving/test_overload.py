"""The bench that asks at twice the capacity counts what came back, and refuses what should not."""

import asyncio
import threading
from contextlib import contextmanager

import pytest

from features.errors import RecoupError
from recoup.bench import overload
from recoup.bench.load import Load, Side

RATE = 200.0
AT_CAPACITY = Load(rate=RATE, p50_ms=5.0, p99_ms=10.0)


@contextmanager
def serving(*answers):
    """Answer every request with one of some heads in turn; gives the port."""
    loop, started, turn = asyncio.new_event_loop(), threading.Event(), iter(range(10**6))

    async def answer(reader, writer):
        while head := await reader.readuntil(b"\r\n\r\n"):
            assert await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])) == b"{}"
            first = answers[next(turn) % len(answers)]
            writer.write(b"HTTP/1.1 " + first + b"\r\nContent-Length: 2\r\n\r\n{")
            await writer.drain()
            writer.write(b"}")

    async def run():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
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
    monkeypatch.setattr(overload, "_SECONDS", 0.5)
    monkeypatch.setattr(overload.load, "bear", lambda side, connections: Load(0.9 * RATE, 5.0, 10.0))
    (tmp_path / "bodies").write_text("{}")

    def measure(*answers):
        with serving(*answers) as port:
            side = Side(f"http://127.0.0.1:{port}/price", {"Authorization": "Bearer x"}, tmp_path / "bodies")
            return overload.measure(side, AT_CAPACITY, 16)

    return measure


def test_shed_and_answered_are_told_apart(measured):
    told = measured(b"200 OK", b"503 No\r\nRetry-After: 1", b"200 OK", b"429 No\r\nretry-after: 1")
    assert told["overload_shed_share"] == pytest.approx(0.5, abs=0.02)
    assert 0 < told["overload_answered_vs_capacity"] <= 1.01
    assert told["overload_asked_vs_capacity"] == pytest.approx(2 * told["overload_answered_vs_capacity"], rel=0.05)
    assert told["overload_recovers"] == pytest.approx(0.9) and told["overload_p99_ms_accepted"] > 0


@pytest.mark.parametrize("answer", [b"500 No\r\nRetry-After: 1", b"503 No", b"404 No"])
def test_what_is_no_answer_and_no_proper_refusal_ends_the_bench(measured, answer):
    with pytest.raises(RecoupError, match="at twice its capacity"):
        measured(b"200 OK", answer)
