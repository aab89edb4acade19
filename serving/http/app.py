"""A service as a Starlette application: health, metrics and OpenAPI, and its operations behind the gate."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from features import home as homes
from serving.access.identity import Callers
from serving.http import limits, openapi, problems
from serving.http.direct import Direct
from serving.http.gate import Gate
from serving.http.line import Line
from serving.http.loading import Loading, MakesAnswers
from serving.http.metrics import Measured, metrics
from serving.http.operation import JSON, Operation
from serving.http.problems import Problem
from serving.http.rates import Rates
from serving.http.room import Room


@dataclass(frozen=True)
class Service:
    """What one service is.

    Attributes
    ----------
    title, about : str
    model : str
        Whose versions it serves: ``recovery`` or ``contact``.
    answers : callable
        Makes what answers questions by a version, of home, package, label and role.
    operations : tuple of Operation
    beside : callable
        What runs beside the answers for as long as the service does.
    """

    title: str
    about: str
    model: str
    answers: MakesAnswers
    operations: tuple[Operation, ...]
    beside: Callable[[], AbstractAsyncContextManager[Any]] = nullcontext


def create(service: Service) -> Starlette:
    """Return the application of a service.

    Raises
    ------
    RecoupError
        When nobody could ask: there is no key at all; or a limit makes no sense.
    """
    callers, limit = Callers(homes.current()), limits.from_environment()
    loading: Loading[Any] = Loading(service.model, service.answers)
    line = Line(limit.waiting, limit.answer_seconds, loading.answer)
    described = orjson.dumps(openapi.document(service.title, service.about, service.operations))

    async def alive(_: Request) -> Response:
        return Response(status_code=200)

    async def ready(_: Request) -> Response:
        await loading.check()
        return Response(status_code=200)

    async def description(_: Request) -> Response:
        return Response(described, media_type=JSON)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with loading, service.beside():
            yield

    app = Starlette(
        routes=[
            *[operation.route() for operation in service.operations],
            Route("/healthz", alive),
            Route("/livez", alive),
            Route("/readyz", ready),
            Route("/metrics", metrics),
            Route("/openapi.json", description),
        ],
        middleware=[
            Middleware(Measured),
            Middleware(Room, line=line, operations=service.operations),
            Middleware(Gate, callers=callers, rates=Rates(limit.key_rate)),
            Middleware(Direct, operations=service.operations),
        ],
        exception_handlers={
            Problem: problems.answer_problem,
            HTTPException: problems.answer_refusal,
            Exception: problems.answer_failure,
        },
        lifespan=lifespan,
    )
    app.state.limits, app.state.loading, app.state.line = limit, loading, line
    return app
