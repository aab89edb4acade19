"""The model inputs of a few rows from the online store, for services that answer at once.

What `features.online` reads by names is read here by places: the same packed rows, the same features of the
moment, the same words for what is stale or unknown.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
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
from features.online_store.tables import Lead, NeverFilled, Plan, Reading, Tables
from features.repository import MAX_AGE, ON_DEMAND
from features.services import LINKS, NOBODY


class InputRows(NamedTuple):
    """What the online store answered about n rows.

    Attributes
    ----------
    numbers : ndarray of float64, shape (n, features)
        Model inputs in order, NaN where unknown; 0 at a category's place.
    texts : dict of int to list of str, n each
        The categories by their place among the inputs, ``missing`` where unknown.
    also : dict of str to list of str or None, n each
        Categories that were asked for beside the model's inputs.
    unknown : list of bool, n
        Whether the store has never seen a row's id.
    stale : list of dict of str to str, n
        Views last materialized too long before the moment, and when that was (ISO 8601, UTC).
    known_at : list of dict of str to str, n
        Since when each view's values have stood (ISO 8601, UTC).
    """

    numbers: np.ndarray
    texts: dict[int, list[str]]
    also: dict[str, list[str | None]]
    unknown: list[bool]
    stale: list[dict[str, str]]
    known_at: list[dict[str, str]]


class RowReader:
    """Reads the same inputs of a few rows again and again.

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

    def read(self, asked: Mapping[str, Sequence[Any]]) -> InputRows:
        """Read n rows as one consistent sight of the store.

        Parameters
        ----------
        asked : dict of str to sequence, n values each
            ``moment`` (seconds since 1970, UTC), ``loan_id``, and the request of the inputs of the moment.

        Raises
        ------
        RecoupError
            When nothing was ever materialized, or it was by other definitions.
        """
        layout, found = self._tables.read(partial(self._found, asked["loan_id"]))
        by_row = zip(*(found[view] for view in layout.views), strict=True)
        stored = np.frombuffer(b"".join([part.numbers for row in by_row for part in row]))
        stored = stored.reshape(len(asked["loan_id"]), -1)
        numbers = stored.take(layout.numbers, axis=1)
        texts = {place: _texts(found[view], text) for place, view, text in layout.texts}
        for view in self._on_demand:
            self._add(view, layout, stored, found, asked, numbers, texts)
        known = [(view, found[view]) for view in self._stored]
        return InputRows(
            numbers=numbers,
            texts=texts,
            also={name: [row.texts[place] for row in found[view]] for name, view, place in layout.also},
            unknown=[not row.found for row in found["asset"]],
            stale=[
                {view: since for view, after, since in layout.stale_after if moment > after}
                for moment in asked["moment"]
            ],
            known_at=[
                {view: iso(of[row].event // 1_000_000) for view, of in known if of[row].found}
                for row in range(len(stored))
            ],
        )

    @cached_property
    def _tables(self) -> Tables:
        return online_home.tables(self._home)

    def _found(self, loans: Sequence[str], sight: Reading) -> tuple["_Places", dict[str, list[Row]]]:
        """Return where everything stands in the rows of loans, and the rows."""
        layout = self._layout
        if layout is None or layout.plan is not sight.plan:
            layout = self._layout = _Places(sight.plan, self._columns, self._stored, self._also)
        return layout, _linked(sight, layout, loans)

    def _add(self, view: str, layout: "_Places", stored: np.ndarray, found: Mapping[str, list[Row]],
             asked: Mapping[str, Sequence[Any]], numbers: np.ndarray, texts: dict[int, list[str]]) -> None:  # fmt: skip
        """Add the features of the moment that a view has."""
        moved = layout.on_demand[view]
        given = {name: asked[name] for name in ON_DEMAND[view][3]}
        given |= {name: _texts(found[part], place) for name, part, place in moved.texts}
        known = stored.take(moved.numbers, axis=1)
        if len(stored) == 1:  # plain values are reckoned with sooner than columns of one
            of_one = {name: value for name, (value,) in given.items()}
            computed = getattr(moment, view)(of_one | dict(zip(moved.names, known[0].tolist(), strict=True)))
        else:
            computed = getattr(moment, view)(given | dict(zip(moved.names, known.T, strict=True)))
        numbers[:, moved.places] = np.array([computed[name] for name in moved.made]).T
        for place, name in moved.texts_made:
            texts[place] = [str(text) for text in np.atleast_1d(computed[name])]


@dataclass(frozen=True)
class _OnDemand:
    """Where the inputs of a view of the moment are stored, and where what it gives goes."""

    names: list[str]
    numbers: np.ndarray
    texts: list[tuple[str, str, int]]
    made: list[str]
    places: np.ndarray
    texts_made: list[tuple[int, str]]


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
        people = tuple(self.of_entity.get("borrower_id", ()))
        self.debtor = Lead("asset", self.text("asset", "debtor"), NOBODY, people)
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
            return _OnDemand([], np.zeros(0, np.intp), [], [], np.zeros(0, np.intp), [])
        inputs = [(part, name) for part, names in ON_DEMAND[view][2].items() for name in names]
        numbers = [(part, name) for part, name in inputs if name in self.layouts[part].number_places]
        texts = [(name, part, self.text(part, name)) for part, name in inputs if (part, name) not in numbers]
        places = np.array([self.number(part, name) for part, name in numbers], dtype=np.intp)
        made = [(place, name) for place, name, kind in outputs if kind != "category"]
        return _OnDemand(
            names=[name for _, name in numbers],
            numbers=places,
            texts=texts,
            made=[name for _, name in made],
            places=np.array([place for place, _ in made], dtype=np.intp),
            texts_made=[(place, name) for place, name, kind in outputs if kind == "category"],
        )

    def _stale_after(self, stored: Mapping[str, Any]) -> Iterator[tuple[str, float, str]]:
        for view in stored:
            done = self.plan[view].until
            if done is None:
                raise NeverFilled
            yield view, done.timestamp() + MAX_AGE[view].total_seconds(), done.isoformat()


def _linked(sight: Reading, layout: _Places, loans: Sequence[str]) -> dict[str, list[Row]]:
    """Return the rows of loans view by view, and those of what they lead to."""
    found = _look(sight, layout, "loan_id", loans, layout.debtor)
    debtors = [row.texts[layout.debtor.place] or NOBODY for row in found[layout.debtor.view]]
    found |= _look(sight, layout, "borrower_id", debtors)
    for entity, places in layout.links:
        kept = sight.kept.setdefault((layout, entity), {})  # few regions and products have many loans
        named = list(zip(*[[row.texts[place] for row in found[view]] for view, place in places], strict=True))
        if further := [names for names in dict.fromkeys(named) if names not in kept]:
            looked = _look(sight, layout, entity, [_first_known(names) for names in further])
            kept |= {names: {view: of[n] for view, of in looked.items()} for n, names in enumerate(further)}
        for view in layout.of_entity.get(entity, ()):
            found[view] = [kept[names][view] for names in named]
    return found


def _first_known(names: Iterable[str | None]) -> str:
    return next((name for name in names if name not in (None, MISSING)), None) or NOBODY


def _look(sight: Reading, layout: _Places, entity: str, keys: Sequence[str],
          ahead: Lead | None = None) -> dict[str, list[Row]]:  # fmt: skip
    """Return the rows of some keys in every view of their entity; ``ahead``: see `Reading.rows`."""
    packed = sight.rows(dict.fromkeys(layout.of_entity.get(entity, ()), keys), ahead)
    return {view: [rows.unpack_one(layout.layouts[view], row) for row in found] for view, found in packed.items()}


def _texts(found: Sequence[Row], place: int) -> list[str]:
    return [row.texts[place] or MISSING for row in found]
