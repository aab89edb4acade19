"""Decisions written and found again."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from features.errors import RecoupError
from features.home import Home
from serving.journal import keeper, tables, writer
from serving.journal.keeper import TABLES

if TYPE_CHECKING:
    import polars as pl

_ID = re.compile(r"(\d{8}-[0-9a-f]{10}-\d+)-([0-9a-f]{1,10})(?:\.([a-z]+)\.(\d{1,9}))?")


class Journal:
    """The decisions of one home; all journals of a home that a process has write the same file.

    Raises
    ------
    RecoupError
        When the environment's settings make no sense; see `serving.journal.keeper.settings`.
    """

    def __init__(self, home: Home):
        given = keeper.settings(home)
        self._keeper, self._writer = given.keeper(), writer.shared(given)

    @property
    def waits(self) -> bool:
        """Whether writing a decision waits: for the disk, or for a database."""
        return self._keeper.waits

    def append(self, record: dict[str, Any]) -> str:
        """Write a decision; see `append_all`."""
        return self.append_all([record])[0]

    def append_all(self, records: list[dict[str, Any]]) -> list[str]:
        """Write decisions, all or none, and wait where the journal `waits`.

        Parameters
        ----------
        records : list of dict
            What was decided, on what, by which model; NumPy values and arrays are taken. Floats read back to
            the same bits, but NaN and infinity as None.

        Returns
        -------
        list of str
            The decision ids.

        Raises
        ------
        RecoupError
            When the journal cannot be written; then nothing may be answered.
        """
        return self._writer.write([orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY)[1:] for record in records])

    def append_whole(self, record: dict[str, Any], parts: Mapping[str, "pl.DataFrame"]) -> str:
        """Write a decision about many things, one line with the digests of its tables; see `serving.journal.tables`.

        Each row is a decision that `find` knows by `serving.journal.tables.row_id`.

        Raises
        ------
        RecoupError
            When tables or line cannot be written.
        """
        try:
            with self._keeper.shelf() as shelf:
                told = tables.keep(shelf, parts)
        except OSError as error:
            raise RecoupError(f"the journal in {self._keeper} cannot be written: {error.strerror}") from error
        return self.append(record | {TABLES: told})

    def require_writable(self) -> None:
        """Refuse where a decision made now could not be written.

        Raises
        ------
        RecoupError
            Saying why.
        """
        self._writer.require_writable()

    def find(self, decision_id: str) -> dict[str, Any]:
        """Return a decision; of a row of a table, what the whole says and the row.

        Raises
        ------
        RecoupError
            When the journal has no such decision, or its table is not as it was written.
        """
        if named := _ID.fullmatch(decision_id):
            with self._keeper.shelf() as shelf:
                line = shelf.line(named[1], int(named[2], 16))
                if f'"decision_id":"{named[1]}-{named[2]}"'.encode() in line and line.endswith(b"\n"):
                    record = orjson.loads(line)
                    return tables.row(shelf, record, named[3], int(named[4])) if named[3] else record
        raise RecoupError(f"no decision {decision_id!r} in {self._keeper}: was it of another home, or has it expired?")

    def table(self, decision: Mapping[str, Any], name: str) -> "pl.DataFrame":
        """Return a table of a decision; see `serving.journal.tables.read`."""
        with self._keeper.shelf() as shelf:
            return tables.read(shelf, decision, name)

    def close(self) -> None:
        """End the file that is being written; a later decision begins another."""
        self._writer.close()
