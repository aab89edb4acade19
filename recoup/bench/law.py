"""A second look at a plan: the United States' rules, written apart from those that made it, from the raw feeds."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from features.lake import Lake

_CALLS = ("call", "auto_call")
_ENDS = ("America/Puerto_Rico", "America/New_York", "America/Los_Angeles", "Pacific/Honolulu", "Pacific/Pago_Pago",
         "Pacific/Guam")  # fmt: skip
_WEEK = 7


def illegal(lake: Lake, contacts: pl.DataFrame, moment: datetime) -> int:
    """Count the contacts that break a rule of 12 CFR 1006 or 47 U.S.C. 227, or lack a fact that one needs.

    Parameters
    ----------
    lake : Lake
    contacts : polars.DataFrame
        ``loan_id``, ``borrower_id``, ``channel`` and ``slot`` (UTC).
    moment : datetime
        When the plan was made (UTC).
    """
    people = _latest(lake, "borrowers", "borrower_id", moment)
    loans = _latest(lake, "loans", "loan_id", moment)
    past = defaultdict(list)
    recent = lake.scan("contacts").filter(
        pl.col("attempted_at").is_between(moment - timedelta(days=10), moment) & pl.col("channel").is_in(_CALLS)
    )
    for loan, at, reached in recent.select("loan_id", "attempted_at", "right_party").collect().iter_rows():
        past[loan].append((at, reached))
    twice = contacts["borrower_id"].is_duplicated().sum()
    return int(twice) + sum(
        _breaks(row, people[row["borrower_id"]], loans[row["loan_id"]], past[row["loan_id"]])
        for row in contacts.to_dicts()
    )


def _latest(lake: Lake, feed: str, key: str, moment: datetime) -> dict[str, dict[str, Any]]:
    rows = lake.scan(feed).filter(pl.col("known_at") <= moment).sort("known_at", maintain_order=True).collect()
    filled = rows.group_by(key, maintain_order=True).agg(pl.all().drop_nulls().last())
    return {row[key]: row for row in filled.to_dicts()}


def _breaks(row: dict[str, Any], person: dict[str, Any], loan: dict[str, Any], past: list[Any]) -> bool:
    channel, letter = row["channel"], row["channel"] == "letter"
    if person["jurisdiction"] != "US" or person["do_not_contact"] is not False or person["disputed"] is None:
        return True
    if loan["legal_status"] == "insolvency" or (person["disputed"] and not letter):
        return True
    if not letter and person[f"consent_{channel}"] is not True:
        return True
    zones = [person["time_zone"]] if person["time_zone"] else _ENDS
    return not letter and any(_out(row["slot"], zone, channel, past) for zone in zones)


def _out(slot: datetime, zone: str, channel: str, past: list[Any]) -> bool:
    place = ZoneInfo(zone)
    begins, ends = (at.astimezone(place) for at in (slot, slot + timedelta(minutes=59)))
    if not (8 <= begins.hour < 21 and 8 <= ends.hour < 21):
        return True
    if channel not in _CALLS:
        return False
    ago = [((begins.date() - at.astimezone(place).date()).days, reached) for at, reached in past]
    near = [reached for days, reached in ago if days < _WEEK]
    return len(near) >= _WEEK or any(near)
