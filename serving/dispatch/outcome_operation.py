"""Outcomes over HTTP."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from features import home as homes
from features.errors import RecoupError
from serving.dispatch.outcome import Clash, Outcomes, Wrong
from serving.http import operation, problems
from serving.http.operation import Operation
from serving.http.problems import Fault, Problem
from serving.refusals import UnknownLoan
from serving.schemas import OutcomeRequest, OutcomeResponse


async def post_outcome(request: Request) -> Response:
    """Take in what came of an attempt."""
    service = request.app.state
    told = await operation.asked(request, OutcomeRequest, service.limits.body_bytes)
    try:
        taken = await service.line.wait(asyncio.to_thread, Outcomes(homes.current()).take, told)
    except UnknownLoan as error:
        raise problems.at(404, "#/loan_id", "not in the lake") from error
    except Clash as error:
        raise problems.at(409, "#/attempt_id", str(error)) from error
    except Wrong as error:
        faults = [Fault(pointer=f"#/{field}", detail=why) for field, why in error.faults.items()]
        raise Problem(422, "the contacts feed does not take it", faults) from error
    except RecoupError as error:
        raise problems.busy(str(error), 10) from error
    return operation.answered(taken)


OUTCOME = Operation(
    name="outcome", method="POST", path="/outcome", scope="dispatch",
    about="What came of an attempt: counted by the contact rules and the debtor's features from then on",
    handler=post_outcome, asked=OutcomeRequest, answered=OutcomeResponse, queues=True,
    refused={
        404: "the loan is not in the lake",
        409: "the attempt was told otherwise before",
        413: "the body is too large",
        415: "the body is not JSON",
        422: "a field is missing, unknown or makes no sense",
    },
)  # fmt: skip
