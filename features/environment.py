"""What the environment says: secrets, refused when they are none, and which profile is in use."""

import os

from features.errors import RecoupError

PROFILE = "RECOUP_PROFILE"
DATABASE = "RECOUP_POSTGRES_URL"
ONLINE_STORE = "RECOUP_ONLINE_STORE"
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


def database_url() -> str | None:
    """Return where PostgreSQL is on the ``server`` profile; None on the ``embedded`` one.

    Raises
    ------
    RecoupError
        When there is no such profile, or the server profile lacks the address of a server.
    """
    chosen = os.environ.get(PROFILE, "embedded")
    if chosen == "embedded":
        return None
    if chosen != "server":
        raise RecoupError(f"{PROFILE} is {chosen!r}: set it to embedded or server")
    url = os.environ.get(DATABASE, "")
    if not url.startswith(("postgresql://", "postgres://")):
        raise RecoupError(
            f"the server profile needs {DATABASE}: set it to postgresql://user:password@host:port/database"
        )
    if not os.environ.get(ONLINE_STORE, "").startswith(("redis://", "rediss://")):
        raise RecoupError(
            f"the server profile needs {ONLINE_STORE}: set it to redis://user:password@host:port/database"
        )
    return url
