"""What one plan of an online store in Redis names: hashes to read, and a writer's own beside them."""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from redis import Redis

from features.errors import RecoupError
from features.online_store.redis_reader import RedisReader
from features.online_store.tables import Lead, Plan, Standing, plan_of, text_of

_UNFINISHED_S = 24 * 3600
"""How long a writer may take before its hashes expire."""
_BATCH_ROWS = 5_000
_MARK = ""
"""A field that every hash has, and no key: without it the hash is gone."""
_CHANGE = b'{"change": "'
"""What a plan begins with: then comes a name of its own, by which it is told from others."""
_NAME = 32
NOTHING = json.dumps({"views": "{}", "hashes": {}}).encode()
"""The plan of a store that has none."""


class Superseded(Exception):
    """The plan of a sight stands no more."""


class _Trip(NamedTuple):
    """What one way to follow leads always gives its script: Redis' keys, and what comes before the rows' own keys."""

    keys: list[str]
    given: list[str | int]


@dataclass(frozen=True)
class Stored:
    """A plan as it is stored: what tells it from others, its hashes, and what readers keep while it stands."""

    told: bytes
    plan: Plan
    hashes: dict[str, str]
    kept: dict[Any, Any] = field(default_factory=dict)
    trips: dict[tuple[Any, ...], _Trip | None] = field(default_factory=dict)

    @classmethod
    def of(cls, text: bytes) -> "Stored":
        """Return the plan that a text stands for."""
        parts = json.loads(text)
        told = text[: len(_CHANGE) + _NAME] if text.startswith(_CHANGE) else text
        return cls(told, plan_of(parts["views"]), parts["hashes"])


class Sight:
    """The hashes that one plan names; without a reader that plan is known to stand."""

    def __init__(self, client: Redis, prefix: str, stored: Stored, reader: RedisReader | None = None):
        self._redis, self._prefix, self._stored = client, prefix, stored
        self._reader, self._sure = reader, reader is None
        self._led: tuple[list[str], dict[str, list[bytes | None]]] = [], {}
        self.plan: Plan = stored.plan
        self.kept = stored.kept

    def rows(self, asked: Mapping[str, Sequence[str]], ahead: Lead | None = None) -> dict[str, list[bytes | None]]:
        """Return, for each view, the packed row of every key asked, in one round trip.

        Likewise, with the views asked for by the same keys, what they lead to: it is there when it is asked for.

        Raises
        ------
        RecoupError
            When a hash that the plan names is gone: its rows must not be taken for unknown.
        """
        if ahead and self._reader and not self._sure and (trip := self._trip(tuple(asked), ahead)):
            return self._rows_led(self._reader, trip, asked, ahead)
        led_by, led = self._led
        if led and all(view in led and keys == led_by for view, keys in asked.items()):
            return {view: led[view] for view in asked}
        found = self._rows({view: keys for view, keys in asked.items() if keys and self._name(view)})
        return {view: found.get(view, [None] * len(keys)) for view, keys in asked.items()}

    def _rows(self, asked: Mapping[str, Sequence[str]]) -> dict[str, list[bytes | None]]:
        with self._redis.pipeline(transaction=False) as pipe:
            if not self._sure:
                pipe.getrange(f"{self._prefix}:plan", 0, len(self._stored.told) - 1)
            for view, keys in asked.items():
                pipe.hmget(self._name(view), [*keys, _MARK])
            answers = pipe.execute()
        if not self._sure:
            self._require(answers.pop(0))
        return {view: _unmarked(view, answer) for view, answer in zip(asked, answers, strict=True)}

    def _rows_led(self, reader: RedisReader, trip: _Trip, asked: Mapping[str, Sequence[str]],
                  ahead: Lead) -> dict[str, list[bytes | None]]:  # fmt: skip
        """Return rows by keys that are the same for all views, and keep those that they lead to."""
        told, *answers, named = reader.follow(trip.keys, [*trip.given, *asked[ahead.view], _MARK])
        self._require(told)
        views = (*asked, *ahead.views)
        found = {view: _unmarked(view, answer) for view, answer in zip(views, answers, strict=True)}
        self._led = [name.decode() for name in named[:-1]], {view: found.pop(view) for view in ahead.views}
        return found

    def _trip(self, views: tuple[str, ...], ahead: Lead) -> _Trip | None:
        """Return how the script is asked for views and their lead; None where the store has not all of them."""
        trips, way = self._stored.trips, (views, ahead)
        if way not in trips:
            hashes = [self._name(view) for view in (*views, *ahead.views)]
            trips[way] = self._trip_to(hashes, views, ahead) if all(hashes) else None
        return trips[way]

    def _trip_to(self, hashes: list[str], views: tuple[str, ...], ahead: Lead) -> _Trip:
        counts = [len(self._stored.told), len(views), len(ahead.views)]
        naming, head = views.index(ahead.view) + 1, self.plan[ahead.view].layout.size
        return _Trip([f"{self._prefix}:plan", *hashes], [*counts, naming, head, ahead.place, ahead.nobody])

    def require_standing(self) -> None:
        """Refuse a sight whose plan stands no more, unless its first rows did already."""
        if not self._sure:
            self._require(self._redis.getrange(f"{self._prefix}:plan", 0, len(self._stored.told) - 1))

    def _require(self, told: Any) -> None:
        if told != self._stored.told:
            raise Superseded
        self._sure = True

    def _name(self, view: str) -> str:
        return self._stored.hashes.get(view, "")


