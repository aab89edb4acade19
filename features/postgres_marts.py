"""The marts as tables of PostgreSQL, for the server profile.

A refresh is one transaction: readers see all former tables or all new ones. Rows come and go as CSV through
``COPY``, in which both sides write a float64 so that it reads back to the same bits; joins read a copy of the
table, fetched when it has changed.

This module loads the PostgreSQL client; `mart_tables.open_marts` loads it on the server profile only.
"""

import io
import json
import uuid
from collections.abc import Iterable
from pathlib import Path

import polars as pl
from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier

from features.files import locked, replace
from features.lake import write_table
from features.mart_tables import Place
from features.marts import MARTS
from features.postgres import connected

SCHEMA = "marts"
_STAMP = pl.Datetime("us", "UTC")
_TYPES = {pl.String(): SQL("text"), pl.Float64(): SQL("double precision"), _STAMP: SQL("timestamptz")}
_KINDS: dict[int, pl.DataType] = {25: pl.String(), 701: pl.Float64(), 1184: _STAMP}
"""By PostgreSQL's number of a type (pg_type.dat), which is the same on every server."""
_BATCH_ROWS = 50_000


class PostgresMarts:
    """Tables in the schema ``marts`` of a database.

    Parameters
    ----------
    url : str
        Of the database.
    copies : Path
        Folder where a table is kept as a Parquet file for as long as it does not change.
    """

    def __init__(self, url: str, copies: Path):
        self._url, self._copies = url, copies

    def built_from(self) -> dict[str, str] | None:
        """Return what the tables were built from; None before the first time."""
        with connected(self._url) as connection:
            if connection.execute("SELECT to_regclass('marts.snapshot')").fetchone() == (None,):
                return None
            found = connection.execute("SELECT built_from FROM marts.snapshot").fetchone()
        return found[0] if found else None

    def write(self, tables: Iterable[tuple[str, pl.DataFrame]], built_from: dict[str, str]) -> None:
        """Replace all tables at once."""
        with connected(self._url) as connection:
            connection.execute("CREATE SCHEMA IF NOT EXISTS marts")
            connection.execute("CREATE TABLE IF NOT EXISTS marts.snapshot (built_from jsonb, version text)")
            written = []
            for mart, table in tables:
                _copy_in(connection, Identifier(SCHEMA, f"new {mart}"), table)
                written.append(mart)
            for mart in written:
                # readers wait from here to the commit, no longer
                former, new = Identifier(SCHEMA, mart), Identifier(SCHEMA, f"new {mart}")
                connection.execute(SQL("DROP TABLE IF EXISTS {}").format(former))
                connection.execute(SQL("ALTER TABLE {} RENAME TO {}").format(new, Identifier(mart)))
            connection.execute("DELETE FROM marts.snapshot")
            version = uuid.uuid4().hex
            connection.execute("INSERT INTO marts.snapshot VALUES (%s, %s)", [json.dumps(built_from), version])

    def places(self) -> dict[str, Place]:
        """Return the table of each mart."""
        return {mart: f"{SCHEMA}.{mart}" for mart in MARTS}

    def file(self, mart: str) -> Path:
        """Return a mart's copy, made anew when the table has changed."""
        path, mark = self._copies / f"{mart}.parquet", self._copies / f"{mart}.version"
        with connected(self._url) as connection, locked(self._copies):
            (version,) = connection.execute("SELECT version FROM marts.snapshot").fetchone() or ("",)
            if not mark.is_file() or mark.read_text() != version:
                write_table(_copy_out(connection, Identifier(SCHEMA, mart)), path)
                replace(mark, version.encode())
        return path


def _copy_in(connection: Connection, name: Identifier, table: pl.DataFrame) -> None:
    columns = SQL(", ").join(
        SQL("{} {}").format(Identifier(column), _TYPES[kind]) for column, kind in table.schema.items()
    )
    connection.execute(SQL("CREATE TABLE {} ({})").format(name, columns))
    with connection.cursor().copy(SQL("COPY {} FROM STDIN (FORMAT csv)").format(name)) as copy:
        for part in table.iter_slices(_BATCH_ROWS):
            content = io.BytesIO()
            part.write_csv(content, include_header=False)
            copy.write(content.getbuffer())


def _copy_out(connection: Connection, name: Identifier) -> pl.DataFrame:
    described = connection.execute(SQL("SELECT * FROM {} LIMIT 0").format(name)).description or []
    columns = {column.name: _KINDS[column.type_code] for column in described}
    chosen = SQL(", ").join(_selected(column, kind) for column, kind in columns.items())
    with connection.cursor().copy(SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT csv)").format(chosen, name)) as copy:
        content = b"".join(copy)
    # instants come as microseconds: one number, in every time zone and date style
    plain = {column: pl.Int64() if kind == _STAMP else kind for column, kind in columns.items()}
    found = pl.read_csv(content, has_header=False, schema=plain) if content else pl.DataFrame(schema=plain)
    return found.cast({column: kind for column, kind in columns.items() if kind == _STAMP})


def _selected(column: str, kind: pl.DataType) -> Composed:
    whole = SQL("(extract(epoch FROM {}) * 1000000)::bigint") if kind == _STAMP else SQL("{}")
    return whole.format(Identifier(column))
