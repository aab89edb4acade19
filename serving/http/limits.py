"""How much a service takes: body sizes and the length of its queue, from the environment."""

import os
from dataclasses import dataclass

from features.errors import RecoupError


@dataclass(frozen=True)
class Limits:
    """Limits of one service.

    Attributes
    ----------
    body_bytes : int
        Largest JSON body; ``RECOUP_MAX_BODY_BYTES``.
    tape_bytes : int
        Largest tape; ``RECOUP_MAX_TAPE_BYTES``.
    waiting_tapes : int
        Most tapes that wait or are being priced; ``RECOUP_MAX_WAITING_TAPES``.
    """

    body_bytes: int
    tape_bytes: int
    waiting_tapes: int


def from_environment() -> Limits:
    """Return the limits that the environment sets.

    Raises
    ------
    RecoupError
        When one is not a whole number above zero.
    """
    return Limits(
        body_bytes=_whole("RECOUP_MAX_BODY_BYTES", 1 << 20),
        tape_bytes=_whole("RECOUP_MAX_TAPE_BYTES", 512 << 20),
        waiting_tapes=_whole("RECOUP_MAX_WAITING_TAPES", 8),
    )


def _whole(variable: str, default: int) -> int:
    given = os.environ.get(variable, str(default))
    if not given.isdecimal() or int(given) == 0:
        raise RecoupError(f"{variable} is {given!r}: give a whole number above zero")
    return int(given)
