"""Those who wait for an answer: only so many, so that whoever is let in is answered soon."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, TypeVar

from serving.http import problems

Answer = TypeVar("Answer")
_A_TURN = 16
"""How many are answered together: nobody else is looked after meanwhile."""


class Line:
    """The line of one worker.

    Parameters
    ----------
    most : int
        How many may wait or be answered at once.
    seconds : float
        How long an answer may take.
    together : callable
        Gives a block in which some are answered by `pass_by`; they are told when it has ended.
    """

    def __init__(self, most: int, seconds: float, together: Callable[[], AbstractContextManager[None]] = nullcontext):
        self._most, self._seconds, self._together, self._inside = most, seconds, together, 0
        self._next: list[tuple[asyncio.Future[Any], Callable[[], Any]]] = []

    def require_room(self) -> None:
        """Refuse when the line is full.

        Raises
        ------
        Problem
            503.
        """
        if self._inside >= self._most:
            raise problems.busy(f"{self._most} requests are waiting already", 1)

    async def pass_by(self, answer: Callable[..., Answer], *question: Any) -> Answer:
        """Return an answer that waits for nothing once its turn has come, with those who came at the same time.

        Raises
        ------
        Problem
            503 when the line is full.
        """
        self.require_room()
        loop = asyncio.get_running_loop()
        told: asyncio.Future[Answer] = loop.create_future()
        if not self._next:
            loop.call_soon(self._take_turn, loop)
        self._next.append((told, partial(answer, *question)))
        self._inside += 1
        try:
            return await told
        finally:
            self._inside -= 1

    async def wait(self, ask: Callable[..., Awaitable[Answer]], *question: Any) -> Answer:
        """Ask, and wait for the answer.

        Raises
        ------
        Problem
            503 when the line is full, or the answer takes too long.
        """
        self.require_room()
        self._inside += 1
        try:
            await asyncio.sleep(0)  # all who came at the same time take their places before one is answered
            async with asyncio.timeout(self._seconds):
                return await ask(*question)
        except TimeoutError as error:
            raise problems.busy(f"there was no answer within {self._seconds:g} seconds", 5) from error
        finally:
            self._inside -= 1

    def _take_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer those who are first."""
        turn, self._next = self._next[:_A_TURN], self._next[_A_TURN:]
        if self._next:
            loop.call_soon(self._take_turn, loop)
        turn = [(told, answer) for told, answer in turn if not told.cancelled()]
        try:
            with self._together():
                found = [_answered(answer) for _, answer in turn]
        except Exception as error:  # noqa: BLE001 - each of them raises it
            found = [error] * len(turn)
        for (told, _), answer in zip(turn, found, strict=True):
            if isinstance(answer, Exception):
                told.set_exception(answer)
            else:
                told.set_result(answer)


def _answered(answer: Callable[[], Any]) -> Any:
    """Return an answer, or why there is none: that is for the one who asked."""
    try:
        return answer()
    except Exception as error:  # noqa: BLE001 - the one who asked raises it
        return error
