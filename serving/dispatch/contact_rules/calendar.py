"""The law's calendar: which attempts a rule refuses, and which rule.

A slot lasts an hour and is lawful only if each of its minutes is. Dates and hours are those of the
debtor's place; where that is unknown, of every place where he may be.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import polars as pl

from features.feeds.columns import INSTANT
from serving.dispatch.contact_rules import Rule, RuleSet

_MINUTES = 60
_HISTORY = ("cap", "pause", "third_party")
_LAWFUL = np.uint16(2**16 - 1)
"""Stands for no rule where ranks of rules are counted."""


def judge(ways: pl.DataFrame, candidates: pl.DataFrame, attempts: pl.DataFrame, rules: RuleSet) -> pl.Series:
    """Return the clause that refuses each candidate, null where none does.

    A debtor's candidates are alternatives: at most one of them may be chosen. What a rule says of hours is found
    once for a place, what it says of facts and history once for a way and a local date; a candidate is then one
    look at a table, so that there may be millions.

    Parameters
    ----------
    ways : polars.DataFrame
        A row per debt and channel: ``loan_id``, ``borrower_id``, ``channel``, ``contact_point``
        (token), ``jurisdiction``, ``time_zone`` (IANA), ``consent`` (to the channel),
        ``do_not_contact``, ``disputed``, ``insolvent``; null where unknown.
    candidates : polars.DataFrame
        ``way`` (row of ``ways``) and ``slot`` (UTC, a full minute).
    attempts : polars.DataFrame
        Past rows of the ``contacts`` feed about these debtors and contact points.
    rules : RuleSet
    """
    places, of_way = _places(ways, rules)
    slots = candidates["slot"].unique().sort()
    way, slot = candidates["way"].to_numpy(), np.searchsorted(slots.to_numpy(), candidates["slot"].to_numpy())
    clocks = _clocks(_asked(ways["channel"], way, slot, slots).join(places, on="channel"), rules)
    spans = clocks.select("place", "first", "last").unique(maintain_order=True)
    spans = spans.with_columns(span=pl.int_range(pl.len()).over("place"))
    facts = of_way.join(spans, on="place", maintain_order="left")
    known = facts.join(ways.with_row_index("way").drop("time_zone"), on="way", maintain_order="left")
    known = known.join(places.select("place", "zone"), on="place", maintain_order="left")
    by_day = np.full((of_way.height, len(spans["span"].unique())), _LAWFUL)
    by_day[facts["pair"].to_numpy(), facts["span"].to_numpy()] = _filled(_ranks(known, attempts, rules))
    by_clock = np.full((places.height, len(slots)), _LAWFUL)
    span = np.zeros_like(by_clock, int)
    clocks = clocks.join(spans, on=["place", "first", "last"], maintain_order="left")
    at = clocks["place"].to_numpy(), np.searchsorted(slots.to_numpy(), clocks["slot"].to_numpy())
    by_clock[at], span[at] = _filled(clocks["by_clock"]), clocks["span"].to_numpy()
    worst = _worst(of_way, by_day, by_clock, span)
    return _clauses(worst[way, slot], rules)


def _worst(of_way: pl.DataFrame, by_day: np.ndarray, by_clock: np.ndarray, span: np.ndarray) -> np.ndarray:
    """Return the rank of the first rule that refuses each way in each slot, shape (ways, slots)."""
    place = of_way["place"].to_numpy()
    first = np.flatnonzero(np.diff(of_way["way"].to_numpy(), prepend=-1))
    pair, columns = np.arange(len(place)), []
    for slot in range(by_clock.shape[1]):
        rank = np.minimum(by_clock[place, slot], by_day[pair, span[place, slot]])
        columns.append(np.minimum.reduceat(rank, first) if len(first) else rank)
    return np.column_stack(columns) if columns else np.empty((0, 0), np.uint16)


def _asked(channels: pl.Series, way: np.ndarray, slot: np.ndarray, slots: pl.Series) -> pl.DataFrame:
    """Return the slots that are asked of any way of a channel: ``channel`` and ``slot``."""
    names = channels.unique(maintain_order=True)
    number = channels.replace_strict(names, range(len(names)), return_dtype=pl.Int64).to_numpy()
    met = np.zeros((len(names), len(slots)), bool)
    met[number[way], slot] = True
    channel, at = np.nonzero(met)
    return pl.DataFrame([names[channel].alias("channel"), slots[at].alias("slot")])


def _filled(ranks: pl.Series) -> np.ndarray:
    return ranks.fill_null(_LAWFUL).to_numpy()


def _places(ways: pl.DataFrame, rules: RuleSet) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the places where the law is looked up, and the places of each way."""
    possible = pl.DataFrame(
        [(name, list(zones) or None) for name, zones in rules.possible_zones.items()],
        schema={"jurisdiction": pl.String, "possible": pl.List(pl.String)},
        orient="row",
    )
    zones = (
        ways.with_row_index("way")
        .join(possible, on="jurisdiction", how="left")
        .with_columns(
            pl.when(pl.col("time_zone").is_in(_time_zones().implode()))
            .then(pl.concat_list("time_zone"))
            .otherwise("possible")
            .alias("zone")
        )
        .select("way", "jurisdiction", "channel", "zone")
        .explode("zone")
    )
    keys = ["jurisdiction", "channel", "zone"]
    places = zones.select(keys).unique().sort(keys).with_row_index("place")
    of_way = zones.join(places, on=keys, nulls_equal=True).select("way", "place").sort("way", "place")
    return places, of_way.with_row_index("pair")


