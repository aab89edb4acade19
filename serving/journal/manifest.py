"""The list of the journal's files: begun, ended, expired; itself a chain of lines."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from features.errors import RecoupError
from serving.journal import chain
from serving.journal.chain import Link
from serving.journal.keeper import MANIFEST, Shelf


@dataclass
class Listed:
    """What the manifest says of a file; ``last`` is its last digest once it was ended."""

    last: str | None = None
    expired: bool = False


class Manifest:
    """The manifest on a journal's shelf; who adds to it holds the shelf alone.

    Raises
    ------
    RecoupError
        When the journal was begun under another ``RECOUP_JOURNAL_KEY``, or with none and there is one now.
    """

    def __init__(self, shelf: Shelf, key: bytes):
        self._shelf, self._key = shelf, key
        first = next(self._links(), None)
        if first and first.content.get("key") != chain.fingerprint(key):
            raise RecoupError(
                f"the journal was begun under another {chain.KEY_VARIABLE}: set that (or unset it if "
                "there was none), or move the journal to your archive and begin a new one"
            )

    def links(self) -> list[Link]:
        """Return the lines; none where there is no manifest yet."""
        return list(self._links())

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
        there, found = set(self._shelf.names()), []
        for name, listed in self.files().items():
            if listed.last is None and name in there and not self._shelf.in_use(name):
                with suppress(RecoupError):  # its end is no line of ours
                    found.append(ended(name, self._end(name)[1]))
        return found

    def add(self, *entries: dict[str, Any]) -> None:
        """Add entries where the whole lines end."""
        end, before = self._end(MANIFEST)
        lines = []
        for entry in entries if end else ({"journal": 1, "key": chain.fingerprint(self._key)}, *entries):
            line, before = chain.linked(orjson.dumps(entry)[1:], before, self._key)
            lines.append(line)
        self._shelf.add(MANIFEST, end, lines)

    def _links(self) -> Iterator[Link]:
        return chain.links(self._shelf.lines(MANIFEST), self._key)

    def _end(self, name: str) -> tuple[int, bytes]:
        """Return how many bytes of whole lines a file has, and the digest of the last of them."""
        end, line = self._shelf.last(name)
        return end, chain.carried(line) if line else chain.START


def begun(name: str) -> dict[str, Any]:
    """Return the entry of a file that is begun."""
    return {"begun": name}


def ended(name: str, last: bytes) -> dict[str, Any]:
    """Return the entry of a file that gets no further lines."""
    return {"ended": name, "last": last.hex()}


def expired(name: str) -> dict[str, Any]:
    """Return the entry of a file that is removed because its time is over."""
    return {"expired": name}
