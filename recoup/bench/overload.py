"""A service asked at twice its capacity: does it shed what is too much, answer the rest as fast, and recover?"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np

from features.errors import RecoupError
from recoup.bench import load
from recoup.bench.load import Load, Side

_TIMES = 2.0
_WARM_SECONDS, _SECONDS = 1.0, 4.0
_CONNECTIONS = 600
_TICK_S, _PATIENCE_S = 0.001, 10.0
_SHED = (429, 503)


def measure(side: Side, at_capacity: Load, connections: int) -> dict[str, float]:
    """Ask a service at twice the rate that it can answer, at an even pace that does not wait for answers.

    As in `load.bear`, the first second does not count.

    Parameters
    ----------
    side : Side
    at_capacity : Load
        How it bore as many callers as it can answer, each waiting for its answer.
    connections : int
        How many those were.

    Returns
    -------
    dict
        ``overload_p99_ms_accepted`` of the answers, from when they were due to be asked;
        ``overload_p99_vs_capacity`` over that of the callers who wait; ``overload_shed_share`` of the requests, each
        refused with 429 or 503 and ``Retry-After``; ``overload_asked_vs_capacity``, requests a second that we
        came to send over the answers at capacity (two, unless all our connections wait);
        ``overload_answered_vs_capacity``, answers a second over them; ``overload_recovers``, the same once the
        overload is over.

    Raises
    ------
    RecoupError
        When anything else came back, or nothing.
    """
    told = asyncio.run(_ask(side, _TIMES * at_capacity.rate))
    others = {status: count for status, count in told.refused.items() if status not in _SHED}
    if others or told.bare or told.lost:
        raise RecoupError(
            f"{side.url} asked at twice its capacity: statuses {others}, {told.bare} refusals without Retry-After, "
            f"{told.lost} requests without an answer"
        )
    shed, p99_ms = sum(told.refused.values()), float(np.quantile(told.seconds, 0.99)) * 1e3
    asked = shed + len(told.seconds)
    return {
        "overload_p99_ms_accepted": p99_ms,
        "overload_p99_vs_capacity": p99_ms / at_capacity.p99_ms,
        "overload_shed_share": shed / asked,
        "overload_asked_vs_capacity": asked / _SECONDS / at_capacity.rate,
        "overload_answered_vs_capacity": len(told.seconds) / _SECONDS / at_capacity.rate,
        "overload_recovers": load.bear(side, connections).rate / at_capacity.rate,
    }


@dataclass
class _Told:
    """What came back: seconds of each answer, refusals by status, those without ``Retry-After``, requests lost.

    What was due before it ``counts`` is not among them, but for statuses that must never come.
    """

    counts: float = 0.0
    seconds: list[float] = field(default_factory=list)
    refused: dict[int, int] = field(default_factory=dict)
    bare: int = 0
    lost: int = 0


async def _ask(side: Side, rate: float) -> _Told:
    """Send requests at a rate (a second), each on a connection on which none is awaited."""
    told, idle, requests = _Told(), deque[_Caller](), _requests(side)
    loop, callers = asyncio.get_running_loop(), []
    for _ in range(_CONNECTIONS):
        _, caller = await loop.create_connection(lambda: _Caller(told, idle), *_place(side))
        callers.append(caller)
    begin, sent = time.perf_counter(), 0
    told.counts = begin + _WARM_SECONDS
    while (now := time.perf_counter()) < told.counts + _SECONDS:
        for number in range(sent, int((now - begin) * rate)):
            if idle:
                idle.popleft().ask(requests[number % len(requests)], begin + number / rate)
            sent = number + 1
        await asyncio.sleep(_TICK_S)
    end = time.perf_counter() + _PATIENCE_S
    while len(idle) < len(callers) and time.perf_counter() < end:
        await asyncio.sleep(_TICK_S)
    told.lost += len(callers) - len(idle)
    for caller in callers:
        caller.close()
    return told


def _place(side: Side) -> tuple[str, int]:
    where = urlsplit(side.url)
    return where.hostname or "", where.port or 80


def _requests(side: Side) -> list[bytes]:
    """Return the requests of a side as they are sent."""
    where, made = urlsplit(side.url), []
    head = "".join(f"{name}: {value}\r\n" for name, value in side.headers.items())
    for body in side.bodies.read_bytes().splitlines():
        first = f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\n{head}Content-Length: {len(body)}\r\n\r\n"
        made.append(first.encode() + body)
    return made


class _Caller(asyncio.Protocol):
    """One connection; it is idle again when an answer came whole."""

    def __init__(self, told: _Told, idle: "deque[_Caller]"):
        self._told, self._idle = told, idle
        self._came, self._due = b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready to ask."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._idle.append(self)

    def ask(self, request: bytes, due: float) -> None:
        """Send a request that was due at a moment."""
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Note an answer when its last byte came."""
        self._came += data
        head, ended, body = self._came.partition(b"\r\n\r\n")
        if not ended:
            return
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if len(body) < int(fields[b"content-length"]):
            return
        status, self._came = int(head[9:12]), b""
        if status != 200:
            self._told.bare += b"retry-after" not in fields
        if self._due >= self._told.counts or status not in (200, *_SHED):
            self._count(status)
        self._idle.append(self)

    def _count(self, status: int) -> None:
        if status == 200:
            self._told.seconds.append(time.perf_counter() - self._due)
        else:
            self._told.refused[status] = self._told.refused.get(status, 0) + 1

    def close(self) -> None:
        """Hang up."""
        self._transport.close()
