"""What the services tell Prometheus: answers by route and status, and how long they took."""

import os
import time
from functools import lru_cache

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ANSWERS = Counter("recoup_answers", "Answers by route, method and status", ["route", "method", "status"])
SECONDS = Histogram(
    "recoup_answer_seconds",
    "Time from the request to the end of its answer",
    ["route"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
)


class Measured:
    """ASGI middleware that counts and times answers."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, started = 500, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            # a path that no route has would make a series of its own for every caller's invention
            route = getattr(scope.get("route"), "path", "none")
            count, seconds = _series(route, scope["method"], status)
            count.inc()
            seconds.observe(time.perf_counter() - started)


@lru_cache(maxsize=1024)
def _series(route: str, method: str, status: int) -> tuple[Counter, Histogram]:
    """Return where an answer is counted and timed: looking it up by its labels takes longer than counting."""
    return ANSWERS.labels(route, method, status), SECONDS.labels(route)


async def metrics(_: Request) -> Response:
    """Answer the metrics of all workers in Prometheus' text format."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
