"""The decision journal: one JSON line per decision, appended before the answer leaves.

A record goes to the operating system in one write, so a killed process loses no decision that was
answered. Floats are written so that they read back to the same bits.
"""

import json
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from features.errors import RecoupError
from features.home import Home


class Journal:
    """The decisions of one home, a file a day."""

    def __init__(self, home: Home):
        self._folder = home.journal

    def append(self, record: dict[str, Any]) -> str:
        """Write a decision.

        Parameters
        ----------
        record : dict
            What was decided, on what, by which model. NaN is not allowed: unknown is None.

        Returns
        -------
        str
            The decision id: the day and a random part.

        Raises
        ------
        RecoupError
            When the journal cannot be written; then nothing may be answered.
        """
        now = datetime.now(UTC)
        decision_id = f"{now:%Y%m%d}-{uuid.uuid4().hex}"
        line = json.dumps({"decision_id": decision_id, "decided_at": now.isoformat(), **record}, allow_nan=False)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = os.open(self._path(decision_id), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
            try:
                content = line.encode() + b"\n"
                if os.write(file, content) != len(content):
                    raise OSError("the disk took only a part of the record")
            finally:
                os.close(file)
        except OSError as error:
            raise RecoupError(f"the journal in {self._folder} cannot be written: {error}") from error
        return decision_id

    def find(self, decision_id: str) -> dict[str, Any]:
        """Return a decision.

        Raises
        ------
        RecoupError
            When the journal has no such decision.
        """
        path = self._path(decision_id)
        if decision_id[:8].isdigit() and path.is_file():
            with path.open(encoding="utf-8") as lines:
                for line in lines:
                    if decision_id in line:
                        return json.loads(line)
        raise RecoupError(f"no decision {decision_id!r} in {self._folder}")

    def _path(self, decision_id: str) -> Path:
        return self._folder / f"{decision_id[:8]}.jsonl"
