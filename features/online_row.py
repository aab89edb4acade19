"""One row's model inputs from the online store, for services that answer one question at a time.

What `features.online` reads as columns is read here as the plain values of one row: the same packed rows,
the same features of the moment, the same words for what is stale or unknown.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from features import moment, online_home, services
from features.errors import RecoupError
from features.home import Home
from features.marts import MARTS
from features.marts.columns import MISSING
from features.online import iso
from features.online_store import rows
from features.online_store.rows import Row
from features.online_store.tables import NeverFilled, Plan, Reading, Tables
from features.repository import MAX_AGE, ON_DEMAND
from features.services import LINKS, NOBODY


class OnlineRow(NamedTuple):
    """What the online store answered about one row.

    Attributes
    ----------
    numbers : ndarray of float64, shape (features,)
        Model inputs in order, NaN where unknown; 0 at a category's place.
    texts : dict of int to str
        The categories by their place among the inputs, ``missing`` where unknown.
    also : dict of str to str or None
        Categories that were asked for beside the model's inputs.
    unknown : bool
        Whether the store has never seen the row's id.
    stale : dict of str to str
        Views last materialized too long before the moment, and when that was (ISO 8601, UTC).
    known_at : dict of str to str
        Since when each view's values have stood (ISO 8601, UTC).
    """

    numbers: np.ndarray
    texts: dict[int, str]
    also: dict[str, str | None]
    unknown: bool
    stale: dict[str, str]
    known_at: dict[str, str]


class RowReader:
    """Reads the same inputs of one row after the other.

    Parameters
    ----------
    home : Home
    columns : sequence of dict
        ``view``, ``name`` and ``kind`` of each input in order, as a model's card has them.
    also : sequence of str
        Further categories to read, as ``view:feature``.
    """

    def __init__(self, home: Home, columns: Sequence[Mapping[str, Any]], also: Sequence[str] = ()):
        self._home = home
        self._columns = columns
        self._also = [tuple(reference.split(":")) for reference in also]
        inputs: dict[str, list[str]] = {}
        for column in columns:
            inputs.setdefault(column["view"], []).append(column["name"])
        self._stored = services.made_of(inputs)
        self._on_demand = [view for view in inputs if view in ON_DEMAND]
        self._layout: _Places | None = None

    def read(self, asked: Mapping[str, Any]) -> OnlineRow:
        """Read one row as one consistent sight of the store.

        Parameters
        ----------
        asked : dict
            ``moment`` (seconds since 1970, UTC), ``loan_id``, and the request of the inputs of the moment.

        Raises
        ------
        RecoupError
            When nothing was ever materialized, or it was by other definitions.
        """
        with self._tables.reading() as sight:
            layout = self._layout
            if layout is None or layout.plan is not sight.plan:
                layout = self._layout = _Places(sight.plan, self._columns, self._stored, self._also)
            found = _linked(sight, layout, asked["loan_id"])
        stored = np.frombuffer(b"".join([found[view].numbers for view in layout.views]))
        numbers = stored.take(layout.numbers)
        texts = {place: found[view].texts[text] or MISSING for place, view, text in layout.texts}
        for view in self._on_demand:
            self._add(view, layout, stored, found, asked, numbers, texts)
        return OnlineRow(
            numbers=numbers,
            texts=texts,
            also={name: found[view].texts[place] for name, view, place in layout.also},
            unknown=not found["asset"].found,
            stale={view: since for view, after, since in layout.stale_after if asked["moment"] > after},
            known_at={view: iso(found[view].event // 1_000_000) for view in self._stored if found[view].found},
        )

    def steady(self) -> AbstractContextManager[None]:
        """Give a block in which this thread's reads may share one sight of the store."""
        try:
            return self._tables.steady()
        except NeverFilled:  # each read says so itself
            return nullcontext()

    @cached_property
    def _tables(self) -> Tables:
        return online_home.tables(self._home)

    def _add(self, view: str, layout: "_Places", stored: np.ndarray, found: Mapping[str, Row],
             asked: Mapping[str, Any], numbers: np.ndarray, texts: dict[int, str]) -> None:  # fmt: skip
        """Add the features of the moment that a view has."""
        moved = layout.on_demand[view]
        known: dict[str, Any] = dict(zip(moved.names, stored.take(moved.numbers).tolist(), strict=True))
        known |= {name: found[part].texts[place] or MISSING for name, part, place in moved.texts}
        computed = getattr(moment, view)(known | {name: asked[name] for name in ON_DEMAND[view][3]})
        for place, name, kind in moved.outputs:
            if kind == "category":
                texts[place] = str(computed[name])
            else:
                numbers[place] = computed[name]


