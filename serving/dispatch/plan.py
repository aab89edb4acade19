"""`recoup dispatch`: the day's plan: whom to contact, what to place with agencies, what to file.

What was known at the start of the day (UTC) decides; the plan covers the day's 24 hours in UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from features.home import Home
from features.store import FeatureDoor
from serving.dispatch import contact_rules, output, placements, reporting
from serving.dispatch.capacities import Capacities
from serving.dispatch.making import Progress, Wanted, made
from serving.journal import Journal
from serving.journal.tables import row_id
from training import registry
from training.registry import Registered

STEPS = 3
"""Lines that a plan tells on its way."""


@dataclass(frozen=True)
class Plan:
    """A day's plan.

    Attributes
    ----------
    folder : Path
        Holds ``plan.parquet`` (contacts), ``placements.parquet``, ``recalls.parquet``, ``filings.parquet``,
        ``refusals.parquet``, ``plan.json`` and ``plan.png``.
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
        return reporting.summary(self.report)


def plan(home: Home, day: date, out: Path, *, capacities: Path | None = None, placed: Path | None = None,
         progress: Progress = print) -> Plan:  # fmt: skip
    """Plan a day, journal it and write it.

    Parameters
    ----------
    home : Home
    day : date
        In UTC.
    out : Path
        Folder to write; an earlier plan there is replaced.
    capacities : Path, optional
        YAML like ``serving/dispatch/capacities.yaml``, which is the default.
    placed : Path, optional
        CSV of the debts that are with agencies, see `placements.read`; they are no cases until recalled.
    progress : callable
        Told a line per step.

    Raises
    ------
    RecoupError
        When the lake is empty, no loan was known yet, no contact model is trained, nothing tells
        what a contact adds, a file is wrong, or ``out`` holds something else.
    """
    output.check_free(out)
    wanted = Wanted(day, Capacities.load(capacities), placements.read(placed) if placed else placements.NOBODY)
    door = FeatureDoor(home)
    door.refresh()
    return kept(door, wanted, registry.load(home, "contact"), out, progress)


def kept(door: FeatureDoor, wanted: Wanted, model: Registered, out: Path, progress: Progress) -> Plan:
    """Make a plan, journal it and write it; see `plan` and `serving.dispatch.making.made`."""
    found = made(door, wanted, model, progress)
    record = {
        "kind": "plan",
        "subject": wanted.day.isoformat(),
        "model_version": model.label,
        "fingerprint": model.package.fingerprint,
        "rule_set": contact_rules.load().label,
        "lake": door.lake.snapshot(),
        "desk": wanted.desk.model_dump(mode="json"),
        "unit": 1.0,
        "known_at": {},
        "stale": {},
    }
    decision_id = Journal(door.home).append_whole(record, found.decided() | {"placed": wanted.placed})
    contacts = _with_ids(found.attempts.contacts, decision_id, "contacts")
    tables = {
        "plan": contacts,
        "placements": _with_ids(found.placements, decision_id, "placements"),
        "recalls": found.recalls,
        "filings": _with_ids(found.filings, decision_id, "filings"),
        "refusals": found.refusals,
    }
    report = {"decision_id": decision_id} | found.report
    output.write(out, tables, report)
    return Plan(out, contacts, report)


def differing(home: Home, record: Mapping[str, Any], kept_tables: Mapping[str, pl.DataFrame], model: Registered) -> str:
    """Make a journalled plan again and name the first table that differs; nothing when none does.

    Parameters
    ----------
    home : Home
    record : dict
        The plan's line of the journal.
    kept_tables : dict of str to polars.DataFrame
        Its tables.
    model : Registered
        The version that it names.

    Raises
    ------
    RecoupError
        As `made` does.
    """
    door = FeatureDoor(home)
    door.refresh()
    desk = Capacities.model_validate(record["desk"])
    wanted = Wanted(date.fromisoformat(record["subject"]), desk, kept_tables["placed"])
    again = made(door, wanted, model, lambda line: None).decided()
    return next((name for name, table in again.items() if not table.equals(kept_tables[name])), "")


def _with_ids(table: pl.DataFrame, decision_id: str, name: str) -> pl.DataFrame:
    """Add each row's ``decision_id``."""
    ids = [row_id(decision_id, name, row) for row in range(table.height)]
    return table.with_columns(pl.Series("decision_id", ids, dtype=pl.String))
