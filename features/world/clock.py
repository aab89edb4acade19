"""The world's calendar: months counted from the first cut-off, and what they are in UTC."""

from datetime import date, timedelta
from functools import cached_property

import numpy as np
import polars as pl

from features.world import parameters as p

DAY = 86_400  # seconds
MONTH_DAYS = 365.25 / 12
_BEFORE, _AFTER = 120, 12  # months kept on either side of the cohorts and their horizons


class Clock:
    """Month ``m`` runs from the end of the day ``until - COHORTS + m`` months to the next one.

    A loan of cohort ``c`` has its cut-off at month ``c``; ``COHORTS`` is ``until`` itself.
    """

    def __init__(self, until: date) -> None:
        self.until = until

    @cached_property
    def _days(self) -> np.ndarray:
        months = range(-_BEFORE, p.COHORTS + p.HORIZON + _AFTER + 1)
        return np.array([_add_months(self.until, m - p.COHORTS) for m in months], "datetime64[D]")

    @cached_property
    def _ends(self) -> np.ndarray:
        return (self._days + 1).astype("datetime64[s]").astype(np.int64)

    @property
    def now(self) -> int:
        """Last second of ``until``, in seconds since 1970 UTC."""
        return int(self._ends[_BEFORE + p.COHORTS]) - 1

    def day(self, month: np.ndarray) -> np.ndarray:
        """Calendar day (datetime64[D]) that ends month ``month - 1``: the cut-off of a cohort."""
        return self._days[np.asarray(month) + _BEFORE]

    def second(self, month: np.ndarray) -> np.ndarray:
        """Seconds since 1970 UTC of a moment counted in months, rounded down."""
        grid = np.arange(len(self._ends)) - _BEFORE
        return np.floor(np.interp(month, grid, self._ends)).astype(np.int64)

    def month(self, second: np.ndarray) -> np.ndarray:
        """Month in which a moment falls."""
        return np.searchsorted(self._ends, second, side="right") - 1 - _BEFORE


def instants(name: str, seconds: np.ndarray) -> pl.Series:
    """Seconds since 1970 as a column of moments in UTC."""
    moments = pl.Series(name, np.asarray(seconds, np.int64) * 1_000_000)
    return moments.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def local_to_utc(local_seconds: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Wall-clock seconds at a region's place to seconds UTC, daylight saving included."""
    frame = pl.DataFrame({"local": local_seconds * 1_000_000, "region": region}).with_columns(
        pl.col("local").cast(pl.Datetime("us"))
    )
    utc = pl.lit(None, dtype=pl.Datetime("us"))
    for code, place in enumerate(p.REGIONS):
        here = pl.col("local").dt
        moved = here.replace_time_zone(place.zone, ambiguous="earliest", non_existent="null")
        moved = moved.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        utc = pl.when(pl.col("region") == code).then(moved).otherwise(utc)
    return frame.select(utc.alias("utc"))["utc"].cast(pl.Int64).to_numpy() // 1_000_000


def local_hour_of_week(moments: pl.Series, region: pl.Series) -> np.ndarray:
    """Hour of the week at a region's place (a code of ``REGIONS``) at moments in UTC; 0 is Monday 00:00."""
    hour = pl.lit(None, dtype=pl.Int64)
    for place in p.REGIONS:
        there = pl.col("moment").dt.convert_time_zone(place.zone).dt
        local = (there.weekday().cast(pl.Int64) - 1) * 24 + there.hour()
        hour = pl.when(pl.col("region") == place.code).then(local).otherwise(hour)
    return pl.DataFrame({"moment": moments, "region": region}).select(hour=hour)["hour"].to_numpy()


def _add_months(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    last = (following - timedelta(days=1)).day
    return date(year, month + 1, min(day.day, last))
