"""Where the marts' tables are: Parquet files of the home, or PostgreSQL on the server profile."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import polars as pl

from features.environment import database_url
from features.files import replace
from features.home import Home
from features.lake import write_table
from features.marts import MARTS

COPIES = "copies"
"""Folder for what is read from PostgreSQL, among the marts."""
Place = Path | str
"""A Parquet file, or the name of a table in PostgreSQL."""


class MartTables(Protocol):
    """The marts of one home. Only one writer may write at a time, see `features.files.locked`."""

    def built_from(self) -> dict[str, str] | None:
        """Return what the tables were built from; None before the first time."""
        ...

    def write(self, tables: Iterable[tuple[str, pl.DataFrame]], built_from: dict[str, str]) -> None:
        """Replace the tables, each by its mart's name."""
        ...

    def places(self) -> dict[str, Place]:
        """Return where each mart's table is."""
        ...

    def file(self, mart: str) -> Path:
        """Return a Parquet file of a mart's table as it is now."""
        ...


class ParquetMarts:
    """The embedded profile's."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._mark = folder / "snapshot.json"

    def built_from(self) -> dict[str, str] | None:
        """Return what the tables were built from; None before the first time."""
        return json.loads(self._mark.read_text()) if self._mark.is_file() else None

    def write(self, tables: Iterable[tuple[str, pl.DataFrame]], built_from: dict[str, str]) -> None:
        """Replace the tables one by one; what they were built from is said last."""
        for name, table in tables:
            write_table(table, self.file(name))
        replace(self._mark, json.dumps(built_from).encode())

    def places(self) -> dict[str, Place]:
        """Return the file of each mart."""
        return {name: self.file(name) for name in MARTS}

    def file(self, mart: str) -> Path:
        """Return a mart's file."""
        return self._folder / f"{mart}.parquet"


def open_marts(home: Home) -> MartTables:
    """Return the marts of a home on the profile in use.

    Raises
    ------
    RecoupError
        When the profile lacks a setting.
    """
    url = database_url()
    if url is None:
        return ParquetMarts(home.marts)
    from features.postgres_marts import PostgresMarts

    return PostgresMarts(url, home.marts / COPIES)
