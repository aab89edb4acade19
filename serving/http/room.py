"""Questions refused at the door while the line is full, for less than it takes to look at them."""

from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.http import problems
from serving.http.line import Line
from serving.http.operation import Operation


class Room:
    """ASGI middleware that answers 503 to questions that would find the line full, before key and body are read."""

    def __init__(self, app: ASGIApp, line: Line, operations: tuple[Operation, ...]):
        self._app, self._line = app, line
        self._routes: dict[str, Route] = {asked.path: asked.route() for asked in operations if asked.queues}
        self._full = problems.full(line.most).response()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through while there is room for it."""
        if scope["type"] == "http" and scope["path"] in self._routes and self._line.full:
            scope["route"] = self._routes[scope["path"]]
            await self._full(scope, receive, send)
            return
        await self._app(scope, receive, send)
