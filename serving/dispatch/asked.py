"""Features of the moment for questions that the door to Feast is not asked one by one.

Only the columns that a question names are known; whatever needs others comes out as NaN.
"""

from typing import Any

import numpy as np
import polars as pl

from features import moment
from features.marts.columns import MISSING

CALENDAR = ["local_hour", "local_weekday", "day_of_month", "month_of_year"]


def calendar(at: pl.Series, zones: pl.Series) -> pl.DataFrame:
    """Return the `CALENDAR` inputs at moments (UTC) on the clocks of IANA zones, null where unknown."""
    found = _features(at, {"time_zone": zones.fill_null(MISSING).to_numpy()})
    return pl.DataFrame({name: found[name] for name in CALENDAR}).fill_nan(None)


def debt_age(at: pl.Series, default_at: pl.Series) -> pl.Series:
    """Return months since default (seconds since 1970, UTC) at moments (UTC), null where unknown."""
    found = _features(at, {"default_at": default_at.cast(pl.Float64).to_numpy()})
    return pl.Series("months_since_default", found["months_since_default"]).fill_nan(None)


def _features(at: pl.Series, known: dict[str, np.ndarray]) -> dict[str, Any]:
    unknown, missing = np.full(len(at), np.nan), np.full(len(at), MISSING, dtype=object)
    columns: dict[str, np.ndarray] = {name: unknown for names in moment.ATTEMPT_INPUTS.values() for name in names}
    columns |= {"time_zone": missing, "channel_asked": missing, "point_kind_asked": missing}
    return moment.at_attempt(columns | known | {"moment": at.dt.epoch("us").to_numpy() / 1e6})
