"""Tasks over HTTP: one comes in and is done beside the answers; status and result are fetched."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from features import home as homes
from features.home import Home
from serving.http import gate, operation, problems
from serving.http.operation import Operation, Parameter
from serving.http.problems import Problem
from serving.tasks.runner import Runner
from serving.tasks.tasks import ENDED, OUT, Asked, Full, Status, Tasks, UnknownTask

PARQUET = "application/vnd.apache.parquet"
_SECONDS = 5
"""When to ask again."""
_TASK = Parameter(
    "task_id", "path", "as the answer to what was given in says", {"type": "string"},
    "8b0e3f6c4dd24a5f9f0b1a7c5e2d9a10",
)  # fmt: skip
_UNKNOWN = {404: "there is no such task"}
_UNFINISHED = _UNKNOWN | {409: "the task has not ended, or has no result; its status says more"}


@dataclass(frozen=True)
class Result:
    """A file of a task's result, and the operation that answers it: ``/PATH/TASK/PLACE``."""

    name: str
    place: str
    about: str
    file: str
    media: str


@dataclass(frozen=True)
class Incoming:
    """A task that comes in: ``folder`` takes what it needs."""

    kind: "Kind"
    request: Request
    folder: Path

    def accepted(self, asked: type[Asked], **fields: Any) -> Response:
        """Make a task of it, and answer where to ask for it."""
        told = asked(owner=gate.holder(self.request).id, received_at=datetime.now(UTC), **fields)
        most = self.request.app.state.limits.waiting_tasks
        status = self.kind.tasks().add(self.folder, told, most)
        headers = {"Location": f"{self.kind.path}/{status.task_id}", "Retry-After": str(_SECONDS)}
        return operation.answered(status, 202, headers)


@dataclass(frozen=True)
class Kind:
    """A kind of task that a service takes in.

    Attributes
    ----------
    what : str
        It is about, such as ``a tape``.
    path, scope : str
        Of its operations, and what a key must open for them.
    room : callable
        Of a home: the folder of the tasks.
    module : str
        What does one; see `serving.tasks.worker`.
    results : tuple of Result
    """

    what: str
    path: str
    scope: str
    room: Callable[[Home], Path]
    module: str
    results: tuple[Result, ...]

    def tasks(self) -> Tasks:
        """Return those of the current home."""
        return Tasks(self.room(homes.current()))

    def runner(self) -> Runner:
        """Return what does them, for as long as it is entered."""
        return Runner(self.room(homes.current()), self.module)

    @contextmanager
    def incoming(self, request: Request) -> Iterator[Incoming]:
        """Take a task in.

        Raises
        ------
        Problem
            429 when as many wait as may, 503 when the disk does not take it.
        """
        tasks = self.tasks()
        try:
            tasks.require_room(request.app.state.limits.waiting_tasks)
            with tasks.upload() as folder:
                yield Incoming(self, request, folder)
        except Full as error:
            raise problems.busy(str(error), 60, status=429) from error
        except OSError as error:
            raise problems.busy(f"{self.what} cannot be kept: {error.strerror}", 60) from error

    def operations(self) -> tuple[Operation, ...]:
        """Return what may be asked of a task that was taken in."""
        task = f"{self.path}/{{task_id}}"
        return (
            Operation(
                name="task_status", method="GET", path=task, scope=self.scope, about=f"How far {self.what} is",
                handler=self._get_status, answered=Status, parameters=(_TASK,), refused=_UNKNOWN,
            ),
            Operation(
                name="cancel_task", method="DELETE", path=task, scope=self.scope, about=f"Stop working on {self.what}",
                handler=self._delete, answered=Status, parameters=(_TASK,),
                refused=_UNKNOWN | {409: "the task has ended"},
            ),
            *(
                Operation(
                    name=result.name, method="GET", path=f"{task}/{result.place}", scope=self.scope,
                    about=result.about, handler=self._answering(result), answered={result.media: result.file},
                    parameters=(_TASK,), refused=_UNFINISHED,
                )
                for result in self.results
            ),
        )  # fmt: skip

    async def _get_status(self, request: Request) -> Response:
        status = self._status(request)
        headers = {} if status.state in ENDED else {"Retry-After": str(_SECONDS)}
        return operation.answered(status, headers=headers)

    async def _delete(self, request: Request) -> Response:
        cancelled = self.tasks().cancel(self._status(request).task_id)
        if cancelled is None:
            raise Problem(409, "the task has ended")
        return operation.answered(cancelled)

    def _answering(self, result: Result) -> operation.Handler:
        async def get_file(request: Request) -> Response:
            status = self._status(request)
            if status.state != "done":
                raise Problem(409, f"the task is {status.state}", headers={"Retry-After": str(_SECONDS)})
            return FileResponse(self.tasks().folder(status.task_id) / OUT / result.file, media_type=result.media)

        return get_file

    def _status(self, request: Request) -> Status:
        """Return a task's status to who gave it in, or to an administrator."""
        tasks, key, task_id = self.tasks(), gate.holder(request), request.path_params["task_id"]
        try:
            if tasks.asked(task_id).owner == key.id or key.may("admin"):
                return tasks.status(task_id)
        except UnknownTask:
            pass
        raise Problem(404, "no such task")
