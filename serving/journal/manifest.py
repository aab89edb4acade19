"""The list of the journal's files: begun, ended, expired; itself a chain of lines."""

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from features.errors import RecoupError
from serving.journal import chain
from serving.journal.chain import Link

NAME = "manifest.jsonl"


@dataclass
class Listed:
    """What the manifest says of a file; ``last`` is its last digest once it was ended."""

    last: str | None = None
    expired: bool = False


class Manifest:
    """The manifest of a journal's folder; who adds to it holds the folder, see `features.files.locked`.

    Raises
    ------
    RecoupError
        When the journal was begun under another ``RECOUP_JOURNAL_KEY``, or with none and there is one now.
    """

    def __init__(self, folder: Path, key: bytes):
        self._path, self._key = folder / NAME, key
        first = next(chain.links(self._path, key), None) if self._path.is_file() else None
        if first and first.content.get("key") != chain.fingerprint(key):
            raise RecoupError(
                f"the journal in {folder} was begun under another {chain.KEY_VARIABLE}: set that (or unset it if "
                "there was none), or move the folder to your archive and begin a new journal"
            )

    def links(self) -> list[Link]:
        """Return the lines; none where there is no manifest yet."""
        return list(chain.links(self._path, self._key)) if self._path.is_file() else []

    def files(self) -> dict[str, Listed]:
        """Return what is listed, by the file's name, in the order in which the files were begun."""
        found: dict[str, Listed] = {}
        for link in self.links():
            entry = link.content
            if "begun" in entry:
                found.setdefault(entry["begun"], Listed())
            elif "ended" in entry:
                found.setdefault(entry["ended"], Listed()).last = entry.get("last")
            elif "expired" in entry:
                found.setdefault(entry["expired"], Listed()).expired = True
        return found

    def left_open(self) -> list[dict[str, Any]]:
        """Return the ends of files whose writers are gone without having ended them."""
        found = []
        for name, listed in self.files().items():
            path = self._path.with_name(f"{name}.jsonl")
            if listed.last is not None or not path.is_file():
                continue
            with path.open("rb") as file, suppress(BlockingIOError, RecoupError):  # in use; its end is no line of ours
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                found.append(ended(name, chain.tail(path)[1]))
        return found

    def add(self, *entries: dict[str, Any]) -> None:
        """Add entries, on disk when this returns; what a crash left of a line is cut off first."""
        end, before = chain.tail(self._path) if self._path.is_file() else (0, chain.START)
        lines = []
        for entry in entries if end else ({"journal": 1, "key": chain.fingerprint(self._key)}, *entries):
            line, before = chain.linked(orjson.dumps(entry)[1:], before, self._key)
            lines.append(line)
        with self._path.open("ab") as file:
            file.truncate(end)
            file.write(b"".join(lines))
            file.flush()
            os.fsync(file.fileno())


def begun(name: str) -> dict[str, Any]:
    """Return the entry of a file that is begun."""
    return {"begun": name}


def ended(name: str, last: bytes) -> dict[str, Any]:
    """Return the entry of a file that gets no further lines."""
    return {"ended": name, "last": last.hex()}


def expired(name: str) -> dict[str, Any]:
    """Return the entry of a file that is removed because its time is over."""
    return {"expired": name}