@cache
def _time_zones() -> pl.Series:
    """Return the names of all time zones; looking for them takes milliseconds."""
    return pl.Series(sorted(available_timezones()))


def _clocks(asked: pl.DataFrame, rules: RuleSet) -> pl.DataFrame:
    """Return, per place and slot, the local dates and the first clause on hours that refuses."""
    found = []
    for place, slot, jurisdiction, channel, zone in asked.select(
        "place", "slot", "jurisdiction", "channel", "zone"
    ).iter_rows():
        local = _local(zone or "UTC", slot)
        refusing = (
            rank
            for rank, rule in enumerate(rules.rules)
            if zone is not None and any(_out(rule, rules.rules, jurisdiction, channel, *part) for part in local.items())
        )
        found.append((place, slot, min(local), max(local), next(refusing, None)))
    day = pl.Date()
    schema = {"place": pl.UInt32(), "slot": INSTANT, "first": day, "last": day, "by_clock": pl.UInt16()}
    return pl.DataFrame(found, schema=schema, orient="row")


@lru_cache(maxsize=10_000)
def _local(zone: str, slot: datetime) -> dict[date, list[time]]:
    """Return the minutes of a slot by local date; clocks change on the minute."""
    place, minutes = ZoneInfo(zone), defaultdict(list)
    for minute in range(_MINUTES):
        local = (slot + timedelta(minutes=minute)).astimezone(place)
        minutes[local.date()].append(local.time())
    return minutes


def _out(rule: Rule, rules: Sequence[Rule], jurisdiction: str | None, channel: str, day: date,
         minutes: list[time]) -> bool:  # fmt: skip
    """Tell whether a rule on hours, or the lack of one, refuses these minutes of a local date."""
    if rule.kind not in ("hours", "covered") or not rule.binds(jurisdiction, channel, day):
        return False
    if rule.kind == "hours":
        return not all(rule.opens <= minute < rule.closes for minute in minutes)
    return not any(
        other.kind in rule.by and other.jurisdiction != "*" and other.binds(jurisdiction, channel, day)
        for other in rules
    )


def _ranks(facts: pl.DataFrame, attempts: pl.DataFrame, rules: RuleSet) -> pl.Series:
    """Return the rank of the first rule on facts or history that refuses each way on its dates."""
    refusing = []
    for rank, rule in enumerate(rules.rules):
        if rule.kind in ("hours", "covered"):
            continue
        met = pl.lit(_by_history(facts, attempts, rule)) if rule.kind in _HISTORY else _by_fact(rule)
        refusing.append(pl.when(_binds(rule) & met).then(pl.lit(rank, pl.UInt16)))
    return facts.select(pl.min_horizontal(refusing).alias("by_day")).to_series()


def _binds(rule: Rule) -> pl.Expr:
    """Say of which rows the rule is in force on any of the slot's local dates."""
    here = pl.lit(True) if rule.jurisdiction == "*" else pl.col("jurisdiction") == rule.jurisdiction
    in_time = (pl.col("last") >= rule.effective) & (pl.col("first") < rule.until)
    return here.fill_null(False) & pl.col("channel").is_in(rule.channels) & in_time