@dataclass(frozen=True)
class _OnDemand:
    """Where the inputs of a view of the moment are stored, and where what it gives goes."""

    names: list[str]
    numbers: np.ndarray
    texts: list[tuple[str, str, int]]
    outputs: list[tuple[int, str, str]]


class _Places:
    """Where everything stands in the packed rows of one plan."""

    def __init__(self, plan: Plan, columns: Sequence[Mapping[str, Any]], stored: Mapping[str, Sequence[str]],
                 also: Sequence[tuple[str, ...]]):  # fmt: skip
        self.plan = plan
        linking = [view for places in LINKS.values() for view, _ in places]
        self.views = list(dict.fromkeys([*stored, *linking, *(view for view, _ in also)]))
        if any(view not in plan for view in self.views):
            raise NeverFilled
        self.layouts = {view: plan[view].layout for view in self.views}
        self.of_entity: dict[str, list[str]] = {}
        for view in self.views:
            self.of_entity.setdefault(MARTS[view].ENTITY, []).append(view)
        self._first, end = {}, 0
        for view, layout in self.layouts.items():
            self._first[view], end = end, end + len(layout.numbers)
        placed = list(enumerate(columns))
        own = [(place, c) for place, c in placed if c["view"] not in ON_DEMAND]
        self.numbers = np.zeros(len(columns), np.intp)
        for place, column in own:
            if column["kind"] != "category":
                self.numbers[place] = self.number(column["view"], column["name"])
        self.texts = [(p, c["view"], self.text(c["view"], c["name"])) for p, c in own if c["kind"] == "category"]
        self.also = [(name, view, self.text(view, name)) for view, name in also]
        self.on_demand = {
            view: self._moved(view, [(place, c["name"], c["kind"]) for place, c in placed if c["view"] == view])
            for view in ON_DEMAND
        }
        self.debtor = ("asset", self.text("asset", "debtor"))
        self.links = [(key, [(view, self.text(view, name)) for view, name in places]) for key, places in LINKS.items()]
        self.stale_after = list(self._stale_after(stored))

    def number(self, view: str, name: str) -> int:
        """Return a number's place among those of all views."""
        return self._first[view] + self._place(view, name, self.layouts[view].number_places)

    def text(self, view: str, name: str) -> int:
        """Return a category's place among those of its view."""
        return self._place(view, name, self.layouts[view].category_places)

    def _place(self, view: str, name: str, places: Mapping[str, int]) -> int:
        if name not in places:
            raise RecoupError(f"the online store has no {view}:{name} yet: run `recoup materialize`")
        return places[name]

    def _moved(self, view: str, outputs: list[tuple[int, str, str]]) -> _OnDemand:
        if not outputs:
            return _OnDemand([], np.zeros(0, np.intp), [], [])
        inputs = [(part, name) for part, names in ON_DEMAND[view][2].items() for name in names]
        numbers = [(part, name) for part, name in inputs if name in self.layouts[part].number_places]
        texts = [(name, part, self.text(part, name)) for part, name in inputs if (part, name) not in numbers]
        places = np.array([self.number(part, name) for part, name in numbers], dtype=np.intp)
        return _OnDemand([name for _, name in numbers], places, texts, outputs)

    def _stale_after(self, stored: Mapping[str, Any]) -> Iterator[tuple[str, float, str]]:
        for view in stored:
            done = self.plan[view].until
            if done is None:
                raise NeverFilled
            yield view, done.timestamp() + MAX_AGE[view].total_seconds(), done.isoformat()


def _linked(sight: Reading, layout: _Places, loan_id: str) -> dict[str, Row]:
    """Return a loan's rows view by view, and those of what it leads to."""
    found = _look(sight, layout, "loan_id", loan_id)
    view, place = layout.debtor
    found |= _look(sight, layout, "borrower_id", found[view].texts[place] or NOBODY)
    kept = sight.kept.setdefault(layout, {})  # few regions and products have many loans
    for entity, places in layout.links:
        named = (found[view].texts[place] for view, place in places)
        key = next((name for name in named if name not in (None, MISSING)), None) or NOBODY
        if (entity, key) not in kept:
            kept[entity, key] = _look(sight, layout, entity, key)
        found |= kept[entity, key]
    return found


def _look(sight: Reading, layout: _Places, entity: str, key: str) -> dict[str, Row]:
    """Return the rows of a key in every view of its entity."""
    packed = sight.rows(dict.fromkeys(layout.of_entity.get(entity, ()), (key,)))
    return {view: rows.unpack_one(layout.layouts[view], row) for view, (row,) in packed.items()}
