"""Online tables in one SQLite file: a table per view, a change per transaction."""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from features.errors import RecoupError
from features.online_store.tables import Found, Lead, NeverFilled, Plan, Standing, plan_of, text_of

_PATIENCE_S = 60.0
"""How long a writer waits for another."""
_MAPPED_BYTES = 1 << 31
"""How much of the file a reader maps into memory instead of copying page by page."""


class SqliteTables:
    """Tables in an SQLite file in write-ahead mode: readers go on while a writer writes."""

    def __init__(self, path: str):
        self._path = Path(path)
        self._own = threading.local()

    def read(self, ask: Callable[["_Transaction"], Found]) -> Found:
        """Return what is found in one consistent sight of the store.

        Raises
        ------
        NeverFilled
            When nothing was ever written.
        RecoupError
            When the file cannot be read, or lacks a table that its plan names.
        """
        with self._told():
            database = self._database()
            database.execute("BEGIN")
            try:
                return ask(self._sight(database))
            finally:
                if database.in_transaction:
                    database.execute("COMMIT")

    @contextmanager
    def writing(self) -> Iterator["_Transaction"]:
        """Open a change; it is committed on leaving, and undone by an exception or a kill."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self._path, isolation_level=None, timeout=_PATIENCE_S)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("BEGIN IMMEDIATE")
            database.execute("CREATE TABLE IF NOT EXISTS plan (one INTEGER PRIMARY KEY CHECK (one = 1), views TEXT)")
            change = _Transaction(database, _plan(database))
            there = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            # a view that lost its table begins anew
            change.plan = {view: standing for view, standing in change.plan.items() if _name(view) in there}
            yield change
            database.execute("INSERT OR REPLACE INTO plan VALUES (1, ?)", (text_of(change.plan),))
            database.execute("COMMIT")
        finally:
            database.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say of which file an error is, and open it anew at the next read."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self._own.file = None
            raise RecoupError(
                f"the online store {self._path} cannot be read: {error}; look at the file, or run `recoup materialize`"
            ) from error

    def _database(self) -> sqlite3.Connection:
        """Return this thread's connection for reading, to the file that is there now."""
        try:
            file = self._path.stat().st_ino
        except FileNotFoundError:
            raise NeverFilled from None
        if getattr(self._own, "file", None) != file:
            self._own.file = file
            self._own.database = sqlite3.connect(self._path, isolation_level=None, timeout=_PATIENCE_S)
            self._own.database.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
            self._own.version = None
        return self._own.database

    def _sight(self, database: sqlite3.Connection) -> "_Transaction":
        """Return what a read sees: plan and what was kept are those of the read before if nothing was written."""
        (version,) = database.execute("PRAGMA data_version").fetchone()
        if self._own.version != version:
            self._own.plan, self._own.kept, self._own.version = _plan(database), {}, version
        return _Transaction(database, self._own.plan, self._own.kept)


class _Transaction:
    """Reads and writes within one transaction."""

    def __init__(self, database: sqlite3.Connection, plan: Plan, kept: dict[Any, Any] | None = None):
        self._database = database
        self.plan = plan
        self.kept = {} if kept is None else kept

    def rows(self, asked: Mapping[str, Sequence[str]], ahead: Lead | None = None) -> dict[str, list[bytes | None]]:
        """Return, for each view, the packed row of every key asked."""
        if len(asked) > 1 and all(view in self.plan and len(keys) == 1 for view, keys in asked.items()):
            return self._one_each(asked)
        return {view: self._rows(view, keys) if view in self.plan else [None] * len(keys)
                for view, keys in asked.items()}  # fmt: skip

    def clear(self, view: str) -> None:
        """Begin a view's table anew."""
        self._database.execute(f"DROP TABLE IF EXISTS {_table(view)}")
        self._database.execute(f"CREATE TABLE {_table(view)} (key TEXT PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID")

    def put(self, view: str, rows: Iterable[tuple[str, bytes]]) -> None:
        """Write rows by key; keys in order are written fastest."""
        self._database.executemany(f"INSERT OR REPLACE INTO {_table(view)} VALUES (?, ?)", rows)

    def drop(self, view: str) -> None:
        """Take a view out of the store."""
        self._database.execute(f"DROP TABLE IF EXISTS {_table(view)}")
        self.plan = {name: standing for name, standing in self.plan.items() if name != view}

    def stand(self, view: str, standing: Standing) -> None:
        """Say how a view stands now."""
        self.plan = {**self.plan, view: standing}

    def _one_each(self, asked: Mapping[str, Sequence[str]]) -> dict[str, list[bytes | None]]:
        """Look up one key in each of several views by one statement."""
        found = self._database.execute(_select(tuple(asked)), [key for (key,) in asked.values()]).fetchone()
        return {view: [row] for view, row in zip(asked, found, strict=True)}

    def _rows(self, view: str, keys: Sequence[str]) -> list[bytes | None]:
        if len(keys) == 1:
            found = self._database.execute(f"SELECT row FROM {_table(view)} WHERE key = ?", keys).fetchone()
            return [found and found[0]]
        query = f"SELECT key, row FROM {_table(view)} WHERE key IN (SELECT value FROM json_each(?))"
        by_key = dict(self._database.execute(query, (json.dumps(keys),)).fetchall())
        return [by_key.get(key) for key in keys]


def _plan(database: sqlite3.Connection) -> Plan:
    stored = database.execute("SELECT views FROM plan").fetchone()
    return plan_of(stored[0]) if stored else {}


@lru_cache(maxsize=64)
def _select(views: tuple[str, ...]) -> str:
    """Return the statement that looks up one key in each of several views."""
    return "SELECT " + ", ".join(f"(SELECT row FROM {_table(view)} WHERE key = ?)" for view in views)


def _name(view: str) -> str:
    return f"view_{view}"


def _table(view: str) -> str:
    return '"' + _name(view).replace('"', '""') + '"'
