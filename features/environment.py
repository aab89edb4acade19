"""Secrets come from the environment, and are refused when they are no secrets."""

import os

from features.errors import RecoupError

_SHORTEST = 16


def secret(variable: str, why: str, how: str) -> bytes:
    """Return a secret from the environment.

    Parameters
    ----------
    variable : str
        Name of the environment variable.
    why, how : str
        What needs it, and how it is used or made; for the message.

    Raises
    ------
    RecoupError
        When it is unset or shorter than 16 characters.
    """
    value = os.environ.get(variable, "")
    if len(value) < _SHORTEST:
        state = "too short" if value else "not set"
        raise RecoupError(
            f"{why} and {variable} is {state}: set it to a secret of at least {_SHORTEST} characters, {how}"
        )
    return value.encode()
