"""A file of the journal while a process writes it."""

import fcntl
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from serving.journal import chain


@dataclass(frozen=True)
class Name:
    """The name of a file: its day, its writer, and which of that writer's files it is, from 1."""

    day: str
    writer: str
    part: int

    def __str__(self) -> str:
        return f"{self.day}-{self.writer}-{self.part}"

    def next(self, day: str) -> "Name":
        """Return the name of the writer's file after this one."""
        return Name(day, self.writer, self.part + 1)


class OpenFile:
    """A file that this process writes; one thread at a time may `write`, any may `sync`.

    Its lock (``flock``) is held until it is closed or the process is gone, so that others know whether it
    may still grow. One that is ``broken`` gets no further lines: the disk may not have what was written.

    Raises
    ------
    FileExistsError
        When another writer has the name.
    """

    def __init__(self, name: Name, folder: Path, key: bytes, before: "OpenFile | None"):
        self.name, self.path, self.size, self.broken = name, folder / f"{name}.jsonl", 0, False
        self.last: bytes = before.last if before else chain.START
        self._key, self._after = key, str(before.name) if before else ""
        self._synced, self._syncing, self._turn = 0, False, threading.Condition()
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o640)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def write(self, bodies: list[bytes], decided_at: str) -> list[str]:
        """Write records in one write.

        Parameters
        ----------
        bodies : list of bytes
            JSON objects without their first brace, none empty.
        decided_at : str
            In ISO 8601.

        Returns
        -------
        list of str
            Their decision ids.

        Raises
        ------
        OSError
            When the disk does not take them all; then it has none of them, or the file is ``broken``.
        """
        ids, lines, offset, last = [], [], self.size, self.last
        if not offset:
            line, last = chain.linked(self._head(), last, self._key)
            lines, offset = [line], len(line)
        for body in bodies:
            decision_id = f"{self.name}-{offset:x}"
            head = f'"decision_id":"{decision_id}","decided_at":"{decided_at}",'.encode()
            line, last = chain.linked(head + body, last, self._key)
            ids.append(decision_id)
            lines.append(line)
            offset += len(line)
        self._append(b"".join(lines), last)
        return ids

    def sync(self, size: int) -> None:
        """Return when the first bytes of the file are on disk, by one fsync for all threads that wait.

        Raises
        ------
        OSError
            When they are not, or the file was removed; then it is ``broken``.
        """
        with self._turn:
            while self._syncing and self._synced < size:
                self._turn.wait()
            if self._synced >= size:
                return
            if self.broken:
                raise OSError("what was written is lost")
            self._syncing, written = True, self.size
        try:
            os.fsync(self._file)
            self.require_present()
            self._synced = written
        except OSError:
            self.broken = True
            raise
        finally:
            with self._turn:
                self._syncing = False
                self._turn.notify_all()

    def require_present(self) -> None:
        """Refuse when the file's name does not lead to it any more.

        Raises
        ------
        OSError
            Then it is ``broken``.
        """
        try:
            if self.path.stat().st_ino != os.fstat(self._file).st_ino:
                raise FileNotFoundError(f"{self.path} was replaced while it was written")
        except OSError:
            self.broken = True
            raise

    def close(self) -> None:
        """Let go of the file."""
        with self._turn:
            while self._syncing:
                self._turn.wait()
            os.close(self._file)

    def _head(self) -> bytes:
        """Return the first line: which file this is, after which other, and the digest that the chain goes on from."""
        return f'"file":"{self.name}","after":"{self._after}","follows":"{self.last.hex()}"}}'.encode()

    def _append(self, content: bytes, last: bytes) -> None:
        try:
            if os.write(self._file, content) != len(content):
                raise OSError("the disk took only a part")
        except OSError:
            self._undo()
            raise
        self.size, self.last = self.size + len(content), last

    def _undo(self) -> None:
        """Cut off what a write left of a record."""
        try:
            os.ftruncate(self._file, self.size)
        except OSError:
            self.broken = True
