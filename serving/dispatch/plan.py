"""`recoup dispatch`: the day's plan: whom to contact, what to place with agencies, what to file.

What was known at the start of the day (UTC) decides; the plan covers the day's 24 hours in UTC.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from features.errors import RecoupError
from features.home import Home
from features.store import FeatureDoor
from serving.dispatch import (
    candidates,
    contact_rules,
    court,
    offering,
    placements,
    planning,
    plots,
    policies,
)
from serving.dispatch.capacities import COURT, Capacities
from serving.dispatch.planning import AGENCY, Planned
from training import registry
from training.attempt_value import AttemptValue
from training.registry import Registered

_CONTACT = ["loan_id", "borrower_id", "channel", "pool", "point_kind", "planned_at", "local_hour", "chance",
            "added_value", "cost", "net_value", "currency", "policy", "probability"]  # fmt: skip
_FILING = ["loan_id", "borrower_id", "owed", "limitation_at", "days_left", "flagged", "enforced", "court_cost",
           "net_value", "decision"]  # fmt: skip


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
        report, plain = self.report, self.report["baseline"]
        used = ", ".join(f"{row['pool']} {row['used']:,}" for row in report["capacities"])
        more = ", ".join(
            f"{row['pool']} {row['added_by_one_more']:,.2f}"
            for row in report["capacities"]
            if row["added_by_one_more"] > 0
        )
        lines = [
            f"plan for {report['date']} (UTC) by {report['model_version']}: {report['contacts']:,} contacts, "
            f"{report['placements']:,} placements, {report['filings']:,} filings on {report['cases']:,} cases ({used})",
            f"expected net cash {report['expected_value']:,.2f} {report['currency']}, of which contacts "
            f"{report['contact_value']:,.2f}; {plain['policy']}: {plain['expected_value']:,.2f}",
            f"one more of each would add: {more or 'nothing'}; {report['gap_to_bound']:.3%} below the bound",
            f"refused by a contact rule: {sum(report['refusals'].values()):,} of "
            f"{sum(report['refusals'].values()) + report['lawful_candidates']:,} candidates",
        ]
        lapse = report["limitation"]
        if lapse["flagged"]:
            lines.append(
                f"{lapse['flagged']:,} claims lapse within {court.FLAGGED_DAYS} days: {lapse['filed']:,} filed, "
                f"{lapse['waiting']:,} wait for a filing, {lapse['not_worth_it']:,} are not worth one"
            )
        return "\n".join([*lines, *(f"not met: {demand}" for demand in report["unmet"])])


def plan(home: Home, day: date, out: Path, *, capacities: Path | None = None, placed: Path | None = None,
         progress: Callable[[str], object] = print) -> Plan:  # fmt: skip
    """Plan a day and write it.

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
    _check_free(out)
    desk = Capacities.load(capacities)
    moment = datetime.combine(day, time.min, UTC)
    door = FeatureDoor(home)
    door.refresh()
    known = candidates.cases(door, moment)
    away = placements.read(placed) if placed else _NOBODY
    recalled = placements.recalls(away, door.lake, desk, moment)
    cases = known.join(away.join(recalled, on="loan_id", how="anti"), on="loan_id", how="anti", maintain_order="left")
    currency = _one_currency(cases)
    model = registry.load(home, "contact")
    values = AttemptValue.from_card(model.package.card.attempt_value)
    told = candidates.judged(door, cases, desk.slots(moment), moment)
    progress(f"{cases.height:,} cases: {told.lawful.height:,} lawful candidates, {told.refused.height:,} refused")
    tried = offering.contacts(door, told, moment, model, values)
    cases = offering.with_best(cases, tried)
    placeable = offering.agencies(door, cases, desk, moment)
    filed = offering.filings(door, cases, placeable, desk, moment)
    day_plan = _assigned(tried, placeable, filed, desk, moment)
    contacts = _contacts(day_plan.contacts, model)
    given = _placements(day_plan.placed, placeable, desk, day)
    filings = _filings(filed, day_plan.filed)
    to_court = filings.filter(pl.col("decision") == "file")
    report = {
        "date": day.isoformat(),
        "model_version": model.label,
        "model_as_of": model.package.card.as_of,
        "rule_set": contact_rules.load().label,
        "currency": currency,
        "cases": cases.height,
        "contacts": contacts.height,
        "placements": given.height,
        "recalls": recalled.height,
        "filings": to_court.height,
        "expected_value": sum(float(table["net_value"].sum()) for table in (contacts, given, to_court)),
        "contact_value": contacts["net_value"].sum(),
        "baseline": _baseline(tried, desk, moment),
        "capacities": day_plan.optimum.limits.to_dicts(),
        "by_hour": [row | {"slot": row["slot"].isoformat()} for row in day_plan.optimum.by_hour.to_dicts()],
        "gap_to_bound": day_plan.optimum.gap,
        "unmet": day_plan.optimum.unmet,
        "packages": _packages(given),
        "limitation": _lapsing(filings),
        "challenger": _challenger(door, cases, contacts, desk, moment),
        "lawful_candidates": told.lawful.height,
        "refusals": dict(told.refused["clause"].cast(pl.String).value_counts(sort=True).iter_rows()),
        "attempt_value": values.to_card(),
    }  # fmt: skip
    tables = {"plan": contacts, "placements": given, "recalls": recalled, "filings": filings,
              "refusals": _refusals(told)}  # fmt: skip
    _write(out, tables, report)
    return Plan(out, contacts, report)


