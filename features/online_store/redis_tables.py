"""Online tables in Redis: a hash per view and generation, and a plan that says which generations stand.

A writer fills hashes of its own and then sets the plan in one transaction, so a reader sees all of a
change or nothing of it. The hashes of a killed writer, and those that were replaced, expire.

This module loads the Redis client; `tables.open_tables` loads it only where a location names a server.
"""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from redis import ConnectionError, Redis, RedisError, TimeoutError, WatchError
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.exceptions import NoScriptError
from redis.retry import Retry

from features.errors import RecoupError
from features.online_store.tables import Found, Lead, NeverFilled, Plan, Standing, plan_of, text_of

_UNFINISHED_S = 24 * 3600
"""How long a writer may take before its hashes expire."""
_REPLACED_S = 60
"""How long a reader may still need rows that were replaced."""
_CONNECT_S, _ANSWER_S = 5, 30
"""How long the server may take to be reached, and to answer a writer."""
_READ_S = 1
"""Likewise for a reader, whom somebody waits for; the URL's own ``socket_timeout`` goes before both."""
_REST_S = 1
"""How long readers are refused at once after a server has not answered: not each shall wait in vain."""
_BATCH_ROWS = 5_000
_MARK = ""
"""A field that every hash has, and no key: without it the hash is gone."""
_FOLLOW = Path(__file__).with_name("follow.lua").read_text(encoding="utf-8")
_NOTHING = json.dumps({"views": "{}", "hashes": {}}).encode()
_CHANGE = b'{"change": "'
"""What a plan begins with: then comes a name of its own, by which it is told from others."""
_NAME = 32


