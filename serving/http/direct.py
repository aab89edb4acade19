"""Operations found by their path alone; the rest is for Starlette's router, which tries one pattern after another."""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.http import gate
from serving.http.operation import Operation
from serving.http.problems import Problem


class Direct:
    """ASGI middleware that answers the operations whose paths have no parameters, and passes on what is not theirs."""

    def __init__(self, app: ASGIApp, operations: tuple[Operation, ...]):
        self._app = app
        self._operations = {
            (operation.method, operation.path): (operation, operation.route())
            for operation in operations
            if "{" not in operation.path
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        found = self._operations.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        operation, scope["route"] = found
        request = Request(scope, receive, send)
        try:
            gate.require(request, operation.scope)
            response = await operation.handler(request)
        except Problem as problem:
            response = problem.response()
        await response(scope, receive, send)