_NOBODY = pl.DataFrame(schema={"loan_id": pl.String, "agency": pl.String, "placed_on": pl.Date})


@dataclass(frozen=True)
class _Assigned:
    """What the day's assignment took, by what is done."""

    contacts: pl.DataFrame
    placed: pl.DataFrame
    filed: list[str]
    optimum: Planned


def _assigned(tried: pl.DataFrame, placed: pl.DataFrame, filed: pl.DataFrame, desk: Capacities,
              moment: datetime) -> _Assigned:  # fmt: skip
    """Give claims about to lapse to the court, the challenger his share, and the rest to the optimum."""
    first = offering.urgent(filed, desk)
    offers = offering.whole(tried, placed, filed).join(first, on="borrower_id", how="anti", maintain_order="left")
    taken = pl.DataFrame({"pool": [COURT] * first.height, "slot": [None] * first.height},
                         schema={"pool": pl.String, "slot": offers.schema["slot"]})  # fmt: skip
    theirs = offers.clear().with_columns(pool=pl.lit(None, pl.String))
    if desk.challenger:
        follows = policies.challenged(offers["borrower_id"], desk.challenger)
        mine = offers.filter(follows & offers["slot"].is_not_null())
        theirs = policies.in_order(mine, desk.challenger.policy, desk.part(desk.challenger.share), moment)
        offers, taken = offers.filter(~follows), pl.concat([taken, theirs.select("pool", "slot")])
    best = planning.optimum(offers, desk, moment, taken)
    share = desk.challenger.share if desk.challenger else 0.0
    ours = best.chosen.filter(pl.col("slot").is_not_null())
    other = desk.challenger.policy if desk.challenger else ""
    contacts = pl.concat(
        part.with_columns(policy=pl.lit(name), probability=pl.lit(chance))
        for part, name, chance in ((ours, "recoup", 1 - share), (theirs, other, share))
    )
    court_cases = best.chosen.filter(pl.col("channel") == COURT)["loan_id"].to_list()
    return _Assigned(
        contacts, best.chosen.filter(pl.col("channel").str.starts_with(f"{AGENCY} ")),
        [*first["loan_id"], *court_cases], best,
    )  # fmt: skip


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


