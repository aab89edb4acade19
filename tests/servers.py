"""The servers that ``.ci/servers`` starts, and the environment of either profile."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

_VARIABLES = ("RECOUP_PROFILE", "RECOUP_POSTGRES_URL", "RECOUP_ONLINE_STORE")


def address(variable: str) -> str:
    """Return where a server or program is; a test that needs it is skipped where it is not, which is never in CI."""
    if variable not in os.environ:
        pytest.skip(f"{variable} is not set; `.ci/servers make test` gets what it names")
    return os.environ[variable]


@contextmanager
def server_profile() -> Iterator[str]:
    """Choose the server profile, on a database of its own that is gone afterwards; gives its URL."""
    server, redis = address("RECOUP_TEST_POSTGRES"), address("RECOUP_TEST_REDIS")
    name = f"test_{uuid.uuid4().hex}"
    url = f"{server.rpartition('/')[0]}/{name}"
    with psycopg.connect(server, autocommit=True) as database, pytest.MonkeyPatch.context() as patch:
        database.execute(f"CREATE DATABASE {name}")
        for variable, value in zip(_VARIABLES, ("server", url, redis), strict=True):
            patch.setenv(variable, value)
        try:
            yield url
        finally:
            database.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def embedded_profile() -> Iterator[None]:
    """Choose the embedded profile, whatever was chosen."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in _VARIABLES:
            patch.delenv(variable, raising=False)
        yield
