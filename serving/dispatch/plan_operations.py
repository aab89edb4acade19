"""Plans over HTTP: one is asked for and made beside the answers; see `serving.tasks.operations`."""

from starlette.requests import Request
from starlette.responses import Response

from serving.dispatch.plan_task import AskedPlan, PlanRequest
from serving.http import operation
from serving.http.operation import JSON, Operation
from serving.tasks.operations import PARQUET, Kind, Result
from serving.tasks.tasks import Status

PLANS = Kind(
    what="a plan", path="/plan", scope="dispatch", room=lambda home: home.plans, module="serving.dispatch.plan_task",
    results=(
        Result("planned", "result", "A plan's totals: expected cash, use and shadow price of each capacity, demands "
               "that cannot be met, what the contact rules refuse", "plan.json", JSON),
        Result("contacts", "contacts", "Whom to contact, by which channel and pool, when: a row a contact",
               "plan.parquet", PARQUET),
        Result("placements", "placements", "What to place with agencies, until when: a row a debt",
               "placements.parquet", PARQUET),
        Result("recalls", "recalls", "What to take back from agencies, and why", "recalls.parquet", PARQUET),
        Result("filings", "filings", "What to file with the court, and the claims about to lapse", "filings.parquet",
               PARQUET),
        Result("refusals", "refusals", "Which attempts a contact rule refuses, and by which clause",
               "refusals.parquet", PARQUET),
    ),
)  # fmt: skip


async def post_plan(request: Request) -> Response:
    """Take in what is to be planned."""
    asked = await operation.asked(request, PlanRequest, request.app.state.limits.body_bytes)
    with PLANS.incoming(request) as incoming:
        return incoming.accepted(AskedPlan, plan=asked)


PLAN = Operation(
    name="plan", method="POST", path="/plan", scope="dispatch",
    about="Plan a day in the background; the answer says where to ask for it",
    handler=post_plan, answered=Status, status=202, asked=PlanRequest,
    refused={
        413: "the body is too large", 415: "the body is not JSON",
        422: "a field is missing, unknown or makes no sense, or demands on the desk contradict each other",
        429: "as many plans wait as may; try again",
    },
)  # fmt: skip
