"""Tapes over HTTP: a tape comes in and is priced beside the answers; see `serving.tasks.operations`."""

import asyncio
from pathlib import Path

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from features import mapping
from serving.http import operation, problems
from serving.http.operation import JSON, Operation, Parameter
from serving.http.problems import Problem
from serving.pricing.task import AskedTape
from serving.pricing.valuation import Assumptions
from serving.tasks.operations import PARQUET, Kind, Result
from serving.tasks.tasks import Status

_SUFFIXES = {"text/csv": ".csv", PARQUET: ".parquet"}
_SOURCE = Parameter(
    "source", "query", "name of the mapping that the tape is written in",
    {"type": "string", "enum": sorted(path.stem for path in mapping.BUILT_IN.glob("*.yaml"))}, "canonical",
)  # fmt: skip
_GIVEN = Parameter(
    "assumptions", "query", "required return and costs, as in assumptions.yaml; the service's own if not given",
    Assumptions.model_json_schema(), "", required=False, json=True,
)  # fmt: skip
TAPES = Kind(
    what="a tape", path="/portfolio", scope="price", room=lambda home: home.portfolios, module="serving.pricing.task",
    results=(
        Result("portfolio", "result", "What a priced tape is worth", "portfolio.json", JSON),
        Result("prices", "prices", "The prices of a tape's loans, with intervals and reasons: a row a loan",
               "prices.parquet", PARQUET),
        Result("rejected", "rejected", "The rows of a tape that were not priced, and why", "rejected.parquet", PARQUET),
    ),
)  # fmt: skip


async def post_tape(request: Request) -> Response:
    """Take a tape in."""
    operation.require_type(request, tuple(_SUFFIXES))
    source, given = _source(request), _assumptions(request)
    file = f"tape{_SUFFIXES[request.headers['content-type'].partition(';')[0].strip().lower()]}"
    with TAPES.incoming(request) as incoming:
        await _received(request, incoming.folder / file, request.app.state.limits.tape_bytes)
        return incoming.accepted(AskedTape, source=source, assumptions=given, file=file)


def _source(request: Request) -> str:
    source, known = request.query_params.get("source", ""), _SOURCE.schema["enum"]
    if source not in known:
        raise problems.at(422, "source", f"give one of {', '.join(known)}")
    return source


def _assumptions(request: Request) -> str | None:
    given = request.query_params.get("assumptions")
    if given is None:
        return None
    try:
        Assumptions.model_validate_json(given)
    except ValidationError as error:
        raise problems.invalid(error, "assumptions") from error
    return given


async def _received(request: Request, path: Path, limit: int) -> None:
    """Write a body to disk as it comes in."""
    with path.open("wb") as file:
        async for part in operation.body(request, limit):
            await asyncio.to_thread(file.write, part)
        if file.tell() == 0:
            raise Problem(422, "the body is empty: send the tape")


PRICE_TAPE = Operation(
    name="price_tape", method="POST", path="/portfolio", scope="price",
    about="Give in a tape to be priced in the background; the answer says where to ask for it",
    handler=post_tape, answered=Status, status=202, parameters=(_SOURCE, _GIVEN),
    asked=dict.fromkeys(_SUFFIXES, "a tape, one row a loan"),
    refused={
        413: "the tape is too large", 415: "neither CSV nor Parquet",
        422: "no such mapping, assumptions that make no sense, or an empty body",
        429: "as many tapes wait as may; try again",
    },
)  # fmt: skip
