"""A journal in PostgreSQL: a row for each line, a session for each process that writes.

What the threads of a process wait for is written by one of them in one statement, committed when it returns.
A session holds an advisory lock on its file; a server that restarts, or does not answer in time, ends both,
and the next decision begins a file by a session of its own.

This module loads the PostgreSQL client; `serving.journal.keeper.Settings.keeper` loads it only where it is needed.
"""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from features.errors import RecoupError
from features.postgres import connected
from serving.journal.keeper import MANIFEST

_ANSWER_S = 3
"""How long the server may take to be reached, and to commit; somebody waits."""
_REST_S = 1
"""How long decisions are refused at once after it did not: not each shall wait in vain."""
_TABLES = f"""
CREATE SCHEMA IF NOT EXISTS journal;
CREATE TABLE IF NOT EXISTS journal.files (name text PRIMARY KEY);
INSERT INTO journal.files VALUES ('{MANIFEST}') ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS journal.lines
    (file text REFERENCES journal.files, start bigint, line bytea NOT NULL, PRIMARY KEY (file, start));
CREATE TABLE IF NOT EXISTS journal.tables (name text PRIMARY KEY, content bytea NOT NULL);
"""
_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended('journal', 0))"
_ADD = "INSERT INTO journal.lines SELECT %s, * FROM unnest(%b::bigint[], %b::bytea[])"
# a commit that is not waited for reaches the disk within three times the WAL writer's pause, says PostgreSQL's manual
_COMMIT = """
SELECT set_config('synchronous_commit', CASE WHEN 3 * setting::float8 <= 1000 * %s THEN 'off' ELSE 'on' END, false)
FROM pg_settings WHERE name = 'wal_writer_delay'
"""


class Database:
    """Keeps a journal in a database's schema ``journal``; see `serving.journal.keeper.Keeper`."""

    waits = True

    def __init__(self, url: str, sync_seconds: float):
        self._url, self._sync_seconds, self._rests_until = url, sync_seconds, 0.0

    def __str__(self) -> str:
        return "PostgreSQL"

    @contextmanager
    def shelf(self, alone: bool = False) -> Iterator["_Shelf"]:
        """Open a transaction; alone, it is the only such one."""
        if time.monotonic() < self._rests_until:
            raise RecoupError("the PostgreSQL server of the journal did not answer a moment ago")
        try:
            with connected(self._url, _ANSWER_S) as connection:
                if connection.execute("SELECT to_regclass('journal.tables')").fetchone() == (None,):
                    connection.execute(_ALONE)
                    connection.execute(_TABLES)
                    connection.commit()
                if alone:
                    connection.execute(_ALONE)
                yield _Shelf(connection)
        except RecoupError as error:
            if isinstance(error.__cause__, psycopg.Error):
                self._rests_until = time.monotonic() + _REST_S
            raise

    def begin(self, name: str) -> "_Sink":
        """Make a file, by a session of its own."""
        with _answering():
            session = _Session.connect(self._url, autocommit=True, connect_timeout=_ANSWER_S)
        try:
            return _Sink(session, name, self._sync_seconds)
        except OSError:
            session.close()
            raise

    def require_room(self) -> None:
        """Ask nothing: a server that has no room refuses a write and loses nothing."""


