"""Two sides of a comparison, run in turn so that the machine's moods meet both."""

import statistics
import time
from collections.abc import Callable
from typing import Any

_ROUNDS = 3


def ratio(ours: Callable[[], Any], peer: Callable[[], Any]) -> dict[str, float]:
    """Time both sides in turn.

    Returns
    -------
    dict
        ``ratio``: the median over the rounds of our time over the peer's; and both medians in
        seconds.
    """
    pairs = [(_seconds(ours), _seconds(peer)) for _ in range(_ROUNDS)]
    return {
        "ratio": statistics.median(own / other for own, other in pairs),
        "seconds": statistics.median(own for own, _ in pairs),
        "peer_seconds": statistics.median(other for _, other in pairs),
    }


def _seconds(side: Callable[[], Any]) -> float:
    start = time.perf_counter()
    side()
    return time.perf_counter() - start
