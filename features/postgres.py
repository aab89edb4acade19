"""The PostgreSQL database of the server profile: a schema for each part of the house.

This module loads the PostgreSQL client: import it on the server profile only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlsplit

import psycopg
from psycopg.sql import SQL, Identifier

from features.environment import DATABASE
from features.errors import RecoupError

_CONNECT_S = 10


@contextmanager
def connected(url: str, patience_s: int = _CONNECT_S) -> Iterator[psycopg.Connection]:
    """Open a transaction; it is committed on leaving, and undone by an exception.

    Parameters
    ----------
    url : str
        ``postgresql://user:password@host:port/database``.
    patience_s : int
        How long the server may take to be reached.

    Raises
    ------
    RecoupError
        When the URL cannot be read, or the server does not answer or refuses; without the password.
    """
    try:
        urlsplit(url).port  # noqa: B018 - raises where a sign in the password cuts the URL short
        psycopg.conninfo.conninfo_to_dict(url)
    except (ValueError, psycopg.ProgrammingError):
        # nothing of the URL is shown: where it is broken, any part of it may be the password
        raise RecoupError(
            f"the URL in {DATABASE} cannot be read: write postgresql://user:password@host:port/database, "
            "and signs such as / # ? @ in a password as %2F %23 %3F %40"
        ) from None
    try:
        with psycopg.connect(url, connect_timeout=patience_s, options="-c timezone=UTC") as connection:
            yield connection
    except psycopg.Error as error:
        raise RecoupError(
            f"the PostgreSQL server of {DATABASE} does not do what it is asked: {' '.join(str(error).split())}; "
            "look at the server, or at the URL"
        ) from error


def make_schema(url: str, schema: str) -> None:
    """Make a schema unless it is there; a role that may not is enough where it is.

    Raises
    ------
    RecoupError
        When the server does not answer.
    """
    with connected(url) as connection:
        if connection.execute("SELECT to_regnamespace(%s)", [schema]).fetchone() == (None,):
            connection.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(schema)))


def claim(url: str, home: str) -> None:
    """Hold a database to one home, by its name: of two, each would undo what the other writes.

    Raises
    ------
    RecoupError
        When the database is another home's, or its server does not answer.
    """
    with connected(url) as connection:
        if connection.execute("SELECT to_regclass('feast.recoup_home')").fetchone() == (None,):
            connection.execute("CREATE TABLE feast.recoup_home (name text)")
            connection.execute("INSERT INTO feast.recoup_home VALUES (%s)", [home])
        held = connection.execute("SELECT name FROM feast.recoup_home").fetchone()
    if held != (home,):
        raise RecoupError(f"the database of {DATABASE} belongs to another home: give each a database of its own")


def engine_url(url: str, schema: str) -> str:
    """Return the URL by which SQLAlchemy finds a schema."""
    _, _, rest = url.partition("://")
    options = quote(f"-csearch_path={schema}")
    return f"postgresql+psycopg://{rest}{'&' if '?' in rest else '?'}options={options}"
