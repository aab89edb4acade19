"""A file of the journal while a process writes it."""

import threading
from dataclasses import dataclass

from serving.journal import chain
from serving.journal.keeper import Lost, Sink


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

    One that is ``broken`` gets no further lines: what was written may not be there.
    """

    def __init__(self, name: Name, sink: Sink, key: bytes, before: "OpenFile | None"):
        self.name, self.size, self.broken = name, 0, False
        self.last: bytes = before.last if before else chain.START
        self._key, self._after = key, str(before.name) if before else ""
        self._sink, self._synced, self._syncing, self._turn = sink, 0, False, threading.Condition()

    def write(self, bodies: list[bytes], decided_at: str) -> list[str]:
        """Write records, all or none.

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
            When they are not taken; then the file may be ``broken``.
        """
        lines: list[bytes] = []
        ids, offset, last = [], self.size, self.last
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
        try:
            if self.broken:
                raise OSError("what was written is lost")
            self._sink.append(self.size, lines)
        except OSError as error:
            self.broken |= isinstance(error, Lost)
            raise
        self.size, self.last = offset, last
        return ids

    def sync(self, size: int) -> None:
        """Return when the first bytes of the file are safe, brought there by one thread for all that wait.

        Raises
        ------
        OSError
            When they may not be, or the file was removed; then it is ``broken``.
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
            self._sink.reach()
            self._synced = written
        except OSError:
            self.broken = True
            raise
        finally:
            with self._turn:
                self._syncing = False
                self._turn.notify_all()

    def require_present(self) -> None:
        """Refuse when others would not find the file.

        Raises
        ------
        OSError
            Then it is ``broken``.
        """
        try:
            self._sink.require_present()
        except OSError:
            self.broken = True
            raise

    def close(self) -> None:
        """Let go of the file."""
        with self._turn:
            while self._syncing:
                self._turn.wait()
            self._sink.close()

    def _head(self) -> bytes:
        """Return the first line: which file this is, after which other, and the digest that the chain goes on from."""
        return f'"file":"{self.name}","after":"{self._after}","follows":"{self.last.hex()}"}}'.encode()
