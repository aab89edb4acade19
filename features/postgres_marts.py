"""The marts as tables of PostgreSQL, for the server profile.

A refresh is one transaction: readers see all former tables or all new ones. Rows come and go as CSV through
``COPY``, in which both sides write a float64 so that it reads back to the same bits.

This module loads the PostgreSQL client; `mart_tables.open_marts` loads it on the server profile only.
"""

import io
import json
from collections.abc import Iterable, Sequence

import polars as pl
from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier

from features.mart_tables import Place
from features.marts import MARTS
from features.marts.timeline import KNOWN, LEARNT
from features.postgres import connected

SCHEMA = "marts"
_STAMP = pl.Datetime("us", "UTC")
_TYPES = {pl.String(): SQL("text"), pl.Float64(): SQL("double precision"), _STAMP: SQL("timestamptz")}
_BATCH_ROWS = 50_000


class PostgresMarts:
    """Tables in the schema ``marts`` of a database."""

    def __init__(self, url: str):
        self._url = url

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
            connection.execute("CREATE TABLE IF NOT EXISTS marts.snapshot (built_from jsonb)")
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
            connection.execute("INSERT INTO marts.snapshot VALUES (%s)", [json.dumps(built_from)])

    def places(self) -> dict[str, Place]:
        """Return the table of each mart."""
        return {mart: f"{SCHEMA}.{mart}" for mart in MARTS}

    def rows(self, mart: str, names: Sequence[str]) -> pl.DataFrame:
        """Return a mart's key, timestamps and named columns."""
        kinds = {feature.name: feature.kind for feature in MARTS[mart].FEATURES}
        features = {name: pl.String() if kinds[name] == "category" else pl.Float64() for name in names}
        columns: dict[str, pl.DataType] = {MARTS[mart].ENTITY: pl.String(), KNOWN: _STAMP, LEARNT: _STAMP, **features}
        with connected(self._url) as connection:
            return _copy_out(connection, Identifier(SCHEMA, mart), columns)


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


def _copy_out(connection: Connection, name: Identifier, columns: dict[str, pl.DataType]) -> pl.DataFrame:
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
