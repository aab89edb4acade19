"""The day's plan made: cases, what may lawfully be done about each and what it is worth, and the assignment."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import polars as pl

from features.errors import RecoupError
from features.progress import Progress
from features.store import FeatureDoor
from serving.dispatch import candidates, contact_rules, offering, placements, planning, policies, reporting
from serving.dispatch.attempts import Attempts
from serving.dispatch.capacities import COURT, Capacities
from serving.dispatch.planning import AGENCY, Planned
from training.attempt_value import AttemptValue
from training.registry import Registered

_FILING = ["loan_id", "borrower_id", "owed", "limitation_at", "days_left", "flagged", "enforced", "court_cost",
           "net_value", "decision"]  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """What is to be planned: a day (UTC), what the desk can do, and the debts that are with agencies."""

    day: date
    desk: Capacities
    placed: pl.DataFrame

    @property
    def moment(self) -> datetime:
        """The start of the day."""
        return datetime.combine(self.day, time.min, UTC)


@dataclass(frozen=True)
class Made:
    """A plan before it is kept.

    Attributes
    ----------
    attempts : Attempts
        The contacts, and what they rest on.
    placements, recalls, filings, refusals : polars.DataFrame
    report : dict
        What ``plan.json`` says.
    """

    attempts: Attempts
    placements: pl.DataFrame
    recalls: pl.DataFrame
    filings: pl.DataFrame
    refusals: pl.DataFrame
    report: dict[str, Any]

    def decided(self) -> dict[str, pl.DataFrame]:
        """Return what the journal keeps, a row a decision, by the name of its table."""
        return {
            "contacts": self.attempts.decided(),
            "placements": _decided(self.placements, "placement"),
            "filings": _decided(self.filings, "filing"),
        }


def made(door: FeatureDoor, wanted: Wanted, model: Registered, progress: Progress) -> Made:
    """Make a plan.

    Parameters
    ----------
    door : FeatureDoor
        Refreshed.
    wanted : Wanted
    model : Registered
        The contact model.
    progress : callable

    Raises
    ------
    RecoupError
        When no loan was known yet, nothing tells what a contact adds, or cases are in several currencies.
    """
    moment, desk = wanted.moment, wanted.desk
    known = candidates.cases(door, moment)
    recalled = placements.recalls(wanted.placed, door.lake, desk, moment)
    away = wanted.placed.join(recalled, on="loan_id", how="anti")
    cases = known.join(away, on="loan_id", how="anti", maintain_order="left")
    currency = _one_currency(cases)
    values = AttemptValue.from_card(model.package.card.attempt_value)
    told = candidates.judged(door, cases, desk.slots(moment), moment)
    progress(f"{cases.height:,} cases: {told.lawful.height:,} lawful candidates, {told.refused.height:,} refused")
    tried, ways = offering.contacts(door, told, moment, model, values)
    cases = offering.with_best(cases, tried)
    placeable = offering.agencies(door, cases, desk, moment)
    filed = offering.filings(door, cases, placeable, desk, moment)
    progress(f"{tried.height:,} contacts, {placeable.height:,} placements valued")
    day_plan = _assigned(tried, placeable, filed, desk, moment)
    progress(f"assigned, {day_plan.optimum.gap:.3%} below the bound")
    attempts = Attempts.of(ways, day_plan.contacts, model, values)
    given = _placements(day_plan.placed, placeable, desk, wanted.day)
    filings = _filings(filed, day_plan.filed)
    contacts, to_court = attempts.contacts, filings.filter(pl.col("decision") == "file")
    report = {
        "date": wanted.day.isoformat(),
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
        "baseline": reporting.baseline(tried, desk, moment),
        "capacities": day_plan.optimum.limits.to_dicts(),
        "by_hour": [row | {"slot": row["slot"].isoformat()} for row in day_plan.optimum.by_hour.to_dicts()],
        "gap_to_bound": day_plan.optimum.gap,
        "unmet": day_plan.optimum.unmet,
        "packages": reporting.packages(given),
        "limitation": reporting.lapsing(filings),
        "challenger": reporting.challenger(door.lake, cases, contacts, desk, moment),
        "lawful_candidates": told.lawful.height,
        "refusals": dict(told.refused["clause"].cast(pl.String).value_counts(sort=True).iter_rows()),
        "attempt_value": values.to_card(),
    }  # fmt: skip
    return Made(attempts, given, recalled, filings, told.refusals(), report)


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
    offers = offering.whole(tried, placed, filed).filter(
        ~pl.col("borrower_id").is_in(first["borrower_id"].cast(pl.Categorical).implode())
    )
    taken = pl.DataFrame({"pool": [COURT] * first.height, "slot": [None] * first.height},
                         schema={"pool": pl.String, "slot": offers.schema["slot"]})  # fmt: skip
    theirs = offers.clear().with_columns(pl.col(pl.Categorical).cast(pl.String), pool=pl.lit(None, pl.String))
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


def _decided(table: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Return the rows of a table as decisions."""
    return table.with_columns(kind=pl.lit(kind), subject=pl.col("loan_id"))


def _one_currency(cases: pl.DataFrame) -> str | None:
    found = sorted(cases["currency"].unique())
    if len(found) > 1:
        raise RecoupError(
            f"the cases are in {', '.join(found)}, and values in several currencies cannot be ranked: "
            "keep each currency in a RECOUP_HOME of its own"
        )
    return found[0] if found else None
