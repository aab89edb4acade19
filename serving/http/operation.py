"""An operation of a service, declared once: its route and its OpenAPI entry are both made from it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.http import gate, problems
from serving.http.problems import Problem

JSON = "application/json"
Handler = Callable[[Request], Awaitable[Response]]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Parameter:
    """A parameter of an operation; ``schema`` is JSON Schema, ``place`` is ``path`` or ``query``."""

    name: str
    place: str
    about: str
    schema: dict[str, Any]
    example: str
    required: bool = True
    json: bool = False


@dataclass(frozen=True)
class Operation:
    """One thing that a service does.

    Attributes
    ----------
    name, method, path, about : str
        How it is called, and what it is for.
    scope : str
        What a key must open.
    handler : callable
        Answers a request whose key was checked.
    asked : pydantic model or dict
        The body: a model, or media types with what they hold; nothing for none.
    answered : pydantic model or dict
        Likewise for the answer.
    status : int
        Of the answer.
    refused : dict of int to str
        Further statuses, and when they are answered.
    queues : bool
        Whether who asks takes a place in the worker's line.
    """

    name: str
    method: str
    path: str
    scope: str
    about: str
    handler: Handler
    answered: type[BaseModel] | dict[str, str]
    asked: type[BaseModel] | dict[str, str] | None = None
    parameters: tuple[Parameter, ...] = ()
    status: int = 200
    refused: dict[int, str] = field(default_factory=dict)
    queues: bool = False

    def route(self) -> Route:
        """Return the route that checks the key's scope and answers."""

        async def endpoint(request: Request) -> Response:
            gate.require(request, self.scope)
            return await self.handler(request)

        return Route(self.path, endpoint, methods=[self.method], name=self.name)


def answered(content: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a model as a JSON answer; floats read back to the same bits."""
    return Response(orjson.dumps(content, default=_fields), status, headers=headers, media_type=JSON)


def _fields(model: BaseModel) -> dict[str, Any]:
    """Return a model's fields as they are: `model_dump` would copy them first."""
    return model.__dict__


async def asked(request: Request, model: type[Model], limit: int) -> Model:
    """Read a request's body.

    Raises
    ------
    Problem
        413 for a body beyond the limit (bytes), 415 for one that is not JSON, 422 for a field that is wrong.
    """
    require_type(request, (JSON,))
    arriving, parts = Arriving(request, limit), []
    while (part := await arriving.part()) is not None:  # `body` is a generator, which the loop has to look after
        parts.append(part)
    try:
        return model.model_validate_json(b"".join(parts))
    except ValidationError as error:
        raise problems.invalid(error) from error


def require_type(request: Request, accepted: tuple[str, ...]) -> None:
    """Refuse a body of a media type that is not accepted.

    Raises
    ------
    Problem
        415.
    """
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in accepted:
        raise problems.at(415, "Content-Type", f"send {' or '.join(accepted)}")


async def body(request: Request, limit: int) -> AsyncIterator[bytes]:
    """Yield a body in parts, as it comes in; raises as `Arriving.part`."""
    arriving = Arriving(request, limit)
    while (part := await arriving.part()) is not None:
        yield part


class Arriving:
    """A body that comes in part by part.

    Raises
    ------
    Problem
        413 when its length is told, and beyond the limit (bytes).
    """

    def __init__(self, request: Request, limit: int):
        given = request.headers.get("content-length", "")
        self._told = int(given) if given.isdecimal() else -1
        self._receive, self._seconds = request.receive, request.app.state.limits.body_seconds
        self._limit, self._length, self._ended = limit, 0, False
        self._require_small(self._told)

    async def part(self) -> bytes | None:
        """Return the next part; None after the last.

        Raises
        ------
        Problem
            413 when the body is longer than the limit, 408 when the part does not come in time, 400 when the caller
            goes away before the end.
        """
        if self._ended:
            return None
        try:
            async with asyncio.timeout(self._seconds):
                message = await self._receive()
        except TimeoutError as error:
            detail = f"the body did not go on for {self._seconds:g} seconds"
            raise Problem(408, detail, headers={"Connection": "close"}) from error
        if message["type"] == "http.disconnect":
            raise Problem(400, "the body ended before its end")
        part = message.get("body", b"")
        self._length += len(part)
        self._require_small(self._length)
        self._ended = not message.get("more_body", False) or self._length == self._told  # its end need not be awaited
        return part

    def _require_small(self, length: int) -> None:
        if length > self._limit:
            raise Problem(413, f"the body is larger than the {self._limit:,} bytes that this service takes")