class _Session(psycopg.Connection[Any]):
    """A connection to a server that has to answer in time."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = _ANSWER_S) -> Any:
        """Wait for an answer."""
        return super().wait(gen, interval, timeout)


class _Sink:
    """A file that a session writes."""

    def __init__(self, session: _Session, name: str, sync_seconds: float):
        self._session, self._name = session, name
        self._taken: deque[tuple[int, bytes]] = deque()
        with _answering():
            session.execute(_COMMIT, [sync_seconds])
            session.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])
            session.execute("INSERT INTO journal.files VALUES (%s)", [name])

    def append(self, offset: int, lines: list[bytes]) -> None:
        """Take lines, which `reach` commits."""
        for line in lines:
            self._taken.append((offset, line))
            offset += len(line)

    def reach(self) -> None:
        """Commit what was taken, in one statement."""
        taken = [self._taken.popleft() for _ in range(len(self._taken))]
        if not taken:
            return
        with _answering():
            self._session.execute(_ADD, [self._name, [start for start, _ in taken], [line for _, line in taken]])

    def require_present(self) -> None:
        """Refuse when the server does not know the file, or does not answer."""
        with _answering():
            found = self._session.execute("SELECT FROM journal.files WHERE name = %s", [self._name]).fetchone()
        if found is None:
            raise FileNotFoundError(f"{self._name} was removed while it was written")

    def close(self) -> None:
        """End the session."""
        self._session.close()

    def discard(self) -> None:
        """Let go of the file, which has no line, and take it out."""
        with suppress(psycopg.Error):
            self._session.execute("DELETE FROM journal.files WHERE name = %s", [self._name])
        self.close()


class _Shelf:
    """The files as one transaction sees them."""

    def __init__(self, connection: psycopg.Connection[Any]):
        self._connection = connection

    def names(self) -> list[str]:
        """Return the files that there are."""
        found = self._connection.execute("SELECT name FROM journal.files WHERE name <> %s ORDER BY 1", [MANIFEST])
        return [name for (name,) in found]

    def lines(self, name: str) -> Iterator[tuple[int, bytes]]:
        """Yield a file's lines, as they come."""
        with self._connection.cursor("lines", binary=True) as cursor:
            yield from cursor.execute("SELECT start, line FROM journal.lines WHERE file = %s ORDER BY start", [name])

    def last(self, name: str) -> tuple[int, bytes]:
        """Return where a file's lines end, and the last of them."""
        found = self._connection.execute(
            "SELECT start + length(line), line FROM journal.lines WHERE file = %s ORDER BY start DESC LIMIT 1", [name]
        ).fetchone()
        return found or (0, b"")

    def line(self, name: str, offset: int) -> bytes:
        """Return the line that begins at a byte."""
        found = self._connection.execute(
            "SELECT line FROM journal.lines WHERE file = %s AND start = %s", [name, offset]
        ).fetchone()
        return found[0] if found else b""

    def in_use(self, name: str) -> bool:
        """Tell whether a session holds the file."""
        (free,) = self._connection.execute(
            "SELECT pg_try_advisory_xact_lock_shared(hashtextextended(%s, 0))", [name]
        ).fetchone() or (False,)
        return not free

    def add(self, name: str, offset: int, lines: list[bytes]) -> None:
        """Add lines, which leaving the transaction commits."""
        starts = [offset]
        for line in lines:
            starts.append(starts[-1] + len(line))
        self._connection.execute(_ADD, [name, starts[:-1], lines])

    def remove(self, names: list[str]) -> None:
        """Remove files and their lines."""
        for table, column in (("lines", "file"), ("files", "name")):
            self._connection.execute(
                SQL("DELETE FROM {} WHERE {} = ANY(%s)").format(Identifier("journal", table), Identifier(column)),
                [names],
            )

    def keep_table(self, name: str, content: bytes) -> None:
        """Add a table, which leaving the transaction commits."""
        self._connection.execute("INSERT INTO journal.tables VALUES (%s, %b)", [name, content])

    def table(self, name: str) -> bytes | None:
        """Return a table; None where there is none."""
        with self._connection.cursor(binary=True) as cursor:
            found = cursor.execute("SELECT content FROM journal.tables WHERE name = %s", [name]).fetchone()
        return found[0] if found else None

    def remove_tables(self, names: list[str]) -> None:
        """Remove tables."""
        self._connection.execute("DELETE FROM journal.tables WHERE name = ANY(%s)", [names])


@contextmanager
def _answering() -> Iterator[None]:
    """Turn what a session meets into what a disk would say."""
    try:
        yield
    except psycopg.Error as error:
        raise OSError(f"its server does not do what it is asked: {' '.join(str(error).split())}") from error
