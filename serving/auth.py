"""Who may ask: a bearer key on every path but the health and metrics ones."""

import hmac

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from features.environment import secret

KEY_VARIABLE = "RECOUP_API_KEY"
_OPEN = ("/healthz", "/livez", "/readyz", "/metrics")


def api_key() -> bytes:
    """Return the key that callers must show.

    Raises
    ------
    RecoupError
        When ``RECOUP_API_KEY`` is unset or shorter than 16 characters.
    """
    return secret(KEY_VARIABLE, "the services answer to a key,", "that callers send as `Authorization: Bearer KEY`")


class BearerKey:
    """ASGI middleware that answers 401 to a request without the key."""

    def __init__(self, app: ASGIApp):
        self._app = app
        self._expected = b"Bearer " + api_key()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or refuse it."""
        if scope["type"] == "http" and scope["path"] not in _OPEN:
            shown = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(shown, self._expected):
                refusal = JSONResponse(
                    {"error": "send `Authorization: Bearer KEY` with a key of this service"},
                    status_code=401,
                    headers={"WWW-Authenticate": "Bearer"},
                )
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)
