"""What an online store's tables must do, whatever holds them, and what is written beside the rows."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, TypeVar

from features.errors import RecoupError
from features.online_store.rows import PACKING, Layout

Found = TypeVar("Found")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class NeverFilled(RecoupError):
    """Nothing was ever materialized."""

    def __init__(self) -> None:
        super().__init__("the online store was never filled: run `recoup materialize` first")


@dataclass(frozen=True)
class Standing:
    """How a view's table stands.

    Attributes
    ----------
    layout : Layout
        Of every row in it.
    until : datetime, optional
        The moment (UTC) that it was last materialized up to; None when it never was.
    source : str, optional
        What it was materialized from, when it holds all of that and nothing else.
    """

    layout: Layout
    until: datetime | None = None
    source: str | None = None


Plan = Mapping[str, Standing]
"""The standing of every view in the store."""


class Lead(NamedTuple):
    """What rows lead to: the keys that a category of theirs names.

    Attributes
    ----------
    view : str
        Whose rows name a key.
    place : int
        Of the category among those of the view.
    nobody : str
        The key where none is named.
    views : tuple of str
        In which the keys are looked up.
    """

    view: str
    place: int
    nobody: str
    views: tuple[str, ...]


class Reading(Protocol):
    """One consistent sight of the store, whatever is being written meanwhile.

    What a reader puts into ``kept`` is there for its later reads, until the store has changed.
    """

    plan: Plan
    kept: dict[Any, Any]

    def rows(self, asked: Mapping[str, Sequence[str]], ahead: Lead | None = None) -> dict[str, list[bytes | None]]:
        """Return, for each view, the packed row of every key asked: None where there is none.

        ``ahead`` says which rows will be asked for next: a store that is far away may fetch them by the way.
        """
        ...


class Writing(Reading, Protocol):
    """Changes that become visible all at once, or not at all."""

    def clear(self, view: str) -> None:
        """Begin a view's table anew, without rows."""
        ...

    def drop(self, view: str) -> None:
        """Take a view out of the store."""
        ...

    def put(self, view: str, rows: Iterable[tuple[str, bytes]]) -> None:
        """Write rows by key into a table that was begun; a row that was there is replaced."""
        ...

    def stand(self, view: str, standing: Standing) -> None:
        """Say how a view stands now."""
        ...


class Tables(Protocol):
    """Where the rows are."""

    def read(self, ask: Callable[[Reading], Found]) -> Found:
        """Return what is found in one consistent sight of the store.

        Where the store turns out to have changed, ``ask`` is called again with another sight.

        Raises
        ------
        NeverFilled
            When nothing was ever written.
        """
        ...

    def writing(self) -> AbstractContextManager[Writing]:
        """Open a change; leaving by an exception undoes it."""
        ...


def open_tables(location: str, name: str) -> Tables:
    """Return the tables at a location.

    Parameters
    ----------
    location : str
        ``redis://…`` or ``rediss://…``, or else the path of an SQLite file.
    name : str
        The store's own on a server that holds several: what its keys in Redis begin with.
    """
    if location.startswith(("redis://", "rediss://")):
        from features.online_store.redis_tables import RedisTables

        return RedisTables(location, name)
    from features.online_store.sqlite_tables import SqliteTables

    return SqliteTables(location)


def as_json(standing: Standing) -> dict[str, object]:
    """Return a standing as it is stored."""
    return {
        "numbers": standing.layout.numbers,
        "categories": standing.layout.categories,
        "until": standing.until and (standing.until - _EPOCH) // timedelta(microseconds=1),
        "source": standing.source,
        "packing": PACKING,
    }


@lru_cache(maxsize=8)
def plan_of(text: str | bytes) -> Plan:
    """Return the plan that is stored as JSON, view by view; read once as long as it does not change.

    Views whose rows are packed otherwise are left out: they are not read, and begin anew.
    """
    return {
        view: Standing(
            Layout(tuple(stored["numbers"]), tuple(stored["categories"])),
            None if stored["until"] is None else _EPOCH + timedelta(microseconds=stored["until"]),
            stored["source"],
        )
        for view, stored in json.loads(text).items()
        if stored.get("packing") == PACKING
    }


def text_of(plan: Plan) -> str:
    """Return a plan as JSON."""
    return json.dumps({view: as_json(standing) for view, standing in plan.items()})
