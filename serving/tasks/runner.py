"""Tasks done one after another, each in a process of its own, beside the service that answers."""

import asyncio
import contextlib
import fcntl
import json
import logging
import signal
import sys
from pathlib import Path
from typing import IO

from features.errors import RecoupError
from serving.tasks.tasks import Tasks

_LOOK_SECONDS = 0.3
_MEND_SECONDS = 5
_CODE = Path(__file__).parents[2]


class Runner:
    """Does waiting tasks for as long as it is entered.

    Several workers of a service may hold one each; only the first to come does them, and when it is gone
    the next takes over.

    Parameters
    ----------
    folder : Path
        Of the tasks.
    module : str
        What does a task: ``python -m MODULE TASK_FOLDER``; see `serving.tasks.worker`.
    """

    def __init__(self, folder: Path, module: str):
        self._tasks, self._folder, self._module = Tasks(folder), folder, module
        self._work: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Runner":
        self._work = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._work is not None
        self._work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._work

    async def _run(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "runner.lock").open("w") as lock:
            while not _sole(lock):
                await asyncio.sleep(_LOOK_SECONDS)
            cut_off = True
            while True:
                try:
                    self._tasks.put_back(cut_off)
                    cut_off = False
                    while begun := self._tasks.begin():
                        await self._do(begun.task_id)
                    await asyncio.sleep(_LOOK_SECONDS)
                except (OSError, ValueError, RecoupError) as error:  # a full disk, a file that somebody changed
                    logging.getLogger(__name__).warning("tasks wait: %s", error)
                    await asyncio.sleep(_MEND_SECONDS)

    async def _do(self, task_id: str) -> None:
        folder = self._tasks.folder(task_id)
        (folder / "outcome.json").unlink(missing_ok=True)
        (folder / "steps.json").unlink(missing_ok=True)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", self._module, str(folder), cwd=_CODE, stdin=asyncio.subprocess.PIPE
        )
        try:
            while process.returncode is None and self._tasks.status(task_id).state == "running":
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), _LOOK_SECONDS)
        except asyncio.CancelledError:
            self._tasks.put_back(cut_off=False)
            raise
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        self._note(task_id, folder, process.returncode)

    def _note(self, task_id: str, folder: Path, code: int | None) -> None:
        written = folder / "outcome.json"
        outcome = json.loads(written.read_bytes()) if written.is_file() else {}
        if "decision_id" in outcome:
            self._tasks.end(task_id, "done", decision_id=outcome["decision_id"])
        elif code is not None and code < 0:  # a signal: SIGTERM comes when the service is being stopped
            self._tasks.put_back(cut_off=code != -signal.SIGTERM)
        else:
            why = f"it ended with code {code} and no word; the service's log may say more"
            self._tasks.end(task_id, "failed", error=outcome.get("error", why))


def _sole(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
