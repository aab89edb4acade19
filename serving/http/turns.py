"""Questions that come together, gathered into turns that are answered as one list."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from anyio import to_thread

_APART = 2
"""Turns in threads at a time: while one waits for what is far away, the other has the interpreter."""


class _Waiting(NamedTuple):
    """A question, how it is answered, and where the answer is told."""

    told: asyncio.Future[Any]
    how: Any
    question: Any


class Turns:
    """Turns that wait for nothing: each is answered where it is taken.

    Parameters
    ----------
    answer : callable
        Answers some questions together: of how they are answered, and the questions.
    most : int
        How many are answered together: nobody else is looked after meanwhile.
    """

    def __init__(self, answer: Callable[[Any, list[Any]], list[Any]], most: int):
        self._answer, self._most = answer, most
        self._next: list[_Waiting] = []

    def ask(self, how: Any, question: Any) -> asyncio.Future[Any]:
        """Return where the answer will be told, or the exception why there is none."""
        loop = asyncio.get_running_loop()
        if not self._next:
            loop.call_soon(self._gather, loop, 1)
        self._next.append(_Waiting(loop.create_future(), how, question))
        return self._next[-1].told

    def _gather(self, loop: asyncio.AbstractEventLoop, rounds: int) -> None:
        """Begin once the loop has gone round as often as the turn has questions.

        In each round it lets in one new caller (uvloop accepts no more), so that when many come at once, being let in
        takes no longer than being answered.
        """
        if rounds < min(len(self._next), self._most):
            loop.call_soon(self._gather, loop, rounds + 1)
        else:
            self._begin(loop)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer those who are first."""
        turn = self._taken()
        if self._next:
            loop.call_soon(self._gather, loop, 1)
        _tell(turn, self._answered(turn))

    def _taken(self) -> list[_Waiting]:
        turn, self._next = self._next[: self._most], self._next[self._most :]
        return turn

    def _answered(self, turn: list[_Waiting]) -> list[Any]:
        """Return what each gets, those who ask alike answered together: an answer, or why there is none."""
        alike: dict[Any, list[int]] = {}
        for place, asked in enumerate(turn):
            if not asked.told.cancelled():
                alike.setdefault(asked.how, []).append(place)
        found: list[Any] = [None] * len(turn)
        for how, places in alike.items():
            for place, answer in zip(places, self._answers(how, [turn[p].question for p in places]), strict=True):
                found[place] = answer
        return found

    def _answers(self, how: Any, questions: list[Any]) -> list[Any]:
        try:
            return self._answer(how, questions)
        except Exception as error:  # noqa: BLE001 - who asked raises it
            if len(questions) == 1:
                return [error]
            # one of them may be at fault: that is for the one who asked it
            return [found for question in questions for found in self._answers(how, [question])]


class TurnsApart(Turns):
    """Turns that wait for a server or a disk: each is answered in a thread, with all who came while it was busy."""

    def __init__(self, answer: Callable[[Any, list[Any]], list[Any]], most: int):
        super().__init__(answer, most)
        self._under_way: set[asyncio.Task[None]] = set()

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._next and len(self._under_way) < _APART:
            self._under_way.add(loop.create_task(self._apart(loop, self._taken())))

    async def _apart(self, loop: asyncio.AbstractEventLoop, turn: list[_Waiting]) -> None:
        try:
            _tell(turn, await to_thread.run_sync(self._answered, turn))
        finally:
            self._under_way.discard(asyncio.current_task())
            self._begin(loop)


def _tell(turn: list[_Waiting], found: list[Any]) -> None:
    for asked, answer in zip(turn, found, strict=True):
        if asked.told.done():  # he has gone
            continue
        if isinstance(answer, Exception):
            asked.told.set_exception(answer)
        else:
            asked.told.set_result(answer)
