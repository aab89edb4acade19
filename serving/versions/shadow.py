"""A challenger asked beside the answers: scored and journalled, never answered."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from prometheus_client import Counter

_WAITING = 64
_REST = 4.0
"""How many times as long as a question took the shadow rests after it: the interpreter's lock is the answers'."""
SHADOWED = Counter("recoup_shadowed", "Questions to the shadow, by what became of them", ["outcome"])


class Shadow:
    """Asks in one thread, one question after another, with a rest after each.

    The busier the answers, the longer a question waits for the interpreter's lock, and the longer the rest: the
    shadow gets what they leave. What comes in while too many wait is left out.
    """

    def __init__(self) -> None:
        self._waiting: queue.Queue[Callable[[], Any]] = queue.Queue(_WAITING)

    def start(self) -> None:
        """Begin to ask, in a thread that ends with the process."""
        threading.Thread(target=self._run, name="shadow", daemon=True).start()

    def offer(self, ask: Callable[[], Any]) -> None:
        """Have a question asked when its turn comes; returns at once."""
        try:
            self._waiting.put_nowait(ask)
        except queue.Full:
            SHADOWED.labels("left_out").inc()

    def _run(self) -> None:
        while True:
            ask, begin = self._waiting.get(), time.perf_counter()
            try:
                ask()
                SHADOWED.labels("journalled").inc()
            except Exception:  # whatever befalls the shadow, the answers go on
                SHADOWED.labels("failed").inc()
                logging.getLogger(__name__).exception("the shadow fails")
            time.sleep(_REST * (time.perf_counter() - begin))
