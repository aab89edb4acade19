"""`recoup bench road`: intake, point-in-time frames and bulk scoring against their bare peers."""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from catboost import CatBoost

from features.home import Home
from features.lake import Lake
from features.marts import MARTS
from features.progress import Progress
from features.store import FeatureDoor
from features.world import simulate, simulate_tape
from recoup.bench import book
from recoup.bench.pairs import ratio
from training.leaf_shap import LeafShap
from training.package import Card, ModelPackage, to_pool

_TAPE_LOANS = 1_000_000
_BOOK_LOANS = 200_000
_TREES = 500
_SERVICE = "recovery_v1"


def measure(progress: Progress) -> dict[str, float]:
    """Return the ratios (ours over the peer's time, smaller is better) with both sides' seconds."""
    os.environ.setdefault("RECOUP_TOKEN_KEY", "a key of the bench's own")
    with tempfile.TemporaryDirectory() as folder:
        figures = {"intake_vs_polars": _intake(Path(folder) / "intake", progress)}
        door, rows = _book(Path(folder) / "book", progress)
        progress(f"point-in-time frame of {rows.height:,} loans")
        figures["frame_vs_asof"] = ratio(lambda: door.frame(_SERVICE, rows), lambda: _bare_asof(door, rows))
        frame = door.frame(_SERVICE, rows)
        figures["scores_vs_predict"] = _scores(door, frame, progress)
    return {
        key if part == "ratio" else f"{key}.{part}": value
        for key, measured in figures.items()
        for part, value in measured.items()
    }


def _intake(folder: Path, progress: Progress) -> dict[str, float]:
    progress(f"intake of a tape of {_TAPE_LOANS:,} loans")
    folder.mkdir()
    tape = folder / "tape.csv"
    simulate_tape(_TAPE_LOANS, seed=1).write_csv(tape)

    def ours() -> None:
        shutil.rmtree(folder / "home", ignore_errors=True)
        Lake(Home(folder / "home")).ingest(tape, "canonical", "loans")

    return ratio(ours, lambda: pl.read_csv(tape).write_parquet(folder / "plain.parquet"))


def _book(folder: Path, progress: Progress) -> tuple[FeatureDoor, pl.DataFrame]:
    """Take a simulated book into a lake of its own and ask for every loan a year after its cut-off."""
    progress(f"a book of {_BOOK_LOANS:,} loans with its payments and attempts")
    world = simulate(_BOOK_LOANS, 1, folder / "world")
    door = book.taken_in(world.feeds, folder / "home")
    door.refresh()
    rows = door.lake.scan("loans").select(
        "loan_id",
        "borrower_id",
        "region",
        pl.col("cutoff_on").cast(pl.Datetime("us", "UTC")).dt.offset_by("1y").alias("moment"),
        pl.lit(120.0).alias("horizon_months_asked"),
    )
    return door, rows.collect()


def _bare_asof(door: FeatureDoor, rows: pl.DataFrame) -> pl.DataFrame:
    """Join the same tables with polars alone: no features of the moment, no order, no types."""
    joined = rows.sort("moment")
    for name, mart in MARTS.items():
        table = pl.read_parquet(door.home.marts / f"{name}.parquet").drop("created_timestamp")
        table = table.rename({"event_timestamp": "moment"}).sort("moment")
        joined = joined.join_asof(table, on="moment", by=mart.ENTITY, check_sortedness=False)
    return joined


def _scores(door: FeatureDoor, frame: pl.DataFrame, progress: Progress) -> dict[str, float]:
    columns = [vars(column) for column in door.columns(_SERVICE)]
    categories = [column["name"] for column in columns if column["kind"] == "category"]
    sample = frame.head(20_000)
    target = np.random.default_rng(1).random(sample.height)
    model = CatBoost({"iterations": _TREES, "max_ctr_complexity": 1, "allow_writing_files": False, "verbose": False})
    model.fit(to_pool(sample, categories, target))
    card = Card("recovery", _SERVICE, columns, "share", "bench", "", 1, "", "", sample.height)
    package = ModelPackage(model, LeafShap.build(model), card, sample)
    many = pl.concat([frame] * (_TAPE_LOANS // frame.height))
    progress(f"scores of {many.height:,} loans by {_TREES} trees")
    ready = package.pool(many)
    return ratio(lambda: package.scores(many, threads=2), lambda: model.predict(ready, thread_count=2))
