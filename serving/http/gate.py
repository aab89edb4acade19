"""Who may ask, and how often: a bearer key on every path but the health ones."""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from features.errors import RecoupError
from serving.access.identity import Callers
from serving.access.keys import Key
from serving.http import problems
from serving.http.problems import Problem
from serving.http.rates import Rates

OPEN = ("/healthz", "/livez", "/readyz")
_KEY = "recoup.key"


class Gate:
    """ASGI middleware that answers 401 to a request without a key that is good now, and 429 to one too many."""

    def __init__(self, app: ASGIApp, callers: Callers, rates: Rates):
        self._app = app
        self._callers = callers
        self._rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through with its key, or refuse it."""
        if scope["type"] == "http" and scope["path"] not in OPEN:
            try:
                scope[_KEY] = key = self._holder(scope)
                self._rates.spend(key)
            except Problem as problem:
                await problem.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _holder(self, scope: Scope) -> Key:
        shown = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        kind, _, token = shown.partition(b" ")
        try:
            key = self._callers.holder(token.strip()) if kind.lower() == b"bearer" else None
        except RecoupError as error:
            raise problems.busy(str(error), 10) from error
        if key is None:
            detail = "send `Authorization: Bearer KEY` with a key (or token) of this service that is good now"
            raise Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})
        return key


def holder(request: Request) -> Key:
    """Return the key that a request came with."""
    return request.scope[_KEY]


def require(request: Request, scope: str) -> None:
    """Refuse a key that does not open a scope.

    Raises
    ------
    Problem
        403, naming the scope.
    """
    if not holder(request).may(scope):
        raise Problem(403, f"the key does not have the scope {scope}")
