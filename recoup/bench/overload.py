"""A service asked at twice its capacity: does it shed what is too much, answer the rest as fast, and recover?"""

from pathlib import Path

import numpy as np

from features.errors import RecoupError
from recoup.bench import load
from recoup.bench.load import Side

_SCRIPT = Path(__file__).with_name("overload.lua")
_TIMES = 2.0
_WARM_SECONDS, _SECONDS, _PATIENCE_SECONDS = 1, 3, 2
_CONNECTIONS, _ROUNDS = 600, 3


def measure(side: Side, callers: int) -> dict[str, float]:
    """Ask a service at twice the rate that it can answer.

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
        Of three rounds the one with the middle ``p99_vs_capacity``: ``capacity_p99_ms`` and ``p99_ms``,
        of the answers at capacity and at twice of it; ``p99_vs_capacity``, their ratio; ``shed_share`` of the
        requests, each refused with 429 or 503 and ``Retry-After``; ``asked_vs_capacity``, requests a second over the
        answers at capacity; ``answered_vs_capacity``, answers a second over them; ``recovers``, the same once the
        overload is over.

    Raises
    ------
    RecoupError
        When anything else came back, or nothing.
    """
    rounds = sorted((_round(side, callers) for _ in range(_ROUNDS)), key=lambda found: found["p99_vs_capacity"])
    return rounds[_ROUNDS // 2]


def _round(side: Side, callers: int) -> dict[str, float]:
    before = load.bear(side, callers)
    seconds, pause = _WARM_SECONDS + _SECONDS, _CONNECTIONS / (_TIMES * before.rate)
    told = load.wrk(side, _SCRIPT, _CONNECTIONS, seconds, _PATIENCE_SECONDS, pause, _WARM_SECONDS)
    answered, shed = len(told["milliseconds"]), told["shed"]
    if told["others"] or told["bare"] or told["lost"] or not answered:
        raise RecoupError(
            f"{side.url} asked at twice its capacity: {answered} answers, statuses {told['others']}, {told['bare']} "
            f"refusals without Retry-After, {told['lost']} requests without an answer"
        )
    p99_ms = float(np.quantile(told["milliseconds"], 0.99))
    return {
        "capacity_p99_ms": before.p99_ms,
        "p99_ms": p99_ms,
        "p99_vs_capacity": p99_ms / before.p99_ms,
        "shed_share": shed / (answered + shed),
        "asked_vs_capacity": (answered + shed) / _SECONDS / before.rate,
        "answered_vs_capacity": answered / _SECONDS / before.rate,
        "recovers": load.bear(side, callers).rate / before.rate,
    }
