"""Tasks given to a service, as files: what was asked, how far it is, what came out.

A task is a folder. What was asked is written once; the state is replaced whole, by whoever
holds the lock of all tasks. So a killed service finds every task as it was, and several workers
agree on one queue.
"""

import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from features.errors import RecoupError
from features.files import locked, replace

State = Literal["waiting", "running", "done", "failed", "cancelled"]
ENDED = ("done", "failed", "cancelled")
OUT = "out"
"""Where a task's result lies in its folder."""
ATTEMPTS = 2
"""How often a task is begun: one that was cut off twice is not tried again."""


class Asked(BaseModel):
    """What a task is to do, and for whom; each kind of task adds its own."""

    owner: str
    received_at: datetime


class Status(BaseModel):
    """How far a task is."""

    model_config = {"json_schema_extra": {"examples": [{
        "task_id": "8b0e3f6c4dd24a5f9f0b1a7c5e2d9a10", "state": "running", "share": 0.33,
        "steps": ["reading tape.csv as canonical"], "attempts": 1, "error": None, "decision_id": None,
        "received_at": "2026-01-05T08:00:00Z", "ended_at": None,
    }]}}  # fmt: skip

    task_id: str
    state: State = "waiting"
    share: float = Field(default=0.0, ge=0, le=1, description="of the steps that are behind")
    steps: list[str] = Field(default=[], description="what was done so far")
    attempts: int = Field(default=0, description="how often it was begun; again after the service was killed")
    error: str | None = Field(default=None, description="why it failed, and what to do")
    decision_id: str | None = Field(default=None, description="its entry in the journal")
    received_at: datetime
    ended_at: datetime | None = None


class UnknownTask(RecoupError):
    """There is no such task."""


class Full(RecoupError):
    """As many tasks wait as may."""


class Tasks:
    """The tasks of one kind, which a folder holds."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._open = folder / "open"  # an empty file per task that has not ended

    def folder(self, task_id: str) -> Path:
        """Return where a task's files are.

        Raises
        ------
        UnknownTask
        """
        folder = self._folder / task_id
        if not (task_id.isalnum() and (folder / "asked.json").is_file()):
            raise UnknownTask(f"no task {task_id!r}")
        return folder

    @contextmanager
    def upload(self) -> Iterator[Path]:
        """Give a folder to receive a task in; what is left there in the end is removed."""
        folder = self._folder / f".{uuid.uuid4().hex}"
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def add(self, upload: Path, asked: Asked, most: int) -> Status:
        """Make a task of an upload.

        Raises
        ------
        Full
            When ``most`` tasks are waiting or running.
        """
        status = Status(task_id=upload.name.removeprefix("."), received_at=asked.received_at)
        replace(upload / "asked.json", asked.model_dump_json().encode())
        replace(upload / "state.json", status.model_dump_json().encode())
        with locked(self._folder):
            self.require_room(most)
            self._open.mkdir(exist_ok=True)
            (self._open / status.task_id).touch()
            upload.rename(self._folder / status.task_id)
        return status

    def require_room(self, most: int) -> None:
        """Refuse when ``most`` tasks are waiting or running.

        Raises
        ------
        Full
        """
        if len(self.open()) >= most:
            raise Full(f"{most} tasks are waiting or being done")

    def asked(self, task_id: str) -> Asked:
        """Return for whom a task is."""
        return Asked.model_validate_json((self.folder(task_id) / "asked.json").read_bytes())

    def status(self, task_id: str) -> Status:
        """Return how far a task is."""
        folder = self.folder(task_id)
        status = Status.model_validate_json((folder / "state.json").read_bytes())
        told = folder / "steps.json"
        if told.is_file() and status.state == "running":
            status = status.model_copy(update=json.loads(told.read_bytes()))
        return status

    def open(self) -> list[Status]:
        """Return the tasks that are waiting or running, oldest first."""
        found = []
        for mark in self._open.glob("*"):
            with suppress(UnknownTask):  # killed between the mark and the task
                found.append(self.status(mark.name))
        waiting = [status for status in found if status.state not in ENDED]
        return sorted(waiting, key=lambda status: (status.received_at, status.task_id))

    def begin(self) -> Status | None:
        """Take the oldest waiting task; nothing when none waits."""
        with locked(self._folder):
            for status in self.open():
                if status.state == "waiting":
                    return self._set(status, state="running", attempts=status.attempts + 1, steps=[], share=0.0)
        return None

    def put_back(self, cut_off: bool) -> None:
        """Let running tasks wait again.

        Parameters
        ----------
        cut_off : bool
            They ran when the service or what does them was killed: one that saw this `ATTEMPTS` times has
            failed. Otherwise the service is being stopped, and the attempt does not count.
        """
        with locked(self._folder):
            for status in self.open():
                if status.state != "running":
                    continue
                if cut_off and status.attempts >= ATTEMPTS:
                    why = f"it was killed {ATTEMPTS} times: is there memory enough?"
                    self._end(status, "failed", why)
                else:
                    self._set(status, state="waiting", attempts=status.attempts - (not cut_off))

    def end(self, task_id: str, state: State, error: str | None = None, decision_id: str | None = None) -> None:
        """Say how a running task ended, unless it was cancelled before."""
        with locked(self._folder):
            status = self.status(task_id)
            if status.state not in ENDED:
                self._end(status, state, error, decision_id)

    def cancel(self, task_id: str) -> Status | None:
        """End a task that is waiting or running; nothing when it had ended."""
        with locked(self._folder):
            status = self.status(task_id)
            return None if status.state in ENDED else self._end(status, "cancelled")

    def _end(self, status: Status, state: State, error: str | None = None, decision_id: str | None = None) -> Status:
        share, now = 1.0 if state == "done" else status.share, datetime.now(UTC)
        ended = self._set(status, state=state, share=share, error=error, decision_id=decision_id, ended_at=now)
        (self._open / status.task_id).unlink(missing_ok=True)
        return ended

    def _set(self, status: Status, **changes: object) -> Status:
        changed = status.model_copy(update=changes)
        replace(self.folder(status.task_id) / "state.json", changed.model_dump_json().encode())
        return changed