def _placements(chosen: pl.DataFrame, offers: pl.DataFrame, desk: Capacities, day: date) -> pl.DataFrame:
    """Return placements with their agency, package, day of recall and probability, some agencies drawn by lot."""
    planned = chosen.select("loan_id", "borrower_id", "owed", pl.col("pool").alias("agency")).sort("loan_id")
    told = placements.explored(planned, desk.explore, day)
    terms = {name: day + timedelta(days=agency.term_days) for name, agency in desk.agencies.items()}
    return told.join(
        offers.select("loan_id", "agency", "kind", "brings", "net_value"), on=["loan_id", "agency"], how="left",
        maintain_order="left",
    ).with_columns(
        placed_on=pl.lit(day), recall_on=pl.col("agency").replace_strict(terms, default=None, return_dtype=pl.Date),
        package=pl.format("{}, {}", "agency", "kind"),
    )  # fmt: skip


def _packages(given: pl.DataFrame) -> list[dict[str, Any]]:
    found = given.group_by("package", "agency", "kind").agg(
        pl.len().alias("debts"), pl.col("owed", "brings", "net_value").sum(), pl.col("explored").sum()
    )
    return found.sort("package").to_dicts()


def _filings(filed: pl.DataFrame, chosen: list[str]) -> pl.DataFrame:
    """Return the cases filed and those about to lapse, with what is done about them."""
    decision = (
        pl.when(pl.col("loan_id").is_in(chosen)).then(pl.lit("file"))
        .when(pl.col("net_value") > 0).then(pl.lit("waits for a filing"))
        .when(pl.col("net_value").is_null()).then(pl.lit("not known what filing brings"))
        .otherwise(pl.lit("not worth a filing"))
    )  # fmt: skip
    told = filed.with_columns(decision.alias("decision"))
    return told.filter(pl.col("flagged") | (pl.col("decision") == "file")).select(_FILING).sort("days_left", "loan_id")


def _lapsing(filings: pl.DataFrame) -> dict[str, int]:
    counts = dict(filings.filter("flagged")["decision"].value_counts().iter_rows())
    return {
        "flagged": sum(counts.values()),
        "filed": counts.get("file", 0),
        "waiting": counts.get("waits for a filing", 0),
        "not_worth_it": counts.get("not worth a filing", 0),
    }


def _baseline(tried: pl.DataFrame, desk: Capacities, moment: datetime) -> dict[str, Any]:
    plain = policies.in_order(tried, "largest_first", desk, moment)
    return {
        "policy": "largest debt first", "contacts": plain.height, "expected_value": plain["net_value"].sum()
    }  # fmt: skip


def _challenger(door: FeatureDoor, cases: pl.DataFrame, contacts: pl.DataFrame, desk: Capacities,
                moment: datetime) -> dict[str, Any] | None:  # fmt: skip
    """Return the challenger's side of the plan, and how the two sides have done since it began."""
    if desk.challenger is None:
        return None
    theirs = contacts.filter(pl.col("policy") == desk.challenger.policy)
    found = policies.compare(door.lake, cases["borrower_id"], desk.challenger, moment)
    return {
        "policy": desk.challenger.policy,
        "share": desk.challenger.share,
        "contacts": theirs.height,
        "expected_value": theirs["net_value"].sum(),
        "since": desk.challenger.since.isoformat(),
        "comparison": asdict(found) if found else None,
    }


def _refusals(told: candidates.Judged) -> pl.DataFrame:
    named = told.ways.with_row_index("way").select("way", "loan_id", "channel")
    rows = told.refused.join(named, on="way", maintain_order="left")
    return rows.select("loan_id", "channel", pl.col("slot").alias("planned_at"), "clause")


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


def _write(out: Path, tables: dict[str, pl.DataFrame], report: dict[str, Any]) -> None:
    """Write the folder so that a reader finds the old plan or the new, never a part."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part, old = (out.with_name(f".{out.name}.{os.getpid()}.{end}") for end in ("part", "old"))
    part.mkdir()
    try:
        for name, table in tables.items():
            table.write_parquet(part / f"{name}.parquet")
        (part / "plan.json").write_text(json.dumps(report, indent=1))
        plots.plan(tables["plan"], report, part / "plan.png")
        if out.exists():
            out.rename(old)
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
