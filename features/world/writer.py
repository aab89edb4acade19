"""Writes a world's files so that all of them stand there, or none."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl

_INSTANT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class World:
    """Every table of a simulated world, what can be seen and the truth apart."""

    feeds: dict[str, pl.DataFrame]
    tape: pl.DataFrame
    tape_borrowers: pl.DataFrame
    truth: dict[str, pl.DataFrame]


@dataclass(frozen=True)
class WorldFiles:
    """Where a world was written, and how many rows each file has.

    ``rows`` has the feeds' names, ``tape``, ``tape_borrowers`` and ``truth/<name>``.
    """

    out: Path
    feeds: dict[str, Path]
    tape: Path
    tape_borrowers: Path
    truth: Path
    rows: dict[str, int]


def check_free(out: Path) -> None:
    """Refuse a place where something stands already."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} already exists and is not an empty folder")


def write(world: World, out: Path) -> WorldFiles:
    """Write every table; a killed run leaves only a hidden folder beside ``out``."""
    check_free(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        _write_tables(world, draft)
        draft.chmod(0o755)
        if out.exists():
            out.rmdir()
        draft.rename(out)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    seen = {**world.feeds, "tape": world.tape, "tape_borrowers": world.tape_borrowers}
    hidden = {f"truth/{name}": frame for name, frame in world.truth.items()}
    return WorldFiles(
        out=out,
        feeds={name: out / "feeds" / f"{name}.csv" for name in world.feeds},
        tape=out / "tape.csv",
        tape_borrowers=out / "tape_borrowers.csv",
        truth=out / "truth",
        rows={name: frame.height for name, frame in {**seen, **hidden}.items()},
    )


def _write_tables(world: World, folder: Path) -> None:
    for name in ("feeds", "truth"):
        (folder / name).mkdir()
    for name, frame in world.feeds.items():
        frame.write_csv(folder / "feeds" / f"{name}.csv", datetime_format=_INSTANT)
    world.tape.write_csv(folder / "tape.csv", datetime_format=_INSTANT)
    world.tape_borrowers.write_csv(folder / "tape_borrowers.csv", datetime_format=_INSTANT)
    for name, frame in world.truth.items():
        frame.write_parquet(folder / "truth" / f"{name}.parquet")
