"""Numbers that the environment sets."""

import math
import os

from features.errors import RecoupError


def whole(variable: str, default: int) -> int:
    """Return a whole number above zero.

    Raises
    ------
    RecoupError
        When the environment says something else.
    """
    given = os.environ.get(variable, str(default))
    if not given.isdecimal() or int(given) == 0:
        raise RecoupError(f"{variable} is {given!r}: give a whole number above zero")
    return int(given)


def number(variable: str, default: float) -> float:
    """Return a number that is zero or more.

    Raises
    ------
    RecoupError
        When the environment says something else.
    """
    given = os.environ.get(variable, str(default))
    try:
        found = float(given)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise RecoupError(f"{variable} is {given!r}: give a number that is zero or more")
    return found
