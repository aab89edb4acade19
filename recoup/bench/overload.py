"""A service asked at twice its capacity: does it shed what is too much, answer the rest as fast, and recover?"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from features.errors import RecoupError
from recoup.bench import load
from recoup.bench.load import Side

_SCRIPT = Path(__file__).with_name("overload.lua")
_WARM_SECONDS, _SECONDS, _PATIENCE_SECONDS = 1, 3, 2
_CONNECTIONS, _ROUNDS = 600, 3


def measure(side: Side, callers: int) -> dict[str, float]:
    """Ask a service at the rate that it can answer, and at twice of it.

    Its capacity is the rate at which it answers some callers who each wait for their answer. Then many callers ask,
    each after a pause of chance (exponential) that is far longer than an answer takes: together they do not wait for
    answers. As in `load.bear`, the first second does not count.

    Parameters
    ----------
    side : Side
        Each of its bodies asks about one loan, and no two about the same.
    callers : int

    Returns
    -------
    dict
        Of three rounds the one with the middle ``p99_vs_capacity``: ``waiting_p99_ms``, of the answers to those who
        wait; ``capacity_p99_ms`` and ``p99_ms``, of those to the many at capacity and at twice of it;
        ``p99_vs_capacity``, the ratio of these; at twice the capacity ``shed_share`` of the requests, each refused
        with 429 or 503 and ``Retry-After``, ``asked_vs_capacity``, requests a second over the answers at capacity,
        and ``answered_vs_capacity``, answers a second over them; ``recovers``, the same once the overload is over.

    Raises
    ------
    RecoupError
        When anything else came back, or nothing.
    """
    rounds = sorted((_round(side, callers) for _ in range(_ROUNDS)), key=lambda found: found["p99_vs_capacity"])
    return rounds[_ROUNDS // 2]


def _round(side: Side, callers: int) -> dict[str, float]:
    waiting = load.bear(side, callers)
    once, twice = _ask(side, waiting.rate), _ask(side, 2 * waiting.rate)
    return {
        "waiting_p99_ms": waiting.p99_ms,
        "capacity_p99_ms": once.p99_ms,
        "p99_ms": twice.p99_ms,
        "p99_vs_capacity": twice.p99_ms / once.p99_ms,
        "shed_share": twice.shed / (twice.answered + twice.shed),
        "asked_vs_capacity": (twice.answered + twice.shed) / _SECONDS / waiting.rate,
        "answered_vs_capacity": twice.answered / _SECONDS / waiting.rate,
        "recovers": load.bear(side, callers).rate / waiting.rate,
    }


@dataclass(frozen=True)
class _Told:
    """What came of many callers: answers and refusals, and milliseconds of 99 % of the answers."""

    answered: int
    shed: int
    p99_ms: float


def _ask(side: Side, rate: float) -> _Told:
    """Let many callers ask, so many times a second together."""
    seconds, pause = _WARM_SECONDS + _SECONDS, _CONNECTIONS / rate
    told = load.wrk(side, _SCRIPT, _CONNECTIONS, seconds, _PATIENCE_SECONDS, pause, _WARM_SECONDS)
    answered = len(told["milliseconds"])
    if told["others"] or told["bare"] or told["lost"] or not answered:
        raise RecoupError(
            f"{side.url} asked {rate:,.0f} times a second: {answered} answers, statuses {told['others']}, "
            f"{told['bare']} refusals without Retry-After, {told['lost']} requests without an answer"
        )
    return _Told(answered, told["shed"], float(np.quantile(told["milliseconds"], 0.99)))
