"""Those who wait for an answer: only so many, so that whoever is let in is answered soon."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from serving.http import problems
from serving.turn import How

Asked = TypeVar("Asked")
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
    answer : callable
        Answers some questions together: of how they are answered, and the questions.
    """

    def __init__(self, most: int, seconds: float, answer: Callable[[Any, list[Any]], list[Any]]):
        self._most, self._seconds, self._answer, self._inside = most, seconds, answer, 0
        self._next: list[tuple[asyncio.Future[Any], Any, Any]] = []

    def require_room(self) -> None:
        """Refuse when the line is full.

        Raises
        ------
        Problem
            503.
        """
        if self._inside >= self._most:
            raise problems.busy(f"{self._most} requests are waiting already", 1)

    async def pass_by(self, how: How[Asked, Answer], question: Asked) -> Answer:
        """Return an answer that waits for nothing once its turn has come, with those who came at the same time.

        Raises
        ------
        Problem
            503 when the line is full.
        RecoupError
            Why there is no answer.
        """
        self.require_room()
        loop = asyncio.get_running_loop()
        told: asyncio.Future[Any] = loop.create_future()
        if not self._next:
            loop.call_soon(self._take_turn, loop)
        self._next.append((told, how, question))
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
        alike: dict[Any, list[tuple[asyncio.Future[Any], Any]]] = {}
        for told, how, question in turn:
            if not told.cancelled():
                alike.setdefault(how, []).append((told, question))
        for how, asked in alike.items():
            found = self._answers(how, [question for _, question in asked])
            for (told, _), answer in zip(asked, found, strict=True):
                if isinstance(answer, Exception):
                    told.set_exception(answer)
                else:
                    told.set_result(answer)

    def _answers(self, how: Any, questions: list[Any]) -> list[Any]:
        """Return what each of some questions gets: an answer, or why there is none."""
        try:
            return self._answer(how, questions)
        except Exception as error:  # noqa: BLE001 - who asked raises it
            if len(questions) == 1:
                return [error]
            # one of them may be at fault: that is for the one who asked it
            return [found for question in questions for found in self._answers(how, [question])]
