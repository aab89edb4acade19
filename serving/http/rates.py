"""How many requests a key may make: a token bucket a key, kept by each worker for itself."""

import math
import time
from collections.abc import Callable

from serving.access.keys import Key
from serving.http import problems


class Rates:
    """The buckets of all keys; each holds a second's worth of requests, and one at least.

    Parameters
    ----------
    per_second : float
        For keys that have no rate of their own; 0 is no limit.
    clock : callable
        Seconds that never go back.

    Notes
    -----
    The generic cell rate algorithm (ITU-T I.371): all that is kept of a bucket is when it will be full again.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic):
        self._per_second, self._clock = per_second, clock
        self._full_at: dict[str, float] = {}

    def spend(self, key: Key) -> None:
        """Count a request of a key.

        Raises
        ------
        Problem
            429 when it has made too many, saying when to try again.
        """
        rate = self._per_second if key.rate is None else key.rate
        if not rate:
            return
        now = self._clock()
        full_at = max(self._full_at.get(key.id, now), now) + 1 / rate
        early = full_at - now - max(1.0, 1 / rate)
        if early > 1e-9:
            raise problems.busy(f"the key may make {rate:g} requests a second", math.ceil(early), status=429)
        self._full_at[key.id] = full_at
