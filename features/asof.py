"""Point-in-time join: what was known about each row's entity at the row's own moment.

DuckDB's ASOF join keeps, for every row asked, the latest earlier row of a table
(https://duckdb.org/docs/stable/guides/sql_features/asof_join). A table's row counts from the
moment when it had happened and was learnt.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa

_ROW = "asof_row"


@dataclass(frozen=True)
class Table:
    """One side of the join: a mart's rows, its key there and among the rows asked, its columns."""

    rows: Path | pl.DataFrame
    key: str
    asked_key: str
    names: list[str]
    happened: str = "event_timestamp"
    learnt: str = "created_timestamp"


def join(asked: pa.Table, moment: str, tables: list[Table]) -> dict[str, pa.ChunkedArray]:
    """Return every table's columns at the moments asked.

    Parameters
    ----------
    asked : pyarrow.Table, n rows
        The entities' keys, and ``moment`` in UTC.
    moment : str
        Name of the column with each row's moment.
    tables : list of Table
        Where to look.

    Returns
    -------
    dict of str to pyarrow.ChunkedArray, n values each
        In the order of the rows asked; null where nothing was known.
    """
    found: dict[str, pa.ChunkedArray] = {}
    numbered = asked.append_column(_ROW, pa.array(range(asked.num_rows), pa.int64()))
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.register("asked", numbered)
        for table in tables:
            query = _query(table, _source(database, table), moment)
            joined = database.sql(query).to_arrow_table()
            found |= {name: joined.column(name) for name in table.names}
    return found


def latest(table: Table, since: datetime, until: datetime) -> pa.Table:
    """Return the latest row of every entity that was known by a moment.

    Parameters
    ----------
    table : Table
        Where to look.
    since, until : datetime
        Rows count that became known between these, both included; UTC.

    Returns
    -------
    pyarrow.Table, one row per entity
        The key, the columns and both timestamps, in the order of the keys.
    """
    names = ", ".join(f'"{name}"' for name in dict.fromkeys([table.key, *table.names, table.happened, table.learnt]))
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        known = f'greatest("{table.happened}", "{table.learnt}")'
        query = f"""
            SELECT {names} FROM {_source(database, table)} WHERE {known} BETWEEN $since AND $until
            QUALIFY row_number() OVER (PARTITION BY "{table.key}" ORDER BY {known} DESC) = 1
            ORDER BY "{table.key}"
        """
        return database.sql(query, params={"since": since, "until": until}).to_arrow_table()


def _source(database: duckdb.DuckDBPyConnection, table: Table) -> str:
    if isinstance(table.rows, Path):
        quoted = str(table.rows).replace("'", "''")
        return f"read_parquet('{quoted}')"
    database.register("known_rows", table.rows.to_arrow())
    return "known_rows"


def _query(table: Table, source: str, moment: str) -> str:
    chosen = ", ".join(f'known."{name}"' for name in table.names)
    return f"""
        SELECT {chosen}
        FROM asked ASOF LEFT JOIN (
            SELECT *, greatest("{table.happened}", "{table.learnt}") AS known_from FROM {source}
        ) known
        ON asked."{table.asked_key}" = known."{table.key}" AND asked."{moment}" >= known.known_from
        ORDER BY asked.{_ROW}
    """
