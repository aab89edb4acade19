"""Which model inputs rest on which field of a feed, asked of the marts rather than written down again."""

import datetime as dt
from typing import Any

import polars as pl

from features.feeds import FEEDS
from features.feeds.columns import INSTANT
from features.marts.columns import MISSING
from features.store import FeatureDoor
from training.outlook import ULTIMATE
from training.package import ModelPackage

_DAY = dt.date(2020, 1, 1)
_KEYS = ("loan_id", "region", "known_at", "cutoff_on", "changed_at")
_DEBTOR = "borrower_id"


def inputs_by_field(door: FeatureDoor, package: ModelPackage, feed: str) -> dict[str, list[str]]:
    """Return, for each field of a feed, the model inputs that are unknown when only it is.

    One made-up loan is shown to the marts with everything filled, then once for each field without it;
    for ``borrower_id`` of ``borrowers``, without anything known of the debtor.

    Parameters
    ----------
    door : FeatureDoor
    package : ModelPackage
    feed : str
        ``loans`` or ``borrowers``.

    Returns
    -------
    dict of str to list of str
        In the schema's order; fields that no input rests on have an empty list.
    """
    fields = [name for name in FEEDS[feed].SCHEMA.columns if name not in _KEYS and (feed, name) != ("loans", _DEBTOR)]
    probes = {name: _probes(name, ["", *fields] if name == feed else [""] * (len(fields) + 1))
              for name in ("loans", "borrowers")}  # fmt: skip
    rows = probes["loans"].select(
        "loan_id", "borrower_id", "region", pl.col("product").alias("loan_product"),
        pl.lit(_DAY).cast(INSTANT).alias("moment"), pl.lit(ULTIMATE).alias("horizon_months_asked"),
    )  # fmt: skip
    probes["borrowers"] = probes["borrowers"].filter(pl.col(_DEBTOR).is_not_null())
    frame = door.tape_frame(package.card.service, {name: probe.lazy() for name, probe in probes.items()}, rows)
    unknown = unknown_in(frame, package)
    full, *masked = unknown.rows()
    return {
        field: [name for name, before, after in zip(unknown.columns, full, row, strict=True) if after and not before]
        for field, row in zip(fields, masked, strict=True)
    }


def unknown_in(frame: pl.DataFrame, package: ModelPackage) -> pl.DataFrame:
    """Return whether each model input is unknown, row by row."""
    return frame.select(
        pl.col(name) == MISSING if kind == "category" else pl.col(name).is_null()
        for name, kind in ((column["name"], column["kind"]) for column in package.card.columns)
    )


def _probes(feed: str, left_out: list[str]) -> pl.DataFrame:
    """Return a row for each field left out (none for the empty name), each of a debtor of its own."""
    columns = FEEDS[feed].SCHEMA.columns
    made = {
        name: [None if name == field else _value(name, column, place) for place, field in enumerate(left_out)]
        for name, column in columns.items()
    }
    return pl.DataFrame(made, schema={name: column.dtype.type for name, column in columns.items()})


def _value(name: str, column: Any, place: int) -> Any:
    dtype, allowed = column.dtype.type, (column.metadata or {}).get("allowed")
    if name in ("loan_id", _DEBTOR):
        return f"probe {place}"
    if dtype == pl.String:
        return allowed[0] if allowed else "probe"
    if dtype == pl.Date:
        return _DAY
    if dtype == INSTANT:
        return dt.datetime(_DAY.year, _DAY.month, _DAY.day, tzinfo=dt.UTC)
    return True if dtype == pl.Boolean else 10.0
