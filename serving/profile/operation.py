"""A debtor's profile over HTTP."""

import asyncio

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from features import home as homes
from features.lake import Lake
from serving.http import apart, problems
from serving.http.operation import JSON, Operation, Parameter
from serving.http.problems import Problem
from serving.profile.known import known
from serving.refusals import UnknownDebtor
from serving.schemas import Moment, asked_moment

_UNKEPT = {"Cache-Control": "no-store"}
_PAGE = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"} | _UNKEPT
_MOMENT = TypeAdapter(Moment)
_PARAMETERS = (
    Parameter("borrower_id", "path", "the debtor's token", {"type": "string"}, "t_716635b69bd53530ccbf3b8c274dc933"),
    Parameter(
        "moment", "query", "as of when, with a time zone; now if not given", {"type": "string", "format": "date-time"},
        "2025-12-31T23:59:59Z", required=False,
    ),
)  # fmt: skip
_REFUSED = {
    404: "nothing was known of the debtor by then",
    409: "it cannot be made: the answer says why",
    422: "the moment makes no sense",
    500: "it cannot be made; the service's log says more",
}


async def get_profile(request: Request) -> Response:
    """Answer with a debtor's profile, masked."""
    return Response(await _made("json", request), media_type=JSON, headers=_UNKEPT)


async def get_page(request: Request) -> Response:
    """Answer with a debtor's profile on one page, masked."""
    return HTMLResponse(await _made("page", request), headers=_PAGE)


async def _made(form: str, request: Request) -> bytes:
    borrower_id, given = request.path_params["borrower_id"], request.query_params.get("moment")
    try:
        moment = asked_moment(None if given is None else _MOMENT.validate_strings(given))
    except ValidationError as error:
        raise problems.at(422, "moment", "write it as 2025-12-31T23:59:59Z") from error
    try:
        await asyncio.to_thread(known, Lake(homes.current()), borrower_id, moment)
    except UnknownDebtor as error:
        raise Problem(404, "no such debtor was known by then") from error
    return await apart.made("serving.profile", form, borrower_id, moment.isoformat())


PROFILES = (
    Operation(
        name="profile", method="GET", path="/debtors/{borrower_id}", scope="dispatch",
        about="What was known of a debtor at a moment, masked: debts, payments, contacts, court, tags, scores",
        handler=get_profile, answered={JSON: "the profile"}, parameters=_PARAMETERS, refused=_REFUSED,
    ),
    Operation(
        name="profile_page", method="GET", path="/debtors/{borrower_id}/page", scope="dispatch",
        about="The same on one page",
        handler=get_page, answered={"text/html": "the page"}, parameters=_PARAMETERS, refused=_REFUSED,
    ),
)  # fmt: skip