def _by_fact(rule: Rule) -> pl.Expr:
    if rule.kind == "consent":
        return ~pl.col("consent").fill_null(True)
    column = pl.col(rule.column or "")
    return column.is_null() if rule.kind == "known" else column.fill_null(False)


def _by_history(facts: pl.DataFrame, attempts: pl.DataFrame, rule: Rule) -> pl.Series:
    """Tell which rows the rule refuses because of what was tried before."""
    channel = pl.col("channel").is_in(rule.channels)
    sharers = pl.col("borrower_id").n_unique().over(_key(rule)).alias("sharers")
    asked = facts.with_row_index("row").filter(channel).with_columns(sharers)
    asked = asked.filter(_binds(rule) & pl.col("zone").is_not_null())
    counted = attempts.filter(channel)
    refused = (_strangers if rule.kind == "third_party" else _too_often)(asked, counted, rule)
    return facts.select(pl.int_range(pl.len(), dtype=pl.UInt32).is_in(refused.implode())).to_series()


def _key(rule: Rule) -> list[str]:
    """Return the columns that a rule counts by."""
    return ["borrower_id", "loan_id"] if rule.per == "debt" else ["contact_point"]


def _too_often(asked: pl.DataFrame, attempts: pl.DataFrame, rule: Rule) -> pl.Series:
    """Return the rows whose cap is used up or whose pause is not over.

    Everybody who shares a contact point may be tried on the same day: each of them counts against
    its cap.
    """
    if rule.kind == "pause":
        attempts = attempts.filter("right_party")
    elif rule.unanswered:
        attempts = attempts.filter(~pl.col("right_party") & pl.col("outcome").ne_missing("wrong_party"))
    past = _dated(asked, attempts, _key(rule), rule.days)
    number = past.group_by("row").agg(pl.len().alias("made"))
    made = pl.col("made").fill_null(0)
    over = made > 0 if rule.kind == "pause" else made + pl.col("sharers") > rule.most
    return asked.join(number, on="row", how="left").filter(over)["row"]


def _dated(asked: pl.DataFrame, attempts: pl.DataFrame, key: list[str], days: int) -> pl.DataFrame:
    """Return the attempts of each row within ``days`` local dates, its own the last.

    An attempt without debt or contact point counts for each of the debtor's.
    """
    if asked.is_empty():
        return asked.select("row")
    since = asked["first"].min() - timedelta(days=days + 2)  # type: ignore[operator]
    recent = attempts.filter(pl.col("attempted_at").dt.date() >= since)
    asked = asked.select("row", "borrower_id", "loan_id", "contact_point", "zone", "first", "last")
    unnamed = recent.filter(pl.col(key[-1]).is_null())
    columns = ["row", "zone", "first", "last", "attempted_at"]
    past = pl.concat(
        [
            asked.join(recent, on=key).select(columns),
            asked.join(unnamed, on="borrower_id").select(columns),
        ]
    )
    local = [at.astimezone(ZoneInfo(zone)).date() for at, zone in past.select("attempted_at", "zone").iter_rows()]
    window = pl.col("day").is_between(pl.col("first") - pl.duration(days=days - 1), pl.col("last"))
    return past.with_columns(pl.Series("day", local, dtype=pl.Date)).filter(window)


def _strangers(asked: pl.DataFrame, attempts: pl.DataFrame, rule: Rule) -> pl.Series:
    """Return the rows at whose contact point somebody else answered last."""
    answered = attempts.filter(pl.col("right_party") | (pl.col("outcome") == "wrong_party"))
    last = (
        answered.sort("attempted_at", maintain_order=True)
        .group_by("borrower_id", rule.per)
        .agg(pl.col("right_party").last())
    )
    return asked.join(last.filter(~pl.col("right_party")), on=["borrower_id", rule.per], how="semi")["row"]


def _clauses(ranks: np.ndarray, rules: RuleSet) -> pl.Series:
    names = list(dict.fromkeys(rule.clause for rule in rules.rules))
    clauses = pl.Series("clause", [rule.clause for rule in rules.rules], dtype=pl.Enum(names))
    found = pl.Series("rank", ranks.astype(np.uint16)).cast(pl.UInt32)
    return clauses.gather(found.set(found == _LAWFUL, None))
