"""Which version each alias of a model names, read from MLflow's own tables: loading MLflow takes seconds."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from features.environment import database_url
from features.errors import RecoupError
from features.home import Home

SCHEMA = "mlflow"
"""Of MLflow's tables on PostgreSQL."""
PACKAGE = "package"
"""Where a run's artifacts hold the model package."""
_PATIENCE_S = 2.0
_ALIASES = """
    SELECT a.alias, a.version, t.value, r.artifact_uri
    FROM registered_model_aliases a
    JOIN model_versions v ON v.name = a.name AND v.version = a.version
    JOIN runs r ON r.run_uuid = v.run_id
    LEFT JOIN model_version_tags t ON t.name = a.name AND t.version = a.version AND t.key = 'fingerprint'
    WHERE a.name = {}
"""


@dataclass(frozen=True)
class Named:
    """A version as the registry knows it.

    Attributes
    ----------
    version : str
        Its number.
    fingerprint : str
        Of the package that was registered; empty where none was noted.
    artifacts : str
        URI of its run's artifacts.
    """

    version: str
    fingerprint: str
    artifacts: str = field(default="", compare=False)


def read(home: Home, model: str) -> dict[str, Named]:
    """Return the version that each alias of a model names now.

    Raises
    ------
    RecoupError
        When the registry does not answer.
    """
    url = database_url()
    rows = _of_sqlite(home, model) if url is None else _of_postgres(url, model)
    return {alias: Named(str(version), fingerprint or "", uri) for alias, version, fingerprint, uri in rows}


def _of_sqlite(home: Home, model: str) -> list[tuple[Any, ...]]:
    path = quote(str(home.mlflow / "mlflow.db"))
    try:
        # read only: a registry that is not there must not be made by looking at it
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=_PATIENCE_S)) as database:
            return database.execute(_ALIASES.format("?"), (model,)).fetchall()
    except sqlite3.Error as error:
        raise RecoupError(f"the model registry in {home.mlflow} does not answer: {error}") from error


def _of_postgres(url: str, model: str) -> list[tuple[Any, ...]]:
    from psycopg.sql import SQL, Identifier

    from features.postgres import connected

    with connected(url) as connection:
        connection.execute(SQL("SET search_path TO {}").format(Identifier(SCHEMA)))
        return connection.execute(SQL(_ALIASES.format("%s")), (model,)).fetchall()
