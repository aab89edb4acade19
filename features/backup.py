"""A home as one file, and back.

What can be made again is left out: Bentos (`recoup build`) and, on the server profile, what PostgreSQL and Redis
hold. SQLite files are copied as they stand between two transactions, whoever is writing.
"""

import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from features.errors import RecoupError
from features.files import locked
from features.home import Home

_SQLITE = b"SQLite format 3\0"
_LEFT_OUT = ("-wal", "-shm", ".part", "/lock")
_PLACE = "recoup.home"


def backup(home: Home, file: Path) -> int:
    """Write a home to a tar file while it is in use; intakes and materializations wait.

    Parameters
    ----------
    home : Home
    file : Path
        A file that is not there yet, outside the home; readable by its owner only.

    Returns
    -------
    int
        How many files are in it.

    Raises
    ------
    RecoupError
        When there is no home, or the file is there already.
    """
    if not home.root.is_dir():
        raise RecoupError(f"{home.root} is not there: set RECOUP_HOME to the home to back up")
    if file.exists() or home.root in file.absolute().parents:
        raise RecoupError(f"{file} is there already, or inside the home: name a new file elsewhere")
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    with ExitStack() as held:
        for folder in (home.lake, home.marts, home.journal, home.keys, home.portfolios, home.plans):
            held.enter_context(locked(folder))
        scratch = Path(held.enter_context(tempfile.TemporaryDirectory(dir=file.parent)))
        place = {_PLACE: str(home.root)}
        archive = held.enter_context(tarfile.open(part, "w", format=tarfile.PAX_FORMAT, pax_headers=place))
        # runs are written after their artifacts: a database copied first names none that is not copied
        files = sorted(_kept(home), key=lambda path: not _is_sqlite(path))
        for path in files:
            archive.add(_standing(path, scratch) if _is_sqlite(path) else path, path.relative_to(home.root))
    part.rename(file)
    return len(files)


def restore(home: Home, file: Path) -> int:
    """Unpack a backup to where the home was; MLflow knows its artifacts by their full paths.

    Returns
    -------
    int
        How many files there are now.

    Raises
    ------
    RecoupError
        When a home is there, the backup is of another place, or the file is no backup.
    """
    if home.root.exists():
        raise RecoupError(f"{home.root} is there already: move it away, or set RECOUP_HOME to another folder")
    part = home.root.with_name(f".{home.root.name}.part")
    try:
        with tarfile.open(file, "r:") as archive:
            place = archive.pax_headers.get(_PLACE, "no home")
            if place != str(home.root):
                raise RecoupError(f"{file} is of {place}: set RECOUP_HOME to that, and mount there what shall hold it")
            shutil.rmtree(part, ignore_errors=True)
            archive.extractall(part, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise RecoupError(f"{file} cannot be restored from: {error}") from error
    part.rename(home.root)
    return sum(path.is_file() for path in home.root.rglob("*"))


def _kept(home: Home) -> Iterator[Path]:
    for path in home.root.rglob("*"):
        inside = path.relative_to(home.root)
        unfinished = path.as_posix().endswith(_LEFT_OUT) or any(name.startswith(".") for name in inside.parts)
        if path.is_file() and not unfinished and inside.parts[0] != home.bentoml.name:
            yield path


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _standing(path: Path, scratch: Path) -> Path:
    """Return a copy of a database as it stands."""
    copy = scratch / "database"
    copy.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy
