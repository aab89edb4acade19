"""Who the debtors are, for fairness tests alone: nothing here is a model input by way of this module."""

from datetime import datetime

import polars as pl

from features.lake import Lake

AGE_BANDS = {"under 30": 30, "30 to 44": 45, "45 to 59": 60, "60 and over": 200}
"""Upper ages, exclusive."""


def describe(lake: Lake, source: str, rows: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Return what is known of each row's debtor.

    Parameters
    ----------
    lake : Lake
    source : str
        Whose data.
    rows : polars.DataFrame, shape (n, ...)
        ``borrower_id`` and ``moment``.
    as_of : datetime
        Last moment (UTC) whose facts are used.

    Returns
    -------
    polars.DataFrame, shape (n, 3)
        ``age band`` at the moment, ``region``, ``sex``: text, null where unknown.
    """
    known = (
        lake.scan("borrowers", source)
        .filter(pl.col("known_at") <= as_of)
        .sort("changed_at")
        .group_by("borrower_id")
        .agg(pl.col("birth_year", "region", "sex").drop_nulls().last())
        .collect()
    )
    found = rows.select("borrower_id", "moment").join(known, on="borrower_id", how="left", maintain_order="left")
    age = pl.col("moment").dt.year() - pl.col("birth_year")
    band = pl.lit(None, pl.String)
    for name, below in reversed(AGE_BANDS.items()):
        band = pl.when(age < below).then(pl.lit(name)).otherwise(band)
    return found.select(band.alias("age band"), "region", "sex")
