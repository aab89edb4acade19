"""Whether a journal is as it was written: `recoup journal verify`. What can be found: see `serving.journal`."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from features.errors import RecoupError
from features.home import Home
from serving.journal import chain, keeper, tables
from serving.journal.chain import Link
from serving.journal.keeper import MANIFEST, Settings, Shelf
from serving.journal.manifest import Listed, Manifest


@dataclass(frozen=True)
class Fault:
    """What is wrong, in which file and line; line 0 is the file as a whole."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}{f':{self.line}' if self.line else ''} {self.what}"


@dataclass
class Verified:
    """What was read, and what is wrong with it.

    Attributes
    ----------
    files, records : int
    open : int
        Files that were not ended: their last records could be cut off unseen.
    torn : list of str
        Files whose last line is not whole: a crash tore it (or it is being written), and its decision was
        not answered.
    head : str
        The digest of the manifest's last line.
    faults : list of Fault
    """

    files: int = 0
    records: int = 0
    open: int = 0
    torn: list[str] = field(default_factory=list)
    head: str = ""
    faults: list[Fault] = field(default_factory=list)


def verify(home: Home, head: str | None = None) -> Verified:
    """Read the whole journal of a home, which may be in use.

    Parameters
    ----------
    home : Home
    head : str, optional
        As an earlier run gave it: the manifest has to go on from there.

    Raises
    ------
    RecoupError
        When there is no journal, or it was begun under another ``RECOUP_JOURNAL_KEY``.
    """
    given, found = keeper.settings(home), Verified()
    kept, key = given.keeper(), given.key
    with kept.shelf() as shelf:
        links = Manifest(shelf, key).links()
        if not links and not shelf.names():
            raise RecoupError(f"no journal in {kept}: no decision was made there yet")
        found.head = links[-1].digest.hex() if links else ""
        found.faults += [Fault(MANIFEST, link.number, _broken(link)) for link in links if not link.sound]
        if head is not None and head not in [link.digest.hex() for link in links]:
            found.faults.append(Fault(MANIFEST, 0, f"does not go on from {head}: it was cut off, or replaced"))
        listed, strange = _membership(shelf, key)
        if strange:  # a file may have been begun or removed just now
            with kept.shelf(alone=True) as alone:
                listed, strange = _membership(alone, key)
        found.faults += strange
        for name in shelf.names():
            _read(shelf, name, given, listed, found)
    return found


def _membership(shelf: Shelf, key: bytes) -> tuple[dict[str, Listed], list[Fault]]:
    """Return what the manifest lists, and what is not there or not listed; an empty file says nothing."""
    names, listed = shelf.names(), Manifest(shelf, key).files()
    missing = [name for name, entry in listed.items() if not (entry.expired or name in names)]
    added = [name for name in names if name not in listed and next(shelf.lines(name), None)]
    return listed, [
        *[Fault(name, 0, "is missing") for name in missing],
        *[Fault(name, 0, "is not in the manifest: it was added, or the manifest was changed") for name in added],
    ]


def _read(shelf: Shelf, name: str, given: Settings, listed: dict[str, Listed], found: Verified) -> None:
    """Note what is in one file, and what is wrong with it."""
    entry, lines = listed.get(name, Listed()), _Lines(shelf, name)
    faults: list[Fault] = []
    number = ended_at = 0
    for link in chain.links(lines, given.key):
        number, in_place = link.number, _in_place(link, name, listed)
        if not link.sound:
            faults.append(Fault(name, number, "was changed" if in_place else _broken(link)))
        elif not in_place and not faults:
            faults.append(Fault(name, number, "belongs elsewhere"))
        if link.sound:
            faults += [Fault(file, 0, why) for file, why in tables.faults(shelf, link.content)]
        if link.digest.hex() == entry.last:
            ended_at = number
    if entry.last is not None and ended_at == 0 and entry.last != chain.START.hex():
        faults.append(Fault(name, number + 1, "is missing: the file's end was cut off or changed"))
    elif entry.last is not None and ended_at < number:
        faults.append(Fault(name, ended_at + 1, "was added after the file had ended"))
    found.files, found.records = found.files + 1, found.records + max(number - 1, 0)
    found.open += entry.last is None
    found.torn += [name] if lines.torn else []
    found.faults += faults


class _Lines:
    """A file's lines, and whether the last that was read is ``torn``."""

    def __init__(self, shelf: Shelf, name: str):
        self._lines, self.torn = shelf.lines(name), False

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        for offset, line in self._lines:
            self.torn = not line.endswith(b"\n")
            yield offset, line


def _broken(link: Link) -> str:
    if not link.digest:
        return "is no line of the journal"
    return "does not follow the line before: one was changed, removed, inserted or moved"


def _in_place(link: Link, name: str, listed: dict[str, Listed]) -> bool:
    """Return whether a line says itself that it belongs where it is."""
    if link.number > 1:
        return link.content.get("decision_id") == f"{name}-{link.offset:x}"
    before = listed.get(link.content.get("after", ""), Listed(last=chain.START.hex()))
    at_start = link.content.get("file") == name and link.offset == 0
    return at_start and link.content.get("follows") == before.last
