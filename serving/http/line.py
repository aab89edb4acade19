"""Those who wait for an answer: only so many, so that whoever is let in is answered soon."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from serving.http import problems
from serving.http.turns import Turns, TurnsApart
from serving.turn import How

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Line:
    """The line of one worker.

    Parameters
    ----------
    most : int
        How many may wait or be answered at once.
    seconds : float
        How long an answer may take.
    answer : callable
        See `Turns`.
    """

    def __init__(self, most: int, seconds: float, answer: Callable[[Any, list[Any]], list[Any]]):
        self.most, self._seconds, self._inside = most, seconds, 0
        a_turn = -(-most // 2)  # one that is half the line makes a newcomer wait for half a line more, at most
        self._here, self._apart = Turns(answer, a_turn), TurnsApart(answer, a_turn)

    @property
    def full(self) -> bool:
        """Whether nobody else is let in."""
        return self._inside >= self.most

    async def pass_by(self, how: How[Asked, Answer], question: Asked) -> Answer:
        """Return an answer that waits for nothing once its turn has come, with those who came at the same time.

        Raises
        ------
        Problem
            503 when the line is full.
        RecoupError
            Why there is no answer.
        """
        self._enter()
        try:
            return await self._here.ask(how, question)
        finally:
            self._inside -= 1

    async def cross(self, how: How[Asked, Answer], question: Asked) -> Answer:
        """Return an answer that waits for a server or a disk, with those who came while others were answered.

        Raises
        ------
        Problem
            503 when the line is full, or the answer takes too long.
        RecoupError
            Why there is no answer.
        """
        return await self.wait(self._apart.ask, how, question)

    async def wait(self, ask: Callable[..., Awaitable[Answer]], *question: Any) -> Answer:
        """Ask, and wait for the answer.

        Raises
        ------
        Problem
            503 when the line is full, or the answer takes too long.
        """
        self._enter()
        try:
            await asyncio.sleep(0)  # all who came at the same time take their places before one is answered
            async with asyncio.timeout(self._seconds):
                return await ask(*question)
        except TimeoutError as error:
            raise problems.busy(f"there was no answer within {self._seconds:g} seconds", 5) from error
        finally:
            self._inside -= 1

    def _enter(self) -> None:
        if self.full:
            raise problems.full(self.most)
        self._inside += 1
