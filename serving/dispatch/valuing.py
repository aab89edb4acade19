"""What a candidate is worth: the chance that it reaches the debtor times what that adds, less its cost."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import cast

import polars as pl

from serving.dispatch import asked
from training.attempt_value import AttemptValue
from training.package import ModelPackage
from training.row_model import RowModel

FeaturesOf = Callable[[pl.DataFrame], pl.DataFrame]
"""From ``moment``, ``loan_id``, ``borrower_id``, ``channel_asked``, ``point_kind_asked`` to model inputs."""


def inputs(ways: pl.DataFrame, moment: datetime, features_of: FeaturesOf) -> pl.DataFrame:
    """Return the contact model's inputs for each way, as known at a moment (UTC)."""
    return features_of(
        ways.select(
            pl.lit(moment).alias("moment"),
            "loan_id",
            "borrower_id",
            pl.col("channel").alias("channel_asked"),
            pl.col("point_kind").alias("point_kind_asked"),
        )
    )


def at_slot(known: pl.DataFrame, slot: datetime, zones: pl.Series) -> pl.DataFrame:
    """Return the same inputs for an attempt in a slot (UTC): only hour and date there move on.

    Ages and times since the last attempt stay as they were when the plan was made, at most a day
    before.
    """
    moments = pl.repeat(slot, known.height, eager=True)
    return known.with_columns(asked.calendar(moments, zones))


def by_slot(ways: pl.DataFrame, lawful: pl.DataFrame, moment: datetime,
            features_of: FeaturesOf) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:  # fmt: skip
    """Yield, slot by slot, lawful candidates with their way's columns, and their model inputs.

    Parameters
    ----------
    ways : polars.DataFrame
        See `candidates.ways`.
    lawful : polars.DataFrame
        ``way`` (row of ``ways``) and ``slot`` (UTC).
    moment : datetime
        When what is known was known (UTC).
    features_of : callable
        The door to Feast, offline or online.
    """
    if lawful.is_empty():
        return
    used = lawful.select("way").unique()
    chosen = ways.with_row_index("way").join(used, on="way", how="semi", maintain_order="left")
    known, numbered = inputs(chosen, moment, features_of), chosen.with_row_index("row")
    for (slot,), rows in lawful.sort("slot", "way").group_by("slot", maintain_order=True):
        part = rows.join(numbered, on="way", maintain_order="left")
        frame = at_slot(known[part["row"]], cast(datetime, slot), part["time_zone"])
        yield part.drop("row"), frame


def valued(part: pl.DataFrame, frame: pl.DataFrame, package: ModelPackage | RowModel, values: AttemptValue,
           threads: int = 1) -> pl.DataFrame:  # fmt: skip
    """Add ``chance``, ``local_hour``, ``added_value``, ``cost`` and ``net_value`` to candidates.

    Parameters
    ----------
    part, frame : polars.DataFrame, n rows each
        Candidates and their model inputs; see `by_slot`.
    package : ModelPackage
        The contact model.
    values : AttemptValue
        Money in the currency of the loan.
    """
    chance = pl.Series("chance", package.scores(frame, threads=threads))
    return values.of(part.with_columns(chance, frame["local_hour"]))