class RedisTables:
    """Tables in a Redis database, all of whose keys begin with a prefix; needs Redis 6.2.

    Raises
    ------
    RecoupError
        Here when the URL cannot be read, and from every read or change while the server does not answer.
    """

    def __init__(self, url: str, prefix: str):
        try:
            self._redis = Redis.from_url(url, socket_connect_timeout=_CONNECT_S, socket_timeout=_ANSWER_S)
        except ValueError:
            # nothing of the URL is shown: where it is broken, any part of it may be the password
            raise RecoupError(
                "the online store's URL cannot be read: write redis://[user:password@]host:port/database, "
                "and signs such as / # ? @ in a password as %2F %23 %3F %40"
            ) from None
        self._url, self._prefix = url, prefix
        self._own = threading.local()
        self._follow = self._redis.register_script(_FOLLOW)
        self._rests_until = 0.0
        self._kept: tuple[bytes, dict[Any, Any]] | None = None

    def read(self, ask: Callable[["_Sight"], Found]) -> Found:
        """Return what is found in one consistent sight of the store.

        The plan of the last read is taken to stand; whether it does comes back with the first rows.

        Raises
        ------
        NeverFilled
            When nothing was ever written.
        """
        with self._answering():
            if time.monotonic() < self._rests_until:
                raise ConnectionError("it did not a moment ago")
            try:
                while True:
                    stored, kept = self._kept = self._kept or (self._stored(), {})
                    sight = _Sight(self._reader(), self._prefix, stored, kept, self._follow)
                    try:
                        found = ask(sight)
                        sight.require_standing()
                        return found
                    except _Superseded:
                        self._kept = None
            except (ConnectionError, TimeoutError):
                self._rests_until = time.monotonic() + _REST_S
                raise

    @contextmanager
    def writing(self) -> Iterator["_Change"]:
        """Open a change; it stands once left, and an exception or a kill leaves the former state.

        Raises
        ------
        RecoupError
            When another change was written meanwhile.
        """
        plan = f"{self._prefix}:plan"
        with self._answering(), self._redis.pipeline() as pipe:
            pipe.watch(plan)
            stored: Any = pipe.get(plan)
            change = _Change(self._redis, self._prefix, stored or _NOTHING)
            yield change
            pipe.multi()
            for name in change.begun.values():
                pipe.persist(name)
            for name in change.replaced:
                pipe.expire(name, _REPLACED_S)
            pipe.set(plan, change.text())
            try:
                pipe.execute()
            except WatchError:
                raise RecoupError(
                    "another materialization reached the online store meanwhile: run this one again"
                ) from None

    def _reader(self) -> Redis:
        """Return this thread's client: a connection that is shared has to be looked after at each read."""
        if not hasattr(self._own, "reader"):
            self._own.reader = Redis.from_url(
                self._url, socket_connect_timeout=_READ_S, socket_timeout=_READ_S, single_connection_client=True,
                # a connection that the server closed is made anew at once; who waits is not kept by more
                retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
            )  # fmt: skip
        return self._own.reader

    def _stored(self) -> bytes:
        stored: Any = self._reader().get(f"{self._prefix}:plan")
        if stored is None:
            raise NeverFilled
        return stored

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Turn a server that does not answer, or refuses, into an error that names it without its password."""
        try:
            yield
        except RedisError as error:
            at = self._redis.get_connection_kwargs()
            place = at.get("path") or f"{at.get('host', 'localhost')}:{at.get('port', 6379)}"
            raise RecoupError(
                f"the online store on the Redis server {place} does not answer: {error}; "
                "look at the server, or at the URL in RECOUP_ONLINE_STORE"
            ) from error


class _Superseded(Exception):
    """The plan of a sight stands no more."""


class _Sight:
    """The hashes that one plan names; without a script to ``follow`` leads, that plan is known to stand."""

    def __init__(self, client: Redis, prefix: str, stored: bytes, kept: dict[Any, Any], follow: Script | None = None):
        self._redis = client
        self._prefix = prefix
        self._told = stored[: len(_CHANGE) + _NAME] if stored.startswith(_CHANGE) else stored
        self._sure, self._follow = follow is None, follow
        self._led: dict[str, dict[str, bytes | None]] = {}
        views, hashes = _parted(stored)
        self.plan: Plan = plan_of(views)
        self._hashes = dict(hashes)
        self.kept = kept

    def rows(self, asked: Mapping[str, Sequence[str]], ahead: Lead | None = None) -> dict[str, list[bytes | None]]:
        """Return, for each view, the packed row of every key asked, in one round trip.

        Likewise, with the views asked for by the same keys, what they lead to: it is there when it is asked for.

        Raises
        ------
        RecoupError
            When a hash that the plan names is gone: its rows must not be taken for unknown.
        """
        known = {view: keys for view, keys in asked.items() if keys and self._name(view)}
        if all(key in self._led.get(view, ()) for view, keys in known.items() for key in keys):
            found = {view: [self._led[view][key] for key in keys] for view, keys in known.items()}
        elif ahead and self._follow and not self._sure and all(map(self._name, (*known, *ahead.views))):
            found = self._rows_led(self._follow, known, ahead)
        else:
            found = self._rows(known)
        return {view: found.get(view, [None] * len(keys)) for view, keys in asked.items()}

    def _rows(self, asked: Mapping[str, Sequence[str]]) -> dict[str, list[bytes | None]]:
        with self._redis.pipeline(transaction=False) as pipe:
            if not self._sure:
                pipe.getrange(f"{self._prefix}:plan", 0, len(self._told) - 1)
            for view, keys in asked.items():
                pipe.hmget(self._name(view), [*keys, _MARK])
            answers = pipe.execute()
        if not self._sure:
            self._require(answers.pop(0))
        return {view: _unmarked(view, answer) for view, answer in zip(asked, answers, strict=True)}

    def _rows_led(self, follow: Script, asked: Mapping[str, Sequence[str]],
                  ahead: Lead) -> dict[str, list[bytes | None]]:  # fmt: skip
        """Return rows by keys that are the same for all views, and keep those that they lead to."""
        naming, keys = list(asked).index(ahead.view), asked[ahead.view]
        head = self.plan[ahead.view].layout.head.itemsize
        told, *answers, named = _run(
            follow, self._redis,
            [f"{self._prefix}:plan", *map(self._name, (*asked, *ahead.views))],
            [len(self._told), len(asked), len(ahead.views), naming + 1, head, ahead.place, ahead.nobody, *keys, _MARK],
        )  # fmt: skip
        self._require(told)
        names = [name.decode() for name in named[:-1]]
        for view, answer in zip(ahead.views, answers[len(asked) :], strict=True):
            self._led[view] = dict(zip(names, _unmarked(view, answer), strict=True))
        return {view: _unmarked(view, answer) for view, answer in zip(asked, answers, strict=False)}

    def require_standing(self) -> None:
        """Refuse a sight whose plan stands no more, unless its first rows did already."""
        if not self._sure:
            self._require(self._redis.getrange(f"{self._prefix}:plan", 0, len(self._told) - 1))

    def _require(self, told: Any) -> None:
        if told != self._told:
            raise _Superseded
        self._sure = True

    def _name(self, view: str) -> str:
        return self._hashes.get(view, "")


class _Change(_Sight):
    """Hashes of a writer's own, beside those that stand."""

    def __init__(self, client: Redis, prefix: str, stored: bytes):
        super().__init__(client, prefix, stored, {})
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


def _run(script: Script, client: Redis, keys: list[str], given: list[str | int]) -> Any:
    """Run a script by a client's one connection: what the client does around that takes a tenth of a read."""
    assert client.connection is not None
    try:
        client.connection.send_command("EVALSHA", script.sha, len(keys), *keys, *given)
        return client.connection.read_response()
    except (ConnectionError, NoScriptError):  # the server was restarted: the client sees to that
        return script(keys, given, client)


def _unmarked(view: str, answer: list[bytes | None]) -> list[bytes | None]:
    """Return what a hash holds of some keys, the last of which marks that it is there."""
    *packed, mark = answer
    if mark is None:
        raise RecoupError(f"the online store has lost its {view}: run `recoup materialize`")
    return [row or None for row in packed]  # who asks for no key finds the mark


@lru_cache(maxsize=8)
def _parted(text: bytes) -> tuple[str, dict[str, str]]:
    """Return the plan's text and the hash that stands for each view; read once while it does not change."""
    parts = json.loads(text)
    return parts["views"], parts["hashes"]
