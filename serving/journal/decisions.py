"""Decisions written and found again."""

import re
from contextlib import AbstractContextManager
from typing import Any

import orjson

from features.errors import RecoupError
from features.home import Home
from serving.journal import writer

_ID = re.compile(r"(\d{8}-[0-9a-f]{10}-\d+)-([0-9a-f]{1,15})")


class Journal:
    """The decisions of one home; all journals of a home that a process has write the same file.

    Raises
    ------
    RecoupError
        When the environment's settings make no sense; see `serving.journal.writer.settings`.
    """

    def __init__(self, home: Home):
        self._given = writer.settings(home)
        self._writer = writer.shared(self._given)

    @property
    def waits(self) -> bool:
        """Whether writing a decision waits for the disk."""
        return not self._given.sync_seconds

    def append(self, record: dict[str, Any]) -> str:
        """Write a decision; see `append_all`."""
        return self.append_all([record])[0]

    def append_all(self, records: list[dict[str, Any]]) -> list[str]:
        """Write decisions in one write, and wait for the disk when no time is given to reach it.

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

    def together(self) -> AbstractContextManager[None]:
        """Give a block in which this thread's decisions wait for the disk once, at its end.

        Raises
        ------
        RecoupError
            At the end, when they did not reach it; then none of them may be answered.
        """
        return self._writer.together()

    def require_writable(self) -> None:
        """Refuse where a decision made now could not be written.

        Raises
        ------
        RecoupError
            Saying why.
        """
        self._writer.require_writable()

    def find(self, decision_id: str) -> dict[str, Any]:
        """Return a decision.

        Raises
        ------
        RecoupError
            When the journal has no such decision.
        """
        folder = self._given.folder
        if named := _ID.fullmatch(decision_id):
            path = folder / f"{named[1]}.jsonl"
            if path.is_file():
                with path.open("rb") as file:
                    file.seek(int(named[2], 16))
                    line = file.readline()
                if f'"decision_id":"{decision_id}"'.encode() in line and line.endswith(b"\n"):
                    return orjson.loads(line)
        raise RecoupError(f"no decision {decision_id!r} in {folder}: was it of another home, or has it expired?")

    def close(self) -> None:
        """End the file that is being written; a later decision begins another."""
        self._writer.close()
