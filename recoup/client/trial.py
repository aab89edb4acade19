"""Whether a call is tried again, and when: the same for the sync and the async client."""

import os
import random
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar

import httpx
from pydantic import ValidationError

from recoup.client.answers import ProblemDetails
from recoup.client.calls import Call
from recoup.client.errors import Refused, Unreachable

ENDED = ("done", "failed", "cancelled")
LOOK_S = 1.0
"""How long a wait for a task pauses between two looks."""
KEY_VARIABLE = "RECOUP_API_KEY"
_AGAIN = {429, 502, 503, 504}
_CONNECT_S = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
T = TypeVar("T")


def opened(url: str | None, variable: str, key: str | None) -> dict[str, Any]:
    """Return the settings of an httpx client.

    Raises
    ------
    ValueError
        When an address or a key is neither given nor in the environment.
    """
    url, key = url or os.environ.get(variable), key or os.environ.get(KEY_VARIABLE)
    if not url or not key:
        raise ValueError(f"give the service's url and key, or set {variable} and {KEY_VARIABLE}")
    return {"base_url": url, "headers": {"Authorization": f"Bearer {key}"}}


class Trial(Generic[T]):
    """The tries of one call, within ``patience`` seconds."""

    def __init__(self, call: Call[T], patience: float):
        self._call, self._patience = call, patience
        self._end = time.monotonic() + patience
        self._pause = _FIRST_PAUSE

    def timeout(self) -> httpx.Timeout:
        """Return what this try may take: to connect, and then for each silence of the service."""
        left = max(self._end - time.monotonic(), 0.001)
        return httpx.Timeout(left, connect=min(left, _CONNECT_S))

    def after_loss(self, error: httpx.TransportError) -> float:
        """Return how long to wait when there was no answer.

        Raises
        ------
        Unreachable
            When the call may not be repeated, or there is no patience left.
        """
        asked = f"{self._call.method} {self._call.path}"
        if not self._call.repeatable and not isinstance(error, _NEVER_SENT):
            told = f"{asked}: no answer ({_said(error)}); it may have arrived, and is not sent again"
            raise Unreachable(told) from error
        wait = self._wait(None)
        if wait is None:
            raise Unreachable(f"{asked}: no answer within {self._patience:g} s ({_said(error)})") from error
        return wait

    def after(self, response: httpx.Response) -> float | None:
        """Return how long to wait after an answer; None when it stands."""
        return self._wait(response.headers.get("Retry-After")) if response.status_code in _AGAIN else None

    def answer(self, response: httpx.Response) -> T:
        """Return the answer of a response.

        Raises
        ------
        Refused
            When the service refuses.
        Unreachable
            When what answered is not the service.
        """
        asked = f"{self._call.method} {self._call.path}"
        try:
            if response.is_success:
                return self._call.read(response)
            problem = ProblemDetails.model_validate_json(response.content)
        except (ValidationError, ValueError) as error:
            if response.is_success:
                raise Unreachable(f"{asked}: the answer is not this service's: {error}") from error
            said = {"title": response.reason_phrase, "status": response.status_code, "detail": "no details were given"}
            problem = ProblemDetails.model_validate(said)
        raise Refused(asked, problem)

    def _wait(self, retry_after: str | None) -> float | None:
        """Return the pause before the next try; None when it would outlast the patience."""
        told = _seconds(retry_after)
        if told is None:
            told, self._pause = random.uniform(0, self._pause), min(2 * self._pause, _LONGEST_PAUSE)
        return told if time.monotonic() + told < self._end else None


def _seconds(retry_after: str | None) -> float | None:
    """Return what a Retry-After header says (RFC 9110, 10.2.3); None where it says nothing.

    Examples
    --------
    >>> _seconds("3"), _seconds("Mon, 01 Jan 2024 00:00:00 GMT"), _seconds("soon"), _seconds(None)
    (3.0, 0.0, None, None)
    """
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max((at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
