"""Which rows are compared: what came since the model was trained, with what it was trained on."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from features.errors import RecoupError
from features.feeds import FEEDS
from features.lake import Lake
from features.store import FeatureDoor
from monitoring.thresholds import SCORE
from training import contact, recovery
from training.package import Card, ModelPackage


@dataclass(frozen=True)
class Window:
    """The two sides of a comparison, each with the model's inputs and its ``score``.

    Attributes
    ----------
    since, until : datetime
        Current rows lie after the one and not after the other.
    rows : int
        How many current rows there were before sampling.
    current, reference : polars.DataFrame
    """

    since: datetime
    until: datetime
    rows: int
    current: pl.DataFrame
    reference: pl.DataFrame


def window(door: FeatureDoor, package: ModelPackage, since: datetime, until: datetime, *,
           most: int, seed: int) -> Window:  # fmt: skip
    """Return current and reference rows of a model.

    Parameters
    ----------
    door : FeatureDoor
        With marts that are up to date.
    package : ModelPackage
        The model in force: it scores the current rows, and brings the reference.
    since, until : datetime
        UTC.
    most, seed : int
        At most so many rows on either side, drawn with this seed.
    """
    asked = _ASKED[package.card.name](door.lake, package.card, until)
    asked = asked.filter(pl.col("moment") > since, pl.col("moment") <= until)
    current = pl.DataFrame(schema=package.reference.schema)
    if not asked.is_empty():
        frame = door.frame(package.card.service, _sample(asked, most, seed))
        current = frame.with_columns(pl.Series(SCORE, package.scores(frame, threads=2)))
    return Window(since, until, asked.height, current, _sample(package.reference, most, seed))


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


def _loans(lake: Lake, card: Card, until: datetime) -> pl.DataFrame:
    """Return each loan when it came to us, asked about the horizon that the reference asks about."""
    # the very loans that training starts from: another choice of loans would look like drift
    loans = recovery.charged_off(lake, card.source, until)
    return loans.with_columns(
        pl.col("cutoff").alias("moment"), pl.lit(max(card.horizons)).alias("horizon_months_asked")
    )


def _attempts(lake: Lake, card: Card, until: datetime) -> pl.DataFrame:
    return contact.rows(lake, card.source, until)


_ASKED: dict[str, Callable[[Lake, Card, datetime], pl.DataFrame]] = {
    recovery.TASK.name: _loans,
    contact.TASK.name: _attempts,
}


def _sample(rows: pl.DataFrame, most: int, seed: int) -> pl.DataFrame:
    return rows if rows.height <= most else rows.sample(most, seed=seed)
