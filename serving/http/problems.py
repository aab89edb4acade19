"""Errors as problem details (RFC 9457): what is wrong, and in which field; never what was sent."""

from collections.abc import Iterable
from http import HTTPStatus

import orjson
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class Fault(BaseModel):
    """What is wrong with one part of a request."""

    pointer: str = Field(description="a JSON pointer into the body, or the name of a parameter or header")
    detail: str


class ProblemDetails(BaseModel):
    """Why a request was not answered."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[Fault] = []


class Problem(Exception):
    """A request that is not answered, and why."""

    def __init__(self, status: int, detail: str, errors: Iterable[Fault] = (), headers: dict[str, str] | None = None):
        super().__init__(detail)
        self.details = ProblemDetails(
            title=HTTPStatus(status).phrase, status=status, detail=detail, errors=list(errors)
        )
        self.headers = headers

    def response(self) -> Response:
        """Return the problem as an answer."""
        details = self.details
        content = orjson.dumps(details.model_dump())
        return Response(content, details.status, headers=self.headers, media_type=MEDIA_TYPE)


def at(status: int, pointer: str, detail: str) -> Problem:
    """Return a problem with one field."""
    return Problem(status, detail, [Fault(pointer=pointer, detail=detail)])


def busy(detail: str, seconds: int, status: int = 503) -> Problem:
    """Return a problem that waiting for some seconds may solve."""
    return Problem(status, detail, headers={"Retry-After": str(seconds)})


def full(most: int) -> Problem:
    """Return the problem of a line in which as many as may wait are waiting."""
    return busy(f"{most} requests are waiting already", 1)


def invalid(error: ValidationError, root: str = "#") -> Problem:
    """Return what a model refuses, field by field.

    Examples
    --------
    >>> from serving.schemas import PriceRequest
    >>> try:
    ...     PriceRequest.model_validate_json('{"loan_ids": ["L1", 2]}')
    ... except ValidationError as error:
    ...     invalid(error).details.errors[0].pointer
    '#/loan_ids/1'
    """
    found = error.errors(include_url=False, include_context=False, include_input=False)
    faults = [Fault(pointer="/".join([root, *map(escaped, fault["loc"])]), detail=fault["msg"]) for fault in found]
    return Problem(422, "the request does not fit its schema", faults)


async def answer_problem(_: Request, error: Exception) -> Response:
    """Answer a `Problem`."""
    assert isinstance(error, Problem)
    return error.response()


async def answer_refusal(_: Request, error: Exception) -> Response:
    """Answer what the router refuses: an unknown path, a method that a path does not have."""
    assert isinstance(error, HTTPException)
    return Problem(error.status_code, error.detail, headers=dict(error.headers or {})).response()


async def answer_failure(_: Request, error: Exception) -> Response:
    """Answer a defect of ours; the traceback goes to the log."""
    return Problem(500, "the service failed; its log says where").response()


def escaped(part: str | int) -> str:
    """Return a part of a JSON pointer (RFC 6901)."""
    return str(part).replace("~", "~0").replace("/", "~1")
