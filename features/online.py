"""Model inputs from the online store, without Feast: packed rows in, columns out.

The services' lists and the rows' own layout say all that is needed, so a scoring service starts
without loading Feast.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np

from features import moment, services
from features.errors import RecoupError
from features.marts import MARTS
from features.marts.columns import MISSING
from features.online_store import rows
from features.online_store.tables import NeverFilled, Reading, Tables
from features.repository import MAX_AGE, ON_DEMAND, SERVICES
from features.services import LINKS, NOBODY

Column = np.ndarray | list[Any]


@dataclass(frozen=True)
class Answer:
    """What the online store answered about n rows.

    Attributes
    ----------
    inputs : dict of str to column
        Model inputs in the service's order: floats with NaN for unknown, text with ``missing``.
    keys : dict of str to list of str
        `KEYS` of each row.
    also : dict of str to column
        What was asked for beside the model's inputs; None where unknown.
    unknown : list of bool, n
        Rows whose id the store has never seen.
    stale : dict of str to str
        Views last materialized too long before the moment, and when that was (ISO 8601, UTC).
    known_at : list of dict, n
        For each row, since when each view's values have stood (ISO 8601, UTC).
    """

    inputs: dict[str, Column]
    keys: dict[str, list[str]]
    also: dict[str, Column]
    unknown: list[bool]
    stale: dict[str, str]
    known_at: list[dict[str, str]]


def read(tables: Tables, service: str, asked: Mapping[str, Column], also: Sequence[str] = ()) -> Answer:
    """Read a service's inputs as one consistent sight of the store.

    Parameters
    ----------
    tables : Tables
        The online store's.
    service : str
        A FeatureService.
    asked : dict of str to column, n values each
        ``moment`` (float64, seconds since 1970, UTC), ``loan_id`` or ``borrower_id`` (the other keys
        are looked up), and the service's request columns.
    also : sequence of str
        Further features to read, as ``view:feature``.

    Raises
    ------
    RecoupError
        When nothing was ever materialized, or it was by other definitions.
    """
    stored = services.stored(service)
    beside = [tuple(reference.split(":")) for reference in also]
    linking = [view for places in LINKS.values() for view, _ in places]
    views = list(dict.fromkeys([*stored, *linking, *(view for view, _ in beside)]))

    def look(sight: Reading) -> tuple[_Found, dict[str, list[str]], list[bool], dict[str, str]]:
        found = _Found(sight, views)
        return found, *_linked(found, asked), _stale(sight, stored, float(np.max(asked["moment"])))

    found, keys, unknown, stale = tables.read(look)
    values: dict[str, Column] = {}
    for view, names in stored.items():
        values |= found.columns(view, names)
    return Answer(
        inputs=_settled(service, values, asked),
        keys=keys,
        also={name: found.columns(view, [name])[name] for view, name in beside},
        unknown=unknown,
        stale=stale,
        known_at=found.since(stored, len(unknown)),
    )


class _Found:
    """What the views say of the rows asked, looked up key by key."""

    def __init__(self, sight: Reading, views: list[str]):
        self._sight = sight
        self._views = views
        self._read: dict[str, tuple[rows.Columns, list[int] | None]] = {}

    def look(self, entity: str, keys: list[str]) -> None:
        """Read every view of an entity; a key asked several times is read once."""
        views = [view for view in self._views if entity == MARTS[view].ENTITY]
        distinct = list(dict.fromkeys(keys))
        index = None
        if len(distinct) < len(keys):
            numbered = {key: number for number, key in enumerate(distinct)}
            index = [numbered[key] for key in keys]
        packed = self._sight.rows(dict.fromkeys(views, distinct))
        for view in views:
            standing = self._sight.plan.get(view)
            if standing is None:
                raise NeverFilled
            self._read[view] = rows.unpack(standing.layout, packed[view]), index

    def columns(self, view: str, names: Sequence[str]) -> dict[str, Column]:
        """Return features of the rows asked by name."""
        read, index = self._read[view]
        numbers = (read.numbers if index is None else read.numbers[index]).T
        found: dict[str, Column] = {}
        for name in names:
            place = read.layout.number_places.get(name)
            if place is not None:
                found[name] = numbers[place]
            elif name in read.layout.category_places:
                texts = read.category(name)
                found[name] = texts if index is None else [texts[row] for row in index]
            else:
                raise RecoupError(f"the online store has no {view}:{name} yet: run `recoup materialize`")
        return found

    def known(self, view: str) -> list[bool]:
        """Tell which of the rows asked a view knows."""
        read, index = self._read[view]
        return read.found if index is None else [read.found[row] for row in index]

    def since(self, views: Mapping[str, Any], count: int) -> list[dict[str, str]]:
        """Return for each row since when the views' values have stood, where they know it."""
        known_at: list[dict[str, str]] = [{} for _ in range(count)]
        for view in views:
            read, index = self._read[view]
            stamps = read.event.tolist()
            for row, place in enumerate(range(count) if index is None else index):
                if read.found[place]:
                    known_at[row][view] = iso(stamps[place] // 1_000_000)
        return known_at


def _linked(found: _Found, asked: Mapping[str, Column]) -> tuple[dict[str, list[str]], list[bool]]:
    """Look up what a row's own key leads to; return all `KEYS`, and which of the asked are unknown."""
    count = len(asked["moment"])
    unknown = [False] * count
    loans = _named(asked["loan_id"]) if "loan_id" in asked else [NOBODY] * count
    found.look("loan_id", loans)
    if "borrower_id" in asked:
        people = _named(asked["borrower_id"])
    else:
        people = _named(found.columns("asset", ["debtor"])["debtor"])
        unknown = [not known for known in found.known("asset")]
    found.look("borrower_id", people)
    if "loan_id" not in asked:
        unknown = [not known for known in found.known("customer")]
    keys = {"loan_id": loans, "borrower_id": people}
    for key, places in LINKS.items():
        named = zip(*(found.columns(view, [name])[name] for view, name in places), strict=True)
        keys[key] = [next((name for name in names if name not in (None, MISSING)), NOBODY) for names in named]
        found.look(key, keys[key])
    return keys, unknown


def _named(keys: Column) -> list[str]:
    return [NOBODY if key is None else key for key in keys]


def _settled(service: str, values: dict[str, Column], asked: Mapping[str, Column]) -> dict[str, Column]:
    """Add the features of the moment and bring all into the service's order."""
    for view in SERVICES[service]:
        if view in ON_DEMAND:
            request = {name: asked[name] for name in ON_DEMAND[view][3]}
            values = values | getattr(moment, view)(values | request)
    return {
        column.name: [MISSING if value is None else value for value in values[column.name]]
        if column.kind == "category"
        else values[column.name]
        for column in services.columns(service)
    }


def _stale(sight: Reading, views: Mapping[str, Any], now: float) -> dict[str, str]:
    stale = {}
    for view in views:
        done = sight.plan[view].until if view in sight.plan else None
        if done is None:
            raise NeverFilled
        if now - done.timestamp() > MAX_AGE[view].total_seconds():
            stale[view] = done.isoformat()
    return stale


@lru_cache(maxsize=65_536)
def iso(seconds: int) -> str:
    """Return seconds since 1970 as ISO 8601, UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()
