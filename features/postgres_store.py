"""Feast's PostgreSQL offline store, for the server profile, with the joins of `features.asof_store`.

The rows are PostgreSQL's, of which a copy is kept while they do not change; the join is the embedded
profile's own: frames are equal to the bit.
"""

from pathlib import Path
from typing import Any, Literal

from feast import RepoConfig
from feast.data_source import DataSource
from feast.errors import FeastError
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres import (
    PostgreSQLOfflineStore,
    PostgreSQLOfflineStoreConfig,
)
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource
from psycopg.conninfo import conninfo_to_dict
from pydantic import StrictStr, model_validator

from features.asof_store import AsOfJoins
from features.postgres_marts import SCHEMA, PostgresMarts


class PostgresAsOfOfflineStoreConfig(PostgreSQLOfflineStoreConfig):
    """Feast's settings for PostgreSQL, taken from one URL; ``copies`` is a folder beside the repository."""

    type: Literal["features.postgres_store.PostgresAsOfOfflineStore"]  # type: ignore[assignment]
    url: StrictStr
    copies: StrictStr

    @model_validator(mode="before")
    @classmethod
    def _parts(cls, given: dict[str, Any]) -> dict[str, Any]:
        parts = conninfo_to_dict(given["url"])
        return given | {
            "host": parts.get("host", ""),
            "port": int(parts.get("port") or 5432),
            "database": parts.get("dbname", ""),
            "user": parts.get("user", ""),
            "password": parts.get("password", ""),
            "sslmode": parts.get("sslmode", "prefer"),
            "db_schema": SCHEMA,
        }


class PostgresAsOfOfflineStore(AsOfJoins, PostgreSQLOfflineStore):  # type: ignore[misc]
    """Feast's PostgreSQL store over the marts; only the joins are its own."""

    @staticmethod
    def file(config: RepoConfig, source: DataSource) -> Path:
        """Return the copy of a mart."""
        if not isinstance(source, PostgreSQLSource):
            raise FeastError(f"source {source.name}: this store reads only PostgreSQL")
        marts = PostgresMarts(config.offline_store.url, Path(config.repo_path or ".") / config.offline_store.copies)
        return marts.file(source.name)
