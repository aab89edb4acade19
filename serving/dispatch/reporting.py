"""What a plan's report says besides its tables: packages, limitation, baseline and challenger; and all in short."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

import polars as pl

from features.lake import Lake
from serving.dispatch import court, policies
from serving.dispatch.capacities import Capacities


def summary(report: dict[str, Any]) -> str:
    """Say in a few lines how large a plan is, and what it is worth."""
    plain = report["baseline"]
    used = ", ".join(f"{row['pool']} {row['used']:,}" for row in report["capacities"])
    more = ", ".join(
        f"{row['pool']} {row['added_by_one_more']:,.2f}" for row in report["capacities"] if row["added_by_one_more"] > 0
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
    lines += [f"not met: {demand}" for demand in report["unmet"]]
    return "\n".join([*lines, f"`recoup replay {report['decision_id']}` makes it again"])


def baseline(tried: pl.DataFrame, desk: Capacities, moment: datetime) -> dict[str, Any]:
    """Return what the largest debts first would bring by the same figures."""
    plain = policies.in_order(tried, "largest_first", desk, moment)
    return {"policy": "largest debt first", "contacts": plain.height, "expected_value": plain["net_value"].sum()}


def packages(given: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the placements of an agency and kind, together."""
    found = given.group_by("package", "agency", "kind").agg(
        pl.len().alias("debts"), pl.col("owed", "brings", "net_value").sum(), pl.col("explored").sum()
    )
    return found.sort("package").to_dicts()


def lapsing(filings: pl.DataFrame) -> dict[str, int]:
    """Return how many claims are about to lapse, by what is done about them."""
    counts = dict(filings.filter("flagged")["decision"].value_counts().iter_rows())
    return {
        "flagged": sum(counts.values()),
        "filed": counts.get("file", 0),
        "waiting": counts.get("waits for a filing", 0),
        "not_worth_it": counts.get("not worth a filing", 0),
    }


def challenger(lake: Lake, cases: pl.DataFrame, contacts: pl.DataFrame, desk: Capacities,
               moment: datetime) -> dict[str, Any] | None:  # fmt: skip
    """Return the challenger's side of the plan, and how the two sides have done since it began."""
    if desk.challenger is None:
        return None
    theirs = contacts.filter(pl.col("policy") == desk.challenger.policy)
    found = policies.compare(lake, cases["borrower_id"], desk.challenger, moment)
    return {
        "policy": desk.challenger.policy,
        "share": desk.challenger.share,
        "contacts": theirs.height,
        "expected_value": theirs["net_value"].sum(),
        "since": desk.challenger.since.isoformat(),
        "comparison": asdict(found) if found else None,
    }
