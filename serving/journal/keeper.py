"""What keeps a journal's lines, in files of a folder or rows of a database: what each has to offer."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from features.environment import database_url
from features.errors import RecoupError
from features.home import Home
from serving.journal import chain
from serving.settings import number, whole

MANIFEST = "manifest"
"""The file that lists the others, which `Shelf.names` leaves out."""
TABLES = "tables"
"""What a record calls its tables, and where they are kept beside the journal's files."""
_VARIABLE = "RECOUP_JOURNAL"


class Lost(OSError):
    """What was written may not be what was meant, so that nothing may follow it."""


class Sink(Protocol):
    """A file that this process adds lines to; it is marked as in use until it is closed or the process is gone."""

    def append(self, offset: int, lines: list[bytes]) -> None:
        """Take lines that begin at a byte of the file; one thread at a time.

        Raises
        ------
        OSError
            When they are not taken, none of them; `Lost` where a part was.
        """
        ...

    def reach(self) -> None:
        """Bring to safety all that was taken; one thread at a time, beside `append`.

        Raises
        ------
        OSError
            When it may not be safe.
        """
        ...

    def require_present(self) -> None:
        """Refuse when others would not find the file.

        Raises
        ------
        OSError
        """
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...

    def discard(self) -> None:
        """Let go of the file, which has no line yet, and take it out."""
        ...


class Shelf(Protocol):
    """The files of a journal as they stand."""

    def names(self) -> list[str]:
        """Return the files that there are, in order."""
        ...

    def lines(self, name: str) -> Iterator[tuple[int, bytes]]:
        """Yield a file's lines with the byte where each begins; the last may be torn. Nothing where there is none."""
        ...

    def last(self, name: str) -> tuple[int, bytes]:
        """Return where a file's whole lines end, and the last of them: empty where there is none."""
        ...

    def line(self, name: str, offset: int) -> bytes:
        """Return the line that begins at a byte of a file; empty where there is none."""
        ...

    def in_use(self, name: str) -> bool:
        """Tell whether a process may still add to a file."""
        ...

    def add(self, name: str, offset: int, lines: list[bytes]) -> None:
        """Add lines where a file's whole lines end; they are safe when the shelf is left."""
        ...

    def remove(self, names: list[str]) -> None:
        """Take files out."""
        ...

    def keep_table(self, name: str, content: bytes) -> None:
        """Keep a table under a name that no other has; it is safe when the shelf is left."""
        ...

    def table(self, name: str) -> bytes | None:
        """Return a table; None where there is none."""
        ...

    def remove_tables(self, names: list[str]) -> None:
        """Take tables out; one that is not there is no matter."""
        ...


class Keeper(Protocol):
    """Where a journal is; in words as text.

    Attributes
    ----------
    waits : bool
        Whether lines have to `Sink.reach` safety before what they say may be answered; without it, `Sink.append`
        is enough for them to outlive the process.
    """

    waits: bool

    def shelf(self, alone: bool = False) -> AbstractContextManager[Shelf]:
        """Open the shelf; ``alone``: for one at a time, who may add and remove.

        Raises
        ------
        RecoupError
            When it cannot be reached.
        """
        ...

    def begin(self, name: str) -> Sink:
        """Begin a file that there is not.

        Raises
        ------
        OSError
        """
        ...

    def require_room(self) -> None:
        """Refuse where there is no room for a decision.

        Raises
        ------
        OSError
        """
        ...


@dataclass(frozen=True)
class Settings:
    """How a journal is written.

    Attributes
    ----------
    folder : Path
        Where its files are.
    database : str, optional
        URL of the PostgreSQL database that keeps it instead; ``RECOUP_JOURNAL`` is ``postgres``.
    key : bytes
        Of the digests; ``RECOUP_JOURNAL_KEY``.
    sync_seconds : float
        Within which a record reaches the disk; 0 is before `serving.journal.writer.Writer.write` returns.
        ``RECOUP_JOURNAL_SYNC_SECONDS``.
    file_bytes : int
        Beyond which a file is ended; ``RECOUP_JOURNAL_MAX_BYTES``.
    """

    folder: Path
    database: str | None
    key: bytes
    sync_seconds: float
    file_bytes: int

    def keeper(self) -> Keeper:
        """Return what keeps the journal."""
        if self.database is None:
            from serving.journal.folder import Folder

            return Folder(self.folder, self.sync_seconds)
        from serving.journal.database import Database

        return Database(self.database, self.sync_seconds)


def settings(home: Home) -> Settings:
    """Return what the environment sets for a home's journal.

    Raises
    ------
    RecoupError
        When a number makes no sense, the key is too short, or the journal is to be in a database that is not set.
    """
    chosen = os.environ.get(_VARIABLE, "files")
    if chosen not in ("files", "postgres"):
        raise RecoupError(f"{_VARIABLE} is {chosen!r}: set it to files or postgres")
    database = database_url() if chosen == "postgres" else None
    if chosen == "postgres" and database is None:
        raise RecoupError(f"{_VARIABLE} is postgres: that needs the server profile, RECOUP_PROFILE=server")
    return Settings(
        folder=home.journal,
        database=database,
        key=chain.chain_key(),
        sync_seconds=number("RECOUP_JOURNAL_SYNC_SECONDS", 1.0),
        file_bytes=whole("RECOUP_JOURNAL_MAX_BYTES", 256 << 20),
    )
