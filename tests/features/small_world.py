"""Small inputs for the feature tests: a simulated world as text, a canonical tape, a phone campaign."""

import hashlib
from pathlib import Path
from typing import Any

import polars as pl

from features.feeds import FEEDS
from features.home import Home
from features.store import FeatureDoor
from features.world import simulate

GOOD_LOAN = {
    "loan_id": "L1",
    "borrower_id": "B1",
    "status": "charged_off",
    "product": "personal_loan",
    "currency": "USD",
    "region": "TX",
    "cutoff_on": "2020-12-31",
    "originated_on": "2019-01-15",
    "balance": "1200.5",
    "term_months": "36",
    "known_at": "2021-01-01T00:00:00Z",
}
_DAYS = [("may", "mon"), ("may", "tue"), ("may", "tue"), ("jun", "fri"), ("jul", "mon")]


def loan(number: int, **changes: str | None) -> dict[str, str | None]:
    """Return a good row of the loans feed, changed as told."""
    return {**GOOD_LOAN, "loan_id": f"L{number}", "borrower_id": f"B{number}", **changes}


def write_csv(path: Path, rows: list[dict[str, Any]] | pl.DataFrame) -> Path:
    frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows, infer_schema_length=None)
    frame.write_csv(path)
    return path


def write_campaign(path: Path, rows: int = 60) -> Path:
    """Write a phone campaign in the columns of the UCI file: three feeds in one file."""
    days = [_DAYS[row * len(_DAYS) // rows] for row in range(rows)]
    frame = pl.DataFrame(
        [
            {
                "age": str(20 + row), "job": "unknown" if row % 7 == 0 else "services",
                "marital": "married", "education": "basic.4y", "default": "no", "housing": "yes",
                "loan": "no", "contact": "cellular", "month": month, "day_of_week": weekday,
                "duration": str(987_650 + row), "campaign": str(1 + row % 3), "pdays": "999", "previous": "0",
                "poutcome": "nonexistent", "emp.var.rate": "1.1", "cons.price.idx": "93.994",
                "cons.conf.idx": "-36.4", "euribor3m": "4.857", "nr.employed": "5191",
                "y": "maybe" if row == 5 else "no",
            }
            for row, (month, weekday) in enumerate(days)
        ]
    )  # fmt: skip
    frame.write_csv(path, separator=";")
    return path


def world_as_text(folder: Path, loans: int, seed: int) -> dict[str, pl.DataFrame]:
    """Return the feeds of a simulated world, every value as the file writes it."""
    files = simulate(loans, seed, folder).feeds
    return {feed: pl.read_csv(path, infer_schema=False) for feed, path in files.items()}


def take_in(root: Path, files: list[tuple[str, pl.DataFrame]]) -> FeatureDoor:
    """Ingest tables one after another into a new home and build its marts."""
    door = FeatureDoor(Home(root))
    root.mkdir(parents=True)
    for number, (feed, frame) in enumerate(files):
        batch = door.lake.ingest(write_csv(root / f"{number}_{feed}.csv", frame), "canonical", feed)
        assert sum(batch.rejected.values()) == 0, (feed, door.lake.rejected(batch.id, feed)["reason"][0])
        (root / f"{number}_{feed}.csv").unlink()
    door.refresh()
    return door


def lake_as_read(home: Home) -> dict[str, Any]:
    """Return all that a reader of the lake can see."""
    lake = FeatureDoor(home).lake
    batches = lake.batches()
    return {
        "batches": batches,
        "snapshot": lake.snapshot(),
        **{feed: lake.scan(feed).collect() for feed in FEEDS},
        **{
            f"rejected {feed} {batch.id}": lake.rejected(batch.id, feed) for batch in batches for feed in batch.rejected
        },
    }


def digest(frame: pl.DataFrame) -> str:
    """Return a hash over names, types, nulls and every bit of the values."""
    bits = frame.with_columns(pl.col(pl.Float64).reinterpret(dtype=pl.UInt64))
    return hashlib.sha256(f"{frame.schema}\n{bits.write_csv(null_value='null')}".encode()).hexdigest()


def everything_written(root: Path) -> str:
    """Return all text in all files: Parquet by its columns, the rest byte by byte."""
    parts = []
    for path in (file for file in root.rglob("*") if file.is_file()):
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path).select(pl.col(pl.String).unique().implode())
            parts += [text for cell in frame.row(0) for text in cell if text is not None] if frame.width else []
        parts.append(path.read_bytes().decode("latin-1"))
    return "\n".join(parts).lower()


def same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    return left.keys() == right.keys() and all(
        value.equals(right[name]) if isinstance(value, pl.DataFrame) else value == right[name]
        for name, value in left.items()
    )
