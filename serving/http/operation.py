"""An operation of a service, declared once: its route and its OpenAPI entry are both made from it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
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
    parts = [part async for part in body(request, limit)]
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
    """Yield a body in parts, as it comes in.

    Raises
    ------
    Problem
        413 when it is longer than the limit (bytes), 408 when its next part does not come in time, 400 when the
        caller goes away before its end.
    """
    given = request.headers.get("content-length", "")
    told = int(given) if given.isdecimal() else -1
    if told > limit:
        raise Problem(413, f"the body is larger than the {limit:,} bytes that this service takes")
    length, parts, seconds = 0, request.stream(), request.app.state.limits.body_seconds
    try:
        while True:
            async with asyncio.timeout(seconds):
                part = await anext(parts, None)
            if part is None:
                return
            length += len(part)
            if length > limit:
                raise Problem(413, f"the body is larger than the {limit:,} bytes that this service takes")
            yield part
            if length == told:
                return  # what follows is the end: it need not be awaited
    except TimeoutError as error:
        raise Problem(
            408, f"the body did not go on for {seconds:g} seconds", headers={"Connection": "close"}
        ) from error
    except ClientDisconnect as error:
        raise Problem(400, "the body ended before its end") from error
