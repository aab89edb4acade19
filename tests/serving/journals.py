"""A journal as somebody finds it who may write where it is kept: in files, or in rows of PostgreSQL."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from features.home import Home
from serving.journal import Journal
from serving.journal.keeper import TABLES
from serving.journal.verification import verify
from tests import servers

MANIFEST = "manifest"
RECORD = {"kind": "price", "subject": "L1", "score": 0.1 + 0.2, "features": {"balance": 1e-7, "grade": None}}


class Files:
    """The files of a home's journal."""

    def __init__(self, home: Home):
        self.folder = home.journal

    def names(self) -> list[str]:
        return sorted(path.stem for path in self.folder.glob("2*.jsonl"))

    def lines(self, name: str) -> list[bytes]:
        return (self.folder / f"{name}.jsonl").read_bytes().splitlines(keepends=True)

    def put(self, name: str, lines: list[bytes]) -> None:
        (self.folder / f"{name}.jsonl").write_bytes(b"".join(lines))

    def remove(self, name: str) -> None:
        (self.folder / f"{name}.jsonl").unlink()

    def tables(self) -> list[str]:
        return sorted(path.name for path in (self.folder / TABLES).iterdir())

    def put_table(self, name: str, content: bytes) -> None:
        (self.folder / TABLES / name).write_bytes(content)

    def remove_table(self, name: str) -> None:
        (self.folder / TABLES / name).unlink()

    def remove_all(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def settle(self) -> None:
        """Wait for nothing: a lock goes with its process."""


class Rows:
    """The rows of a journal in PostgreSQL."""

    def __init__(self, home: Home):
        self.url = os.environ["RECOUP_POSTGRES_URL"]

    def ask(self, statement: str, *given) -> list[tuple]:
        with psycopg.connect(self.url, autocommit=True) as database:
            cursor = database.execute(statement, given)
            return cursor.fetchall() if cursor.description else []

    def names(self) -> list[str]:
        return [name for (name,) in self.ask("SELECT name FROM journal.files WHERE name <> 'manifest' ORDER BY 1")]

    def lines(self, name: str) -> list[bytes]:
        return [line for (line,) in self.ask("SELECT line FROM journal.lines WHERE file = %s ORDER BY start", name)]

    def put(self, name: str, lines: list[bytes]) -> None:
        with psycopg.connect(self.url) as database:
            database.execute("DELETE FROM journal.lines WHERE file = %s", [name])
            database.execute("INSERT INTO journal.files VALUES (%s) ON CONFLICT DO NOTHING", [name])
            start = 0
            for line in lines:
                database.execute("INSERT INTO journal.lines VALUES (%s, %s, %s)", [name, start, line])
                start += len(line)

    def remove(self, name: str) -> None:
        self.ask("DELETE FROM journal.lines WHERE file = %s", name)
        self.ask("DELETE FROM journal.files WHERE name = %s", name)

    def tables(self) -> list[str]:
        return [name for (name,) in self.ask("SELECT name FROM journal.tables ORDER BY 1")]

    def put_table(self, name: str, content: bytes) -> None:
        self.ask("UPDATE journal.tables SET content = %s WHERE name = %s", content, name)

    def remove_table(self, name: str) -> None:
        self.ask("DELETE FROM journal.tables WHERE name = %s", name)

    def remove_all(self) -> None:
        self.ask("DROP SCHEMA IF EXISTS journal CASCADE")

    def settle(self) -> None:
        """Wait until the server has seen that the writers are gone."""
        end = time.monotonic() + 10
        while self.ask("SELECT FROM pg_locks WHERE locktype = 'advisory' AND database = "
                       "(SELECT oid FROM pg_database WHERE datname = current_database())"):  # fmt: skip
            assert time.monotonic() < end
            time.sleep(0.02)


Kept = Files | Rows


def child(code, home, **more):
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())} | more
    return subprocess.Popen([sys.executable, "-c", code, str(home.root)], env=environment, stdout=subprocess.PIPE)


@contextmanager
def kept_in(keeper: str) -> Iterator[type[Files] | type[Rows]]:
    """Choose where journals are kept: ``files`` or ``postgres``, which is a database of its own."""
    if keeper == "files":
        with servers.embedded_profile():
            yield Files
        return
    with servers.server_profile(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOUP_JOURNAL", "postgres")
        yield Rows


@contextmanager
def spoiling(journal: Kept, *names: str) -> Iterator[None]:
    """Put files back afterwards as they were."""
    before = {name: journal.lines(name) for name in names}
    try:
        yield
    finally:
        for name, lines in before.items():
            journal.put(name, lines)


@contextmanager
def two_writers(keeper: str, folder: Path) -> Iterator[tuple[Home, Kept, str]]:
    """Write a journal of two writers with three files each; gives its home, what is kept, and its head."""
    home = Home(folder)
    with kept_in(keeper) as shown:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RECOUP_JOURNAL_MAX_BYTES", "1000")
            for run in range(2):
                journal = Journal(home)
                for row in range(12):
                    journal.append(RECORD | {"run": run, "row": row})
                journal.close()
        found = verify(home)
        assert found.faults == [] and (found.files, found.records, found.open) == (6, 24, 0)
        yield home, shown(home), found.head
