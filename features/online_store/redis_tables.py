"""Online tables in Redis: a hash per view and generation, and a plan that says which generations stand.

A writer fills hashes of its own and then sets the plan in one transaction, so a reader sees all of a
change or nothing of it. The hashes of a killed writer, and those that were replaced, expire.

This module loads the Redis client; `tables.open_tables` loads it only where a location names a server.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from redis import ConnectionError, Redis, RedisError, TimeoutError, WatchError

from features.errors import RecoupError
from features.online_store.redis_reader import RedisReader
from features.online_store.redis_sight import NOTHING, Change, Sight, Stored, Superseded
from features.online_store.tables import Found, NeverFilled

_REPLACED_S = 60
"""How long a reader may still need rows that were replaced."""
_CONNECT_S, _ANSWER_S = 5, 30
"""How long the server may take to be reached, and to answer a writer, unless the URL says otherwise."""
_REST_S = 1
"""How long readers are refused at once after a server has not answered: not each shall wait in vain."""


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
        self._rests_until = 0.0
        self._last: Stored | None = None

    def read(self, ask: Callable[[Sight], Found]) -> Found:
        """Return what is found in one consistent sight of the store.

        The plan of the last read is taken to stand; whether it does comes back with the first rows.

        Raises
        ------
        NeverFilled
            When nothing was ever written.
        """
        try:
            if time.monotonic() < self._rests_until:
                raise ConnectionError("it did not a moment ago")
            try:
                reader = self._reader()
                while True:
                    last = self._last = self._last or self._stored()
                    sight = Sight(reader.client, self._prefix, last, reader)
                    try:
                        found = ask(sight)
                        sight.require_standing()
                        return found
                    except Superseded:
                        self._last = None
            except (ConnectionError, TimeoutError):
                self._rests_until = time.monotonic() + _REST_S
                raise
        except RedisError as error:
            raise self._unanswered(error) from error

    @contextmanager
    def writing(self) -> Iterator[Change]:
        """Open a change; it stands once left, and an exception or a kill leaves the former state.

        Raises
        ------
        RecoupError
            When another change was written meanwhile.
        """
        plan = f"{self._prefix}:plan"
        try:
            with self._redis.pipeline() as pipe:
                pipe.watch(plan)
                stored: Any = pipe.get(plan)
                change = Change(self._redis, self._prefix, Stored.of(stored or NOTHING))
                yield change
                pipe.multi()
                for name in change.begun.values():
                    pipe.persist(name)
                for name in change.replaced:
                    pipe.expire(name, _REPLACED_S)
                pipe.set(plan, change.text())
                pipe.execute()
        except WatchError:
            raise RecoupError(
                "another materialization reached the online store meanwhile: run this one again"
            ) from None
        except RedisError as error:
            raise self._unanswered(error) from error

    def _reader(self) -> RedisReader:
        if not hasattr(self._own, "reader"):
            self._own.reader = RedisReader(self._url)
        return self._own.reader

    def _stored(self) -> Stored:
        stored: Any = self._reader().client.get(f"{self._prefix}:plan")
        if stored is None:
            raise NeverFilled
        return Stored.of(stored)

    def _unanswered(self, error: RedisError) -> RecoupError:
        """Return the error of a server that does not answer, or refuses: it names the server without its password."""
        at = self._redis.get_connection_kwargs()
        place = at.get("path") or f"{at.get('host', 'localhost')}:{at.get('port', 6379)}"
        return RecoupError(
            f"the online store on the Redis server {place} does not answer: {error}; "
            "look at the server, or at the URL in RECOUP_ONLINE_STORE"
        )
