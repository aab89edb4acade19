"""Callers who ask a service again and again, while something is done to it."""

import asyncio
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import httpx

CALLERS = 4
PAUSE_S = 0.05


@dataclass
class Load:
    """What was asked and answered so far: ``(when, loan, status, body)`` in the order answered; status 0 is no answer.

    ``when`` is the time of the answer, in seconds of the monotonic clock.
    """

    seen: list = field(default_factory=list)

    def since(self, moment):
        """Return what was answered after a moment."""
        return [entry for entry in self.seen if entry[0] > moment]

    def wait_until(self, true_of, seconds=60):
        """Wait until an answer given from now on is as wanted; return it."""
        begin, checked = time.monotonic(), len(self.seen)
        while time.monotonic() < begin + seconds:
            for entry in self.seen[checked:]:
                checked += 1
                if true_of(entry):
                    return entry
            time.sleep(0.02)
        raise AssertionError(f"not within {seconds} s; the last answers: {self.seen[-3:]}")


def journalled(home):
    """Return the decisions of a home by their ids."""
    lines = [json.loads(line) for file in home.journal.glob("*.jsonl") for line in file.read_text().splitlines()]
    return {line["decision_id"]: line for line in lines if "decision_id" in line}


@contextmanager
def under_load(url, key, body, loans):
    """Ask ``/price`` for one loan after another while the block runs; gives the `Load`.

    Each caller uses a connection as long as it lives, as a caller in production does.
    """
    load, stop, turn = Load(), threading.Event(), count()

    async def caller():
        async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
            while not stop.is_set():
                loan = loans[next(turn) % len(loans)]
                try:
                    answer = await client.post("/price", json=body | {"loan_ids": [loan]})
                    entry = (time.monotonic(), loan, answer.status_code, answer.json())
                except httpx.TransportError as error:
                    entry = (time.monotonic(), loan, 0, repr(error))
                load.seen.append(entry)
                await asyncio.sleep(PAUSE_S)

    async def all_callers():
        await asyncio.gather(*(caller() for _ in range(CALLERS)))

    thread = threading.Thread(target=asyncio.run, args=(all_callers(),))
    thread.start()
    try:
        yield load
    finally:
        stop.set()
        thread.join()
