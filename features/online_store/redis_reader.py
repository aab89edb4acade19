"""A thread's own connection to Redis, for reads that somebody waits for."""

import time
from pathlib import Path
from typing import Any

from redis import ConnectionError, Redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

_FOLLOW = Path(__file__).with_name("follow.lua").read_text(encoding="utf-8")
_READ_S = 1
"""How long the server may take to be reached, and to answer; the URL's own ``socket_timeout`` goes before it."""
_SOON_S = 250e-6
"""What an answer of a server nearby takes; a processor that sleeps meanwhile takes as long again to be itself."""


class RedisReader:
    """A client that one thread uses: one that is shared has to be looked after at each read."""

    def __init__(self, url: str):
        self.client = Redis.from_url(
            url, socket_connect_timeout=_READ_S, socket_timeout=_READ_S, single_connection_client=True,
            # a connection that the server closed is made anew at once; who waits is not kept by more
            retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
        )  # fmt: skip
        self._follow = self.client.register_script(_FOLLOW)
        self._soon = True

    def follow(self, keys: list[str], given: list[str | int]) -> Any:
        """Run ``follow.lua`` by the one connection: what the client does around that takes a tenth of a read.

        While answers come soon, they are looked for again and again instead of slept for.
        """
        connection = self.client.connection
        assert connection is not None
        try:
            connection.send_command("EVALSHA", self._follow.sha, len(keys), *keys, *given)
            late = time.monotonic() + _SOON_S
            while self._soon and not connection.can_read() and time.monotonic() < late:
                pass
            answer = connection.read_response()
            self._soon = time.monotonic() < late
            return answer
        except (ConnectionError, NoScriptError):  # the server was restarted: the client sees to that
            return self._follow(keys, given)
