"""Which rows are compared: chunks of time since a model was trained, with those that it was trained on."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from features.errors import RecoupError
from features.feeds import FEEDS
from features.lake import Lake
from features.store import FeatureDoor
from monitoring.thresholds import SCORE, Chunks
from training import contact, recovery
from training.package import Card, ModelPackage

_BESIDE = ["moment", "chunk", "loan_id", "owed", "outcome"]
_LAST_DAY = timedelta(days=1)
_FLOWING = [feed for feed in FEEDS if feed != "borrowers"]
"""Feeds that bring rows of their own accord; borrowers come with their loans, and are missed in their columns."""


@dataclass(frozen=True)
class Chunk:
    """A week or month of rows.

    Attributes
    ----------
    start, end : datetime
        Rows lie at or after the one and before the other (UTC).
    rows : int
        How many there were before sampling.
    expected : int
        The fewest that any such chunk of the reference had.
    frame : polars.DataFrame, shape (n, features + 5)
        The model's inputs, ``score``, ``moment``, ``loan_id``, ``owed`` (currency) and ``outcome`` (of an
        attempt: 1 when the right party was reached), in the order of time.
    """

    start: datetime
    end: datetime
    rows: int
    expected: int
    frame: pl.DataFrame


@dataclass(frozen=True)
class Window:
    """The reference rows of a model in the order of time, and the chunks that came after them."""

    reference: pl.DataFrame
    chunks: list[Chunk]


def window(door: FeatureDoor, package: ModelPackage, since: datetime | None, until: datetime,
           rule: Chunks) -> Window:  # fmt: skip
    """Return reference and chunks of a model.

    Parameters
    ----------
    door : FeatureDoor
        With marts that are up to date.
    package : ModelPackage
        The model in force: it scores all rows.
    since : datetime, optional
        Chunks that start at or after this moment (UTC); after ``as_of`` when not given.
    until : datetime
        Chunks whose last day has begun by then.
    rule : Chunks
        How long they are, how far back the reference goes, how many rows of each are compared.
    """
    card = package.card
    as_of = datetime.fromisoformat(card.as_of)
    asked = _ASKED[card.name](door.lake, card, until).sort("moment")
    asked = asked.with_columns(chunk=pl.col("moment").dt.truncate(rule.every))
    first = pl.Series([as_of]).dt.offset_by(f"-{rule.reference}{rule.every[1:]}").item()
    end = pl.col("chunk").dt.offset_by(rule.every)
    learnt = asked.filter(pl.col("chunk") >= max(first, asked["moment"].min()), end - _LAST_DAY <= as_of)
    starts = _starts(max(since or as_of, as_of), until, rule.every)
    later = asked.filter(pl.col("moment") > as_of, pl.col("chunk").is_in([start for start, _ in starts]))
    scored = _scored(door, package, _sampled(pl.concat([learnt, later]), rule.most))
    by_chunk = scored.filter(pl.col("moment") > as_of).partition_by("chunk", as_dict=True, include_key=False)
    counts = dict(later["chunk"].value_counts().iter_rows())
    return Window(
        scored.filter(pl.col("moment") <= as_of),
        [
            Chunk(start, end, counts.get(start, 0), _fewest(learnt, as_of, rule.every),
                  by_chunk.get((start,), scored.clear().drop("chunk")))
            for start, end in starts
        ],
    )  # fmt: skip


def latest(lake: Lake) -> datetime:
    """Return when the lake learnt its latest fact.

    Raises
    ------
    RecoupError
        When the lake is empty.
    """
    learnt = [lake.scan(feed).select(pl.col("known_at").max()).collect().item() for feed in FEEDS]
    known = [moment for moment in learnt if moment is not None]
    if not known:
        raise RecoupError("the lake is empty: run `recoup ingest FILE --source NAME` first")
    return max(known)


def arrivals(lake: Lake, source: str, since: datetime, until: datetime, rule: Chunks) -> list[tuple[str, Chunk]]:
    """Return how many rows of each flowing feed of a source became known in each chunk."""
    first = pl.Series([since]).dt.offset_by(f"-{rule.reference}{rule.every[1:]}").item()
    found = []
    for feed in _FLOWING:
        rows = lake.scan(feed, source).select(moment="known_at").filter(pl.col("moment") > first).collect()
        rows = rows.with_columns(chunk=pl.col("moment").dt.truncate(rule.every))
        fewest = _fewest(rows.filter(pl.col("moment") <= since), since, rule.every)
        counts = dict(rows["chunk"].value_counts().iter_rows())
        found += [
            (feed, Chunk(start, end, counts.get(start, 0), fewest, pl.DataFrame()))
            for start, end in _starts(since, until, rule.every)
        ]
    return found


def _starts(since: datetime, until: datetime, every: str) -> list[tuple[datetime, datetime]]:
    """Return start and end of the whole chunks after ``since`` whose last day has begun by ``until``."""
    start = pl.Series([since]).dt.truncate(every).item()
    found = []
    while (end := pl.Series([start]).dt.offset_by(every).item()) - _LAST_DAY <= until:
        if start >= since or since - start < _LAST_DAY:
            found.append((start, end))
        start = end
    return found


def _fewest(rows: pl.DataFrame, as_of: datetime, every: str) -> int:
    """Return the fewest rows of any whole chunk of the reference; 0 when there is a gap, or none."""
    if rows.is_empty():
        return 0
    edges = pl.Series([rows["moment"].min(), as_of]).dt.truncate(every)
    counts = dict(rows["chunk"].value_counts().iter_rows())
    whole = pl.datetime_range(edges[0], edges[1], every, closed="none", eager=True)
    return min((counts.get(start, 0) for start in whole), default=0)


def _scored(door: FeatureDoor, package: ModelPackage, asked: pl.DataFrame) -> pl.DataFrame:
    if asked.is_empty():
        return package.reference.clear().with_columns(asked.select(_BESIDE))
    frame = door.frame(package.card.service, asked)
    scores = pl.Series(SCORE, package.scores(frame, threads=2))
    return frame.with_columns(scores, *asked.select(_BESIDE))


def _sampled(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """Keep at most so many rows of each chunk, chosen by chance and the same each time."""
    order = pl.struct("loan_id", "moment").hash(seed=7)
    return rows.filter(order.rank("ordinal").over("chunk") <= most)


def _loans(lake: Lake, card: Card, until: datetime) -> pl.DataFrame:
    """Return each loan when it came to us, asked about the horizon that the reference asks about."""
    # the very loans that training starts from: another choice of loans would look like drift
    loans = recovery.charged_off(lake, card.source, until)
    loans = loans.filter(pl.col("cutoff") <= until)
    return loans.with_columns(
        pl.col("cutoff").alias("moment"),
        pl.col("balance").alias("owed"),
        pl.lit(max(card.horizons)).alias("horizon_months_asked"),
        pl.lit(None, pl.Float64).alias("outcome"),
    )


def _attempts(lake: Lake, card: Card, until: datetime) -> pl.DataFrame:
    attempts = contact.rows(lake, card.source, until)
    return attempts.with_columns(pl.lit(None, pl.Float64).alias("owed"), pl.col("target").alias("outcome"))


_ASKED: dict[str, Callable[[Lake, Card, datetime], pl.DataFrame]] = {
    recovery.TASK.name: _loans,
    contact.TASK.name: _attempts,
}
