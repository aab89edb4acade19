"""What a candidate is worth: the chance that it reaches the debtor times what that adds, less its cost."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Known:
    """Ways that may be tried, and what was known of them.

    Attributes
    ----------
    ways : polars.DataFrame
        See `candidates.ways`, with ``way`` (their row there), ``row`` (of ``frame``) and ``place`` (in ``zones``).
    frame : polars.DataFrame
        Their model inputs at the moment.
    zones : polars.Series
        Each time zone once.
    """

    ways: pl.DataFrame
    frame: pl.DataFrame
    zones: pl.Series

    def at(self, chosen: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return candidates with their way's columns, and their model inputs, in order of slot and way."""
        parts = list(self.by_slot(chosen))
        if not parts:
            return chosen.join(self.ways, on="way").drop("row", "place"), self.frame.clear()
        rows, frames = (pl.concat(tables) for tables in zip(*parts, strict=True))
        return rows, frames

    def by_slot(self, chosen: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """Yield, slot by slot, candidates with their way's columns, and their model inputs then.

        Only hour and date move on: ages and times since the last attempt stay as they were when the plan was
        made, at most a day before.

        Parameters
        ----------
        chosen : polars.DataFrame
            ``way`` and ``slot`` (UTC), of lawful candidates.
        """
        for (slot,), rows in chosen.sort("slot", "way").group_by("slot", maintain_order=True):
            part = rows.join(self.ways, on="way", maintain_order="left")
            moments = pl.repeat(cast(datetime, slot), len(self.zones), eager=True)
            there = asked.calendar(moments, self.zones)[part["place"]]
            yield part.drop("row", "place"), self.frame[part["row"]].with_columns(there)


def known(ways: pl.DataFrame, lawful: pl.DataFrame, moment: datetime, features_of: FeaturesOf) -> Known:
    """Read what was known of the ways that may be tried.

    Parameters
    ----------
    ways : polars.DataFrame
        See `candidates.ways`.
    lawful : polars.DataFrame
        ``way`` (row of ``ways``) and ``slot`` (UTC).
    moment : datetime
        When what is known was known (UTC).
    features_of : callable
        The door to Feast, offline or online; not asked where nothing is lawful.
    """
    used, zones = lawful.select("way").unique(), ways["time_zone"].unique(maintain_order=True)
    chosen = ways.with_row_index("way").join(used, on="way", how="semi", maintain_order="left").with_row_index("row")
    numbered = zones.to_frame().with_row_index("place")
    chosen = chosen.join(numbered, on="time_zone", how="left", nulls_equal=True, maintain_order="left")
    return Known(chosen, inputs(chosen, moment, features_of) if chosen.height else pl.DataFrame(), zones)


def valued(part: pl.DataFrame, frame: pl.DataFrame, package: ModelPackage | RowModel, values: AttemptValue,
           threads: int = 1) -> pl.DataFrame:  # fmt: skip
    """Add ``chance``, ``local_hour``, ``added_value``, ``cost`` and ``net_value`` to candidates.

    Parameters
    ----------
    part, frame : polars.DataFrame, n rows each
        Candidates and their model inputs; see `Known.by_slot`.
    package : ModelPackage
        The contact model.
    values : AttemptValue
        Money in the currency of the loan.
    """
    chance = pl.Series("chance", package.scores(frame, threads=threads))
    return values.of(part.with_columns(chance, frame["local_hour"]))
