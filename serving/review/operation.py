"""The reviewer's page over HTTP."""

import asyncio

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from features import home as homes
from features.errors import RecoupError
from serving.http import apart
from serving.http.operation import Operation, Parameter
from serving.http.problems import Problem
from serving.journal import Journal

_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "Cache-Control": "no-store"}


async def get_page(request: Request) -> Response:
    """Answer with the page of a decision."""
    decision_id = request.path_params["decision_id"]
    try:
        await asyncio.to_thread(Journal(homes.current()).find, decision_id)
    except RecoupError as error:
        raise Problem(404, "no such decision") from error
    page = await apart.made("serving.review", decision_id)
    return HTMLResponse(page, headers=_HEADERS)


REVIEW = Operation(
    name="review", method="GET", path="/decisions/{decision_id}", scope="explain",
    about="All that a decision rests on, and whether it can be made again: a page for a reviewer",
    handler=get_page, answered={"text/html": "the page"},
    parameters=(Parameter("decision_id", "path", "of an answer", {"type": "string"}, "20260101-5f9f0b1a"),),
    refused={404: "no such decision", 409: "it is no single score, or its model was changed since"},
)  # fmt: skip
