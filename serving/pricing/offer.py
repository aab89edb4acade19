"""A tape on offer as it was read: the loans that can be priced with their model inputs, and the rows that cannot."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from features import intake, mapping
from features.errors import RecoupError
from features.feeds.columns import INSTANT
from features.home import Home
from features.progress import Progress
from features.store import FeatureDoor
from serving.pricing import secured
from training import registry
from training.outlook import ULTIMATE
from training.registry import Registered

_PRICED = ("charged_off", "delinquent")


@dataclass(frozen=True)
class Offer:
    """A tape as it was read.

    Attributes
    ----------
    champion : Registered
        The recovery model in force.
    source : str
        The mapping's name for whoever wrote the tape.
    loans : polars.DataFrame, shape (n, ...)
        Canonical columns of the loans that can be priced.
    frame : polars.DataFrame, shape (n, features)
        Their model inputs, at the ultimate horizon.
    rejected : polars.DataFrame
        The other rows, with ``field`` and ``reason``.
    debtors : int
        Debtors of the loans of whom the lake's ``borrowers`` feed tells anything.
    collateral : Collateral or None
        What the collateral of secured loans is expected to pay; none when no loan is secured.
    """

    champion: Registered
    source: str
    loans: pl.DataFrame
    frame: pl.DataFrame
    rejected: pl.DataFrame
    debtors: int
    collateral: secured.Collateral | None


def read(home: Home, path: Path, source: str, progress: Progress = print, champion: Registered | None = None) -> Offer:
    """Read a tape with its model inputs, for the model in force or another.

    Parameters
    ----------
    home : Home
        Whose market and contact history are used, and whose model unless another is given.
    path : Path
        The tape.
    source : str
        Name or path of its mapping. Only what was known at the cut-off is read.
    progress : callable
    champion : Registered, optional
        A recovery model.

    Raises
    ------
    RecoupError
        When the tape cannot be read, nothing in it can be priced, or no model is trained.
    """
    champion = champion or registry.load(home, "recovery")
    progress(f"reading {path.name} as {source}")
    layout = mapping.load(source)
    (rows,) = intake.read_feeds(path, layout, "loans")
    tape, rejected = _priceable(rows)
    if tape.is_empty():
        raise RecoupError(f"{path}: no loan can be priced{_first(rejected)}")
    progress(f"{tape.height:,} loans to price, {rejected.height:,} rejected{_first(rejected)}")
    door = FeatureDoor(home)
    borrowers = door.lake.scan("borrowers").join(tape.lazy(), on="borrower_id", how="semi").collect()
    frame = _features(door, champion, tape, borrowers)
    held = secured.read(tape, door.lake.scan("litigation"))
    return Offer(champion, layout.source, tape, frame, rejected, borrowers["borrower_id"].n_unique(), held)


def _priceable(rows: intake.FeedRows) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part what can be priced from what cannot, which is kept with its reason."""
    accepted = rows.accepted.with_columns(
        reason=pl.when(~pl.col("status").is_in(_PRICED))
        .then(pl.format("status: {} is not in default", "status"))
        .when(pl.col("balance") <= 0)
        .then(pl.lit("balance: nothing is owed"))
    )
    refused = accepted.filter(pl.col("reason").is_not_null()).with_columns(
        field=pl.col("reason").str.split(":").list.first()
    )
    kept = accepted.filter(pl.col("reason").is_null()).drop("reason")
    rejected = pl.concat([rows.rejected, refused.select(rows.rejected.columns)])
    # a tape is valued as of its own cut-off, whenever the file reached us
    return kept.with_columns(known_at=pl.col("cutoff_on").cast(INSTANT)), rejected


def _first(rejected: pl.DataFrame) -> str:
    """Return what was wrong with the first row that was rejected."""
    if rejected.is_empty():
        return ""
    row = rejected.sort("file_row").row(0, named=True)
    return f"; the first: loan {row['loan_id']} in row {row['file_row']}, {row['reason']}"


def _features(door: FeatureDoor, champion: Registered, tape: pl.DataFrame, borrowers: pl.DataFrame) -> pl.DataFrame:
    rows = tape.select(
        "loan_id",
        "borrower_id",
        "region",
        pl.col("product").alias("loan_product"),
        pl.col("cutoff_on").cast(INSTANT).alias("moment"),
        pl.lit(ULTIMATE).alias("horizon_months_asked"),
    )
    feeds = {"loans": tape.lazy(), "borrowers": borrowers.lazy()}
    return door.tape_frame(champion.package.card.service, feeds, rows)
