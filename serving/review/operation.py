"""The reviewer's page over HTTP."""

import asyncio
import logging
import sys
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from features import home as homes
from features.errors import RecoupError
from serving.http import problems
from serving.http.operation import Operation, Parameter
from serving.http.problems import Problem
from serving.journal import Journal

_CODE = Path(__file__).parents[2]
_ONE = asyncio.Semaphore(1)
"""A page takes seconds and the memory of MLflow: one at a time."""
_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "Cache-Control": "no-store"}


async def get_page(request: Request) -> Response:
    """Answer with the page of a decision."""
    decision_id = request.path_params["decision_id"]
    try:
        await asyncio.to_thread(Journal(homes.current()).find, decision_id)
    except RecoupError as error:
        raise Problem(404, "no such decision") from error
    if _ONE.locked():
        raise problems.busy("another page is being made", 10)
    async with _ONE:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "serving.review", decision_id,
            cwd=_CODE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        page, said = await process.communicate()
    if process.returncode == 2:
        raise Problem(409, said.decode().strip().splitlines()[-1])
    if process.returncode != 0:
        logging.getLogger(__name__).error("the page of %s cannot be made: %s", decision_id, said.decode())
        raise Problem(500, "the page cannot be made; the service's log says more")
    return HTMLResponse(page, headers=_HEADERS)


REVIEW = Operation(
    name="review", method="GET", path="/decisions/{decision_id}", scope="explain",
    about="All that a decision rests on, and whether it can be made again: a page for a reviewer",
    handler=get_page, answered={"text/html": "the page"},
    parameters=(Parameter("decision_id", "path", "of an answer", {"type": "string"}, "20260101-5f9f0b1a"),),
    refused={404: "no such decision", 409: "it is no single score, or its model was changed since"},
)  # fmt: skip
