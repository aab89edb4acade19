"""A million-loan tape priced with intervals and reasons, against CatBoost's bare predict."""

import os
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from features.progress import Progress
from features.world import simulate
from recoup.bench import book
from recoup.bench.pairs import ratio
from serving.pricing import offer, valuation
from serving.pricing.prices import prices
from training.train import train

_BOOK_LOANS = 4_000
_TAPE_LOANS = 1_000_000


def measure(progress: Progress) -> dict[str, float]:
    """Return our time over the peer's for the same loans and model, with both sides' seconds.

    Ours is `serving.pricing.prices.prices`: from the frame of model inputs to the table of prices. It tells
    the loans outside the population; scores every loan at every horizon; gives its interval at each, its
    three reasons in exact contributions to recovery, net present value and price; and puts all that into
    the columns of ``prices.parquet``. Reading the tape, building the frame, the portfolio's scenarios and
    writing files are not timed. The peer is one ``predict`` of the same recovery model at one horizon, on
    a ready pool. Both sides run on two threads. The model is trained by the training job on a simulated
    book; the tape is the world's own, repeated.
    """
    os.environ.setdefault("RECOUP_TOKEN_KEY", "a key of the bench's own")
    with tempfile.TemporaryDirectory() as folder:
        offered = _offer(Path(folder), progress)
    package, given = offered.champion.package, valuation.assumptions()
    progress(f"prices of {offered.frame.height:,} loans by {package.model.tree_count_} trees")
    ready = package.pool(offered.frame)
    return ratio(lambda: prices(offered, given), lambda: package.model.predict(ready, thread_count=2))


def _offer(folder: Path, progress: Progress) -> offer.Offer:
    progress(f"a model of a book of {_BOOK_LOANS:,} loans")
    home = book.taken_in(simulate(_BOOK_LOANS, 1, folder / "world").feeds, folder / "home").home
    train("recovery", home, as_of=datetime(2025, 6, 30, tzinfo=UTC), trials=1, seed=1)
    small = offer.read(home, folder / "world" / "tape.csv", "canonical", progress)
    times = -(-_TAPE_LOANS // small.frame.height)
    loans, frame = (pl.concat([table] * times).head(_TAPE_LOANS).rechunk() for table in (small.loans, small.frame))
    return replace(small, loans=loans, frame=frame, collateral=None)
