"""A service's model: loaded beside the answers to health checks, and used by few threads at a time."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import Sequence
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import anyio
from anyio import to_thread

from features import home as homes
from features.errors import RecoupError
from serving import turn
from serving.http import problems
from serving.journal import Journal
from serving.turn import How
from serving.versions.following import Following, MakesAnswers
from serving.versions.lineup import Lineup, Question, Rule
from serving.versions.shadow import Shadow

Asked = TypeVar("Asked", bound=Question)
Answer = TypeVar("Answer")
_START_S = 10  # then it answers, if only that it is not ready
_THREADS = 2  # more would wait for the interpreter's lock, and answer later
_THREADS_TO_DISK = 32  # unless each waits for the disk: one fsync is for all of them


class Answers(Protocol):
    """What answers questions, once loaded."""

    def warm(self) -> None:
        """Go through all that a question needs, so that none pays for the first time."""

    def small(self, question: Any) -> bool:
        """Tell whether a question is soon answered, so that it can be answered together with others."""

    def near(self, question: Any) -> bool:
        """Tell whether its answer waits for nobody: a small one is then there before a thread begins."""


Loaded = TypeVar("Loaded", bound=Answers)


class Loading(Generic[Loaded]):
    """The answers of a service, for as long as it is entered."""

    def __init__(self, model: str, answers: MakesAnswers):
        self._rule = Rule.from_environment()
        self.following: Following[Loaded] = Following(homes.current(), model, answers, self._rule, self._put)
        self._lineup: Lineup[Loaded] | None = None
        self._loaded: asyncio.Task[None] | None = None
        self._limiter: anyio.CapacityLimiter | None = None
        self._shadow = Shadow()

    async def __aenter__(self) -> "Loading[Loaded]":
        """Begin to load, in a thread; a worker that starts beside others is given no question meanwhile."""
        self._limiter = anyio.CapacityLimiter(_THREADS_TO_DISK if Journal(homes.current()).waits else _THREADS)
        self._loaded = asyncio.create_task(asyncio.to_thread(self._loading))
        await asyncio.wait({self._loaded}, timeout=_START_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.following.stop()
        assert self._loaded is not None
        self._loaded.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self._loaded

    def small(self, question: Asked) -> bool:
        """Tell whether a question is answered by `answer`, with others, or else by `ask`.

        Raises
        ------
        Problem
            503 while the model is being loaded, or when it cannot be.
        """
        return self._ready().champion.small(question)

    def near(self, question: Asked) -> bool:
        """Tell whether the answer to a question waits for nobody; raises as `small`."""
        return self._ready().champion.near(question)

    def answer(self, how: How[Asked, Answer], questions: Sequence[Asked]) -> list[Answer | RecoupError]:
        """Answer small questions together; raises as `small`."""
        lineup = self._ready()
        answers = lineup.answer(how, questions)
        for question, answer in zip(questions, answers, strict=True):
            if not isinstance(answer, RecoupError):
                self._show(lineup, how, question)
        return answers

    async def ask(self, how: How[Asked, Answer], question: Asked) -> Answer:
        """Answer a question in a thread; raises as `small`, and `RecoupError` where there is no answer."""
        lineup = self._ready()
        answer = await to_thread.run_sync(turn.alone, partial(lineup.answer, how), question, limiter=self._limiter)
        self._show(lineup, how, question)
        return answer

    def _show(self, lineup: Lineup[Loaded], how: How[Asked, Answer], question: Asked) -> None:
        """Ask the shadow, where it is its turn."""
        if lineup.shadow is not None and (shadowed := lineup.shadowed(question)) is not None:
            self._shadow.offer(partial(turn.alone, partial(how, lineup.shadow), shadowed))

    async def check(self) -> None:
        """Refuse unless a question asked now would be answered.

        Raises
        ------
        Problem
            503, saying why.
        """
        answers = self._ready().champion
        try:
            await to_thread.run_sync(answers.warm, limiter=self._limiter)
            await to_thread.run_sync(Journal(homes.current()).require_writable, limiter=self._limiter)
        except RecoupError as error:
            raise problems.busy(str(error), 10) from error

    def _loading(self) -> None:
        try:
            first = self.following.begin()
        except Exception:
            logging.getLogger(__name__).exception("the model cannot be loaded")
            raise
        try:
            first.champion.warm()
        except RecoupError as error:  # an empty online store: not ready yet, and may become so
            logging.getLogger(__name__).warning("not ready: %s", error)
        # full collections over all that was imported would cost an answer hundreds of milliseconds
        gc.collect()
        gc.freeze()
        self._lineup = first
        if self._rule.shadow_share:
            self._shadow.start()
        if self._rule.alias:
            self.following.start()

    def _put(self, lineup: Lineup[Loaded]) -> None:
        self._lineup = lineup

    def _ready(self) -> Lineup[Loaded]:
        if self._lineup is not None:
            return self._lineup
        if self._loaded is None or not self._loaded.done():
            raise problems.busy("the model is being loaded", 2)
        raise problems.busy(f"the model cannot be loaded: {self._loaded.exception()}", 60)
