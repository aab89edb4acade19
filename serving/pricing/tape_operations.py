"""Tapes over HTTP: a tape comes in and is priced beside the answers; status and result are fetched."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from features import home as homes
from features import mapping
from serving.http import gate, operation, problems
from serving.http.operation import JSON, Operation, Parameter
from serving.http.problems import Problem
from serving.pricing.tasks import ENDED, Asked, Full, Status, Tasks, UnknownTask
from serving.pricing.valuation import Assumptions

_CSV, _PARQUET = "text/csv", "application/vnd.apache.parquet"
_SUFFIXES = {_CSV: ".csv", _PARQUET: ".parquet"}
_SECONDS = 5
"""When to ask again."""
_TASK = Parameter(
    "task_id", "path", "as the answer to the tape gave it", {"type": "string"}, "8b0e3f6c4dd24a5f9f0b1a7c5e2d9a10"
)
_SOURCE = Parameter(
    "source", "query", "name of the mapping that the tape is written in",
    {"type": "string", "enum": sorted(path.stem for path in mapping.BUILT_IN.glob("*.yaml"))}, "canonical",
)  # fmt: skip
_GIVEN = Parameter(
    "assumptions", "query", "required return and costs, as in assumptions.yaml; the service's own if not given",
    Assumptions.model_json_schema(), "", required=False, json=True,
)  # fmt: skip
_UNKNOWN = {404: "there is no such task"}
_UNFINISHED = _UNKNOWN | {409: "the task has not ended, or has no result; its status says more"}


async def post_tape(request: Request) -> Response:
    """Take a tape in."""
    tasks, limits = _tasks(), request.app.state.limits
    operation.require_type(request, tuple(_SUFFIXES))
    source, given = _source(request), _assumptions(request)
    suffix = _SUFFIXES[request.headers["content-type"].partition(";")[0].strip().lower()]
    try:
        tasks.require_room(limits.waiting_tapes)
        with tasks.upload() as folder:
            await _received(request, folder / f"tape{suffix}", limits.tape_bytes)
            asked = Asked(
                owner=gate.holder(request).id, source=source, assumptions=given, file=f"tape{suffix}",
                received_at=datetime.now(UTC),
            )  # fmt: skip
            status = tasks.add(folder, asked, limits.waiting_tapes)
    except Full as error:
        raise problems.busy(str(error), 60, status=429) from error
    except OSError as error:
        raise problems.busy(f"the tape cannot be kept: {error.strerror}", 60) from error
    return operation.answered(status, 202, {"Location": f"/portfolio/{status.task_id}", "Retry-After": str(_SECONDS)})


async def get_status(request: Request) -> Response:
    """Say how far a task is."""
    status = _status(request)
    headers = {} if status.state in ENDED else {"Retry-After": str(_SECONDS)}
    return operation.answered(status, headers=headers)


async def delete_task(request: Request) -> Response:
    """Cancel a task."""
    task_id = _status(request).task_id
    cancelled = _tasks().cancel(task_id)
    if cancelled is None:
        raise Problem(409, "the task has ended")
    return operation.answered(cancelled)


async def get_result(request: Request) -> Response:
    """Answer a portfolio's totals."""
    return FileResponse(_file(request, "portfolio.json"), media_type=JSON)


async def get_prices(request: Request) -> Response:
    """Answer the prices of a tape's loans."""
    return FileResponse(_file(request, "prices.parquet"), media_type=_PARQUET)


async def get_rejected(request: Request) -> Response:
    """Answer the rows of a tape that were not priced."""
    return FileResponse(_file(request, "rejected.parquet"), media_type=_PARQUET)


def _tasks() -> Tasks:
    return Tasks(homes.current())


def _status(request: Request) -> Status:
    """Return a task's status to who gave the tape in, or to an administrator."""
    tasks, key, task_id = _tasks(), gate.holder(request), request.path_params["task_id"]
    try:
        if tasks.asked(task_id).owner == key.id or key.may("admin"):
            return tasks.status(task_id)
    except UnknownTask:
        pass
    raise Problem(404, "no such task")


def _file(request: Request, name: str) -> Path:
    status = _status(request)
    if status.state != "done":
        raise Problem(409, f"the task is {status.state}", headers={"Retry-After": str(_SECONDS)})
    return _tasks().folder(status.task_id) / "out" / name


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


TAPE_OPERATIONS = (
    Operation(
        name="price_tape", method="POST", path="/portfolio", scope="price",
        about="Give in a tape to be priced in the background; the answer says where to ask for it",
        handler=post_tape, answered=Status, status=202, parameters=(_SOURCE, _GIVEN),
        asked={_CSV: "a tape, one row a loan", _PARQUET: "a tape, one row a loan"},
        refused={
            413: "the tape is too large", 415: "neither CSV nor Parquet",
            422: "no such mapping, assumptions that make no sense, or an empty body",
            429: "as many tapes wait as may; try again",
        },
    ),
    Operation(
        name="task_status", method="GET", path="/portfolio/{task_id}", scope="price",
        about="How far a tape is", handler=get_status, answered=Status, parameters=(_TASK,), refused=_UNKNOWN,
    ),
    Operation(
        name="cancel_task", method="DELETE", path="/portfolio/{task_id}", scope="price",
        about="Stop pricing a tape", handler=delete_task, answered=Status, parameters=(_TASK,),
        refused=_UNKNOWN | {409: "the task has ended"},
    ),
    Operation(
        name="portfolio", method="GET", path="/portfolio/{task_id}/result", scope="price",
        about="What a priced tape is worth", handler=get_result, answered={JSON: "portfolio.json"},
        parameters=(_TASK,), refused=_UNFINISHED,
    ),
    Operation(
        name="prices", method="GET", path="/portfolio/{task_id}/prices", scope="price",
        about="The prices of a tape's loans, with intervals and reasons: a row a loan",
        handler=get_prices, answered={_PARQUET: "prices.parquet"}, parameters=(_TASK,), refused=_UNFINISHED,
    ),
    Operation(
        name="rejected", method="GET", path="/portfolio/{task_id}/rejected", scope="price",
        about="The rows of a tape that were not priced, and why",
        handler=get_rejected, answered={_PARQUET: "rejected.parquet"}, parameters=(_TASK,), refused=_UNFINISHED,
    ),
)  # fmt: skip
