"""A journal in a folder: a file of lines for each of its files, ``NAME.jsonl``."""

import errno
import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from features.files import locked, replace
from serving.journal.keeper import MANIFEST, TABLES, Lost

_LEAST_FREE_BYTES = 1 << 20


class Folder:
    """Keeps a journal in a folder; see `serving.journal.keeper.Keeper`."""

    def __init__(self, folder: Path, sync_seconds: float):
        self._folder, self.waits = folder, not sync_seconds

    def __str__(self) -> str:
        return str(self._folder)

    @contextmanager
    def shelf(self, alone: bool = False) -> Iterator["_Shelf"]:
        """Open the folder; alone, it is locked."""
        if not alone:
            yield _Shelf(self._folder)
            return
        with locked(self._folder):
            yield _Shelf(self._folder)

    def begin(self, name: str) -> "_Sink":
        """Make a file; raises FileExistsError when another writer has the name."""
        return _Sink(_path(self._folder, name))

    def require_room(self) -> None:
        """Refuse when the disk is full."""
        disk = os.statvfs(self._folder)
        if disk.f_bavail * disk.f_frsize < _LEAST_FREE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class _Sink:
    """A file, locked (``flock``) for as long as this process writes it."""

    def __init__(self, path: Path):
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o640)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def append(self, offset: int, lines: list[bytes]) -> None:
        """Hand lines to the operating system in one write; what it took of a part is cut off."""
        content = b"".join(lines)
        try:
            if os.write(self._file, content) != len(content):
                raise OSError("the disk took only a part")
        except OSError:
            self._undo(offset)
            raise

    def reach(self) -> None:
        """Bring the file to disk."""
        os.fsync(self._file)
        self.require_present()

    def require_present(self) -> None:
        """Refuse when the file's name does not lead to it any more."""
        if self._path.stat().st_ino != os.fstat(self._file).st_ino:
            raise FileNotFoundError(f"{self._path} was replaced while it was written")

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def discard(self) -> None:
        """Let go of the file, and remove it."""
        self._path.unlink()
        self.close()

    def _undo(self, offset: int) -> None:
        try:
            os.ftruncate(self._file, offset)
        except OSError as error:
            raise Lost(error.errno, error.strerror) from error


class _Shelf:
    """The files of a folder."""

    def __init__(self, folder: Path):
        self._folder = folder

    def names(self) -> list[str]:
        """Return the files that there are."""
        return sorted(path.stem for path in self._folder.glob("*.jsonl") if path.stem != MANIFEST)

    def lines(self, name: str) -> Iterator[tuple[int, bytes]]:
        """Yield a file's lines."""
        path, offset = _path(self._folder, name), 0
        if not path.is_file():
            return
        with path.open("rb") as lines:
            for line in lines:
                yield offset, line
                offset += len(line)

    def last(self, name: str) -> tuple[int, bytes]:
        """Return where a file's whole lines end, and the last of them."""
        path = _path(self._folder, name)
        if not path.is_file() or path.stat().st_size == 0:
            return 0, b""
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            end = content.rfind(b"\n") + 1
            return end, content[content.rfind(b"\n", 0, max(end - 1, 0)) + 1 : end]

    def line(self, name: str, offset: int) -> bytes:
        """Return the line that begins at a byte."""
        path = _path(self._folder, name)
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            file.seek(offset)
            return file.readline()

    def in_use(self, name: str) -> bool:
        """Tell whether a process has the file locked."""
        with _path(self._folder, name).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def add(self, name: str, offset: int, lines: list[bytes]) -> None:
        """Add lines, on disk when this returns; what a crash left of a line is cut off first."""
        with _path(self._folder, name).open("ab") as file:
            file.truncate(offset)
            file.write(b"".join(lines))
            file.flush()
            os.fsync(file.fileno())

    def remove(self, names: list[str]) -> None:
        """Remove files."""
        for name in names:
            _path(self._folder, name).unlink()

    def keep_table(self, name: str, content: bytes) -> None:
        """Write a table, on disk when this returns."""
        replace(self._folder / TABLES / name, content)

    def table(self, name: str) -> bytes | None:
        """Return a table; None where there is none."""
        path = self._folder / TABLES / name
        return path.read_bytes() if path.is_file() else None

    def remove_tables(self, names: list[str]) -> None:
        """Remove tables."""
        for name in names:
            (self._folder / TABLES / name).unlink(missing_ok=True)


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.jsonl"
