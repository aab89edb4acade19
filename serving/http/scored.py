"""Operations that ask the model a question and answer at once."""

from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from features.errors import RecoupError
from serving.http import operation, problems
from serving.http.operation import Operation
from serving.http.problems import Fault, Problem
from serving.refusals import NoCase, TooEarly, Unfit, UnknownLoan
from serving.turn import How

_REFUSED = {
    404: "a loan is not in the online store",
    413: "the body is too large",
    415: "the body is not JSON",
    422: "a field is missing, unknown or makes no sense",
}


def scored(
    path: str,
    scope: str,
    about: str,
    asked: type[BaseModel],
    answered: type[BaseModel],
    how: How[Any, Any],
    pointer: str,
    refused: dict[int, str] | None = None,
) -> Operation:
    """Return an operation that scores loans.

    Parameters
    ----------
    path, scope, about : str
    asked, answered : pydantic models
    how : callable
        Of the service's answers and some questions.
    pointer : str
        Where a question names its loan; ``{row}`` stands for its place in a list.
    refused : dict of int to str
        Further statuses.
    """

    async def handler(request: Request) -> Response:
        service = request.app.state
        line, loading = service.line, service.loading
        question = await operation.asked(request, asked, service.limits.body_bytes)
        try:
            if not loading.small(question):
                answer = await line.wait(loading.ask, how, question)
            elif loading.near(question):
                answer = await line.pass_by(how, question)
            else:
                answer = await line.cross(how, question)
            return operation.answered(answer)
        except UnknownLoan as error:
            raise problems.at(404, pointer.format(row=error.row), f"not in the online store: {error.hint}") from error
        except NoCase as error:
            raise problems.at(409, pointer, "no case then: not known, not charged off, or done with") from error
        except TooEarly as error:
            raise problems.at(422, "#/moment", str(error)) from error
        except Unfit as error:
            raise Problem(422, "the features are not the model's inputs", _faults(error)) from error
        except RecoupError as error:
            raise problems.busy(str(error), 10) from error

    return Operation(
        name=path.strip("/"), method="POST", path=path, scope=scope, about=about, handler=handler,
        asked=asked, answered=answered, refused=_REFUSED | (refused or {}), queues=True,
    )  # fmt: skip


def _faults(error: Unfit) -> list[Fault]:
    wrong = sorted(error.wrong.items())
    return [Fault(pointer=f"#/features/{problems.escaped(name)}", detail=detail) for name, detail in wrong]
