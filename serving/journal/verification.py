"""Whether a journal is as it was written: `recoup journal verify`. What can be found: see `serving.journal`."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from features.errors import RecoupError
from features.files import locked
from features.home import Home
from serving.journal import chain, manifest
from serving.journal.chain import Link
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
    folder, key, found = home.journal, chain.chain_key(), Verified()
    if not folder.is_dir():
        raise RecoupError(f"no journal in {folder}: no decision was made there yet")
    links = Manifest(folder, key).links()
    found.head = links[-1].digest.hex() if links else ""
    found.faults += [Fault(manifest.NAME, link.number, _broken(link)) for link in links if not link.sound]
    if head is not None and head not in [link.digest.hex() for link in links]:
        found.faults.append(Fault(manifest.NAME, 0, f"does not go on from {head}: it was cut off, or replaced"))
    listed, strange = _membership(folder, key)
    if strange:  # a file may have been begun or removed just now
        with locked(folder):
            listed, strange = _membership(folder, key)
    found.faults += strange
    for path in _files(folder):
        _read(path, key, listed, found)
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.jsonl") if path.name != manifest.NAME)


def _membership(folder: Path, key: bytes) -> tuple[dict[str, Listed], list[Fault]]:
    """Return what the manifest lists, and what is not there or not listed; an empty file says nothing."""
    files, listed = _files(folder), Manifest(folder, key).files()
    missing = [name for name, entry in listed.items() if not (entry.expired or (folder / f"{name}.jsonl").is_file())]
    added = [path.name for path in files if path.stem not in listed and path.stat().st_size]
    return listed, [
        *[Fault(f"{name}.jsonl", 0, "is missing") for name in missing],
        *[Fault(name, 0, "is not in the manifest: it was added, or the manifest was changed") for name in added],
    ]


def _read(path: Path, key: bytes, listed: dict[str, Listed], found: Verified) -> None:
    """Note what is in one file, and what is wrong with it."""
    entry = listed.get(path.stem, Listed())
    faults: list[Fault] = []
    lines = ended_at = 0
    for link in chain.links(path, key):
        lines, in_place = link.number, _in_place(link, path.stem, listed)
        if not link.sound:
            faults.append(Fault(path.name, lines, "was changed" if in_place else _broken(link)))
        elif not in_place and not faults:
            faults.append(Fault(path.name, lines, "belongs elsewhere"))
        if link.digest.hex() == entry.last:
            ended_at = lines
    if entry.last is not None and ended_at == 0 and entry.last != chain.START.hex():
        faults.append(Fault(path.name, lines + 1, "is missing: the file's end was cut off or changed"))
    elif entry.last is not None and ended_at < lines:
        faults.append(Fault(path.name, ended_at + 1, "was added after the file had ended"))
    found.files, found.records = found.files + 1, found.records + max(lines - 1, 0)
    found.open += entry.last is None
    found.torn += [path.name] if _torn(path) else []
    found.faults += faults


def _broken(link: Link) -> str:
    if not link.digest:
        return "is no line of the journal"
    return "does not follow the line before: one was changed, removed, inserted or moved"


def _in_place(link: Link, name: str, listed: dict[str, Listed]) -> bool:
    """Return whether a line says itself that it belongs where it is."""
    if link.number > 1:
        return link.content.get("decision_id") == f"{name}-{link.offset:x}"
    before = listed.get(link.content.get("after", ""), Listed(last=chain.START.hex()))
    return link.content.get("file") == name and link.content.get("follows") == before.last


def _torn(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
