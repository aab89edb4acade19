"""`recoup dispatch`: the day's contact plan.

What was known at the start of the day (UTC) decides; the plan covers the day's 24 hours in UTC.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import polars as pl

from features.errors import RecoupError
from features.feeds.columns import INSTANT
from features.home import Home
from features.store import FeatureDoor
from serving.dispatch import attempt_value, candidates, contact_rules, planning, plots, valuing
from serving.dispatch.attempt_value import AttemptValue
from serving.dispatch.planning import Capacities
from training import registry
from training.registry import Registered

_THREADS = 2
_CONTACT = ["loan_id", "borrower_id", "channel", "point_kind", "planned_at", "local_hour", "chance",
            "added_value", "cost", "net_value", "currency"]  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """A day's plan.

    Attributes
    ----------
    folder : Path
        Holds ``plan.parquet``, ``refusals.parquet``, ``plan.json`` and ``plan.png``.
    contacts : polars.DataFrame
        A row per planned contact; money in the loan's currency, time in UTC.
    report : dict
        What ``plan.json`` says.
    """

    folder: Path
    contacts: pl.DataFrame
    report: dict[str, Any]

    def summary(self) -> str:
        """Say in a few lines how large the plan is, and what it is worth."""
        report, plain = self.report, self.report["baseline"]
        used = ", ".join(f"{name} {channel['used']:,}" for name, channel in report["channels"].items())
        return (
            f"contact plan for {report['date']} (UTC) by {report['model_version']}: "
            f"{report['contacts']:,} contacts on {report['cases']:,} cases ({used})\n"
            f"expected net cash {report['expected_value']:,.2f} {report['currency']}; "
            f"{plain['policy']}: {plain['expected_value']:,.2f}\n"
            f"refused by a contact rule: {sum(report['refusals'].values()):,} of "
            f"{sum(report['refusals'].values()) + report['lawful_candidates']:,} candidates"
        )


def plan(home: Home, day: date, out: Path, *, capacities: Path | None = None,
         progress: Callable[[str], object] = print) -> Plan:  # fmt: skip
    """Plan a day's contacts and write them.

    Parameters
    ----------
    home : Home
    day : date
        In UTC.
    out : Path
        Folder to write; an earlier plan there is replaced.
    capacities : Path, optional
        YAML like ``serving/capacities.yaml``, which is the default.
    progress : callable
        Told a line per step.

    Raises
    ------
    RecoupError
        When the lake is empty, no loan was known yet, no contact model is trained, nothing tells
        what a contact adds, or ``out`` holds something else.
    """
    _check_free(out)
    desk = Capacities.load(capacities)
    moment = datetime.combine(day, time.min, UTC)
    door = FeatureDoor(home)
    door.refresh()
    cases = candidates.cases(door, moment)
    currency = _one_currency(cases)
    model = registry.load(home, "contact")
    values = attempt_value.estimate(door.lake, moment)
    slots = desk.slots(moment)
    told = candidates.judged(door, cases, slots, moment)
    progress(f"{cases.height:,} cases: {told.lawful.height:,} lawful candidates, {told.refused.height:,} refused")
    offers = _offers(door, told, moment, model, values)
    chosen = planning.optimum(offers, slots, desk)
    plain = planning.largest_first(offers, slots, desk)
    contacts = _contacts(chosen, model)
    report = {
        "date": day.isoformat(),
        "model_version": model.label,
        "model_as_of": model.package.card.as_of,
        "rule_set": contact_rules.load().label,
        "currency": currency,
        "cases": cases.height,
        **_sizes(contacts, plain, desk),
        "lawful_candidates": told.lawful.height,
        "refusals": dict(told.refused["clause"].cast(pl.String).value_counts(sort=True).iter_rows()),
        "attempt_value": {"size": vars(values.size), "cells": values.cells.to_dicts()},
    }
    _write(out, contacts, _refusals(told), report)
    return Plan(out, contacts, report)


def _offers(door: FeatureDoor, told: candidates.Judged, moment: datetime, model: Registered,
            values: AttemptValue) -> pl.DataFrame:  # fmt: skip
    """Return the lawful candidates with their chance and money."""
    columns = ["loan_id", "borrower_id", "channel", "point_kind", "slot", "local_hour", "owed", "currency",
               "chance", "added_value", "cost", "net_value"]  # fmt: skip
    service = model.package.card.service
    slots = valuing.by_slot(told.ways, told.lawful, moment, lambda rows: door.frame(service, rows))
    parts = [
        valuing.valued(part, frame, model.package, values, threads=_THREADS).select(columns) for part, frame in slots
    ]
    money = ("owed", "local_hour", "chance", "added_value", "cost", "net_value")
    types = {name: pl.Float64() if name in money else pl.String() for name in columns}
    nothing = pl.DataFrame(schema=types | {"slot": INSTANT})
    return pl.concat(parts or [nothing])


def _contacts(chosen: pl.DataFrame, model: Registered) -> pl.DataFrame:
    return (
        chosen.rename({"slot": "planned_at"})
        .select(
            *_CONTACT,
            pl.lit(model.label).alias("model_version"),
            pl.lit(contact_rules.load().label).alias("rule_set"),
        )
        .sort("planned_at", "channel", "loan_id")
    )


def _refusals(told: candidates.Judged) -> pl.DataFrame:
    named = told.ways.with_row_index("way").select("way", "loan_id", "channel")
    rows = told.refused.join(named, on="way", maintain_order="left")
    return rows.select("loan_id", "channel", pl.col("slot").alias("planned_at"), "clause")


def _sizes(contacts: pl.DataFrame, plain: pl.DataFrame, desk: Capacities) -> dict[str, Any]:
    """Return the plan's size and value, the plain desk's, and what of each capacity is used."""
    used = dict(contacts["channel"].value_counts().iter_rows())
    return {
        "contacts": contacts.height,
        "expected_value": contacts["net_value"].sum(),
        "baseline": {
            "policy": "largest debt first",
            "contacts": plain.height,
            "expected_value": plain["net_value"].sum(),
        },
        "channels": {
            name: {"unit": channel.unit, "units": channel.units, "capacity": channel.day,
                   "used": used.get(name, 0)}
            for name, channel in desk.channels.items()
        },
    }  # fmt: skip


def _one_currency(cases: pl.DataFrame) -> str | None:
    found = sorted(cases["currency"].unique())
    if len(found) > 1:
        raise RecoupError(
            f"the cases are in {', '.join(found)}, and values in several currencies cannot be ranked: "
            "keep each currency in a RECOUP_HOME of its own"
        )
    return found[0] if found else None


def _check_free(out: Path) -> None:
    if out.exists() and not (out / "plan.json").is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise RecoupError(f"{out} holds something that is not a plan: give another --out")


def _write(out: Path, contacts: pl.DataFrame, refusals: pl.DataFrame, report: dict[str, Any]) -> None:
    """Write the folder so that a reader finds the old plan or the new, never a part."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part, old = (out.with_name(f".{out.name}.{os.getpid()}.{end}") for end in ("part", "old"))
    part.mkdir()
    try:
        contacts.write_parquet(part / "plan.parquet")
        refusals.write_parquet(part / "refusals.parquet")
        (part / "plan.json").write_text(json.dumps(report, indent=1))
        plots.plan(contacts, report, part / "plan.png")
        if out.exists():
            out.rename(old)
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
