"""A service's model: loaded beside the answers to health checks, and used by few threads at a time."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import anyio
from anyio import to_thread

from features.errors import RecoupError
from features.home import Home
from serving import bento
from serving.http import problems
from serving.scoring import CHAMPION

if TYPE_CHECKING:
    from training.package import ModelPackage

Question = TypeVar("Question")
Answer = TypeVar("Answer")
_THREADS = 2  # more would wait for the interpreter's lock, and answer later


class Answers(Protocol):
    """What answers questions, once loaded."""

    def warm(self) -> None:
        """Go through all that a question needs, so that none pays for the first time."""


Loaded = TypeVar("Loaded", bound=Answers)
MakesAnswers = Callable[[Home, "ModelPackage", str, str], Any]
"""Makes answers of home, model package, the version's label and the role that it plays."""


class Loading(Generic[Loaded]):
    """The answers of a service, for as long as it is entered."""

    def __init__(self, model: str, answers: MakesAnswers):
        self._model = model
        self._answers = answers
        self._loaded: asyncio.Task[Loaded] | None = None
        self._limiter: anyio.CapacityLimiter | None = None

    async def __aenter__(self) -> "Loading[Loaded]":
        """Begin to load, in a thread."""
        self._limiter = anyio.CapacityLimiter(_THREADS)
        self._loaded = asyncio.create_task(asyncio.to_thread(self._loading))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._loaded is not None
        self._loaded.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self._loaded

    async def ask(self, how: Callable[[Loaded, Question], Answer], question: Question) -> Answer:
        """Answer a question in a thread.

        Raises
        ------
        Problem
            503 while the model is being loaded, or when it cannot be.
        """
        answers = self._ready()
        return await to_thread.run_sync(how, answers, question, limiter=self._limiter)

    async def check(self) -> None:
        """Refuse unless a question asked now would be answered.

        Raises
        ------
        Problem
            503, saying why.
        """
        answers = self._ready()
        try:
            await to_thread.run_sync(answers.warm, limiter=self._limiter)
        except RecoupError as error:
            raise problems.busy(str(error), 10) from error

    def _loading(self) -> Loaded:
        try:
            home, package, label = bento.contents()
            answers: Loaded = self._answers(home, package, label, CHAMPION)
        except Exception:
            logging.getLogger(__name__).exception("the model cannot be loaded")
            raise
        try:
            answers.warm()
        except RecoupError as error:  # an empty online store: not ready yet, and may become so
            logging.getLogger(__name__).warning("not ready: %s", error)
        # full collections over all that was imported would cost an answer hundreds of milliseconds
        gc.collect()
        gc.freeze()
        return answers

    def _ready(self) -> Loaded:
        loaded = self._loaded
        if loaded is None or not loaded.done():
            raise problems.busy("the model is being loaded", 2)
        if error := loaded.exception():
            raise problems.busy(f"the model cannot be loaded: {error}", 60)
        return loaded.result()