class Change(Sight):
    """Hashes of a writer's own, beside those that stand."""

    def __init__(self, client: Redis, prefix: str, stored: Stored):
        super().__init__(client, prefix, stored)
        self._hashes = stored.hashes
        self.begun: dict[str, str] = {}
        self.replaced: list[str] = []
        for view, name in list(self._hashes.items()):
            if not client.hexists(name, _MARK):  # lost: the view begins anew
                self.drop(view)

    def text(self) -> str:
        """Return the plan as it shall be stored."""
        hashes = {view: self.begun.get(view, name) for view, name in {**self._hashes, **self.begun}.items()}
        return json.dumps({"change": uuid.uuid4().hex, "views": text_of(self.plan), "hashes": hashes})

    def clear(self, view: str) -> None:
        """Begin a view's table anew."""
        self._begin(view)
        self._mark(view)

    def drop(self, view: str) -> None:
        """Take a view out of the store."""
        if view in self._hashes:
            self.replaced.append(self._hashes.pop(view))
        self.begun.pop(view, None)
        self.plan = {name: standing for name, standing in self.plan.items() if name != view}

    def put(self, view: str, rows: Iterable[tuple[str, bytes]]) -> None:
        """Write rows by key; those that stand are copied first, within the server."""
        if view not in self.begun:
            standing = self._hashes[view]
            self._redis.copy(standing, self._begin(view))
            self._mark(view)
        waiting = iter(rows)
        while batch := dict(islice(waiting, _BATCH_ROWS)):
            with self._redis.pipeline() as pipe:
                pipe.hset(self.begun[view], mapping=batch)
                pipe.expire(self.begun[view], _UNFINISHED_S)
                pipe.execute()

    def stand(self, view: str, standing: Standing) -> None:
        """Say how a view stands now."""
        self.plan = {**self.plan, view: standing}

    def _mark(self, view: str) -> None:
        self._redis.hset(self.begun[view], _MARK, "")
        self._redis.expire(self.begun[view], _UNFINISHED_S)

    def _begin(self, view: str) -> str:
        if view in self._hashes and view not in self.begun:
            self.replaced.append(self._hashes[view])
        generation = self._redis.incr(f"{self._prefix}:generation")
        self.begun[view] = f"{self._prefix}:{view}:{generation}"
        return self.begun[view]

    def _name(self, view: str) -> str:
        return self.begun.get(view) or super()._name(view)


def _unmarked(view: str, answer: list[bytes | None]) -> list[bytes | None]:
    """Return what a hash holds of some keys, the last of which marks that it is there."""
    *packed, mark = answer
    if mark is None:
        raise RecoupError(f"the online store has lost its {view}: run `recoup materialize`")
    return [row or None for row in packed]  # who asks for no key finds the mark
