"""The tape field by field: how much is filled, what was refused and why, what is hard to believe."""

from typing import Any

import polars as pl

from features.feeds import FEEDS
from serving.pricing.offer import Offer

_COMPONENTS = pl.sum_horizontal("principal_balance", "interest_balance", "fee_balance")
_LEFT_ASIDE = ("is not in default", "nothing is owed")

IMPLAUSIBLE: list[tuple[str, str, pl.Expr]] = [
    ("principal_balance", "principal, interest and fees differ from the balance by more than 1 %",
     pl.all_horizontal(pl.col("principal_balance", "interest_balance", "fee_balance").is_not_null())
     & ((_COMPONENTS - pl.col("balance")).abs() > 0.01 * pl.col("balance"))),
    ("balance", "more than three times the amount lent", pl.col("balance") > 3 * pl.col("original_amount")),
    ("balance", "under 1 in the tape's currency", pl.col("balance") < 1),
    ("interest_rate", "above 60 % a year", pl.col("interest_rate") > 0.6),
    ("interest_rate", "zero", pl.col("interest_rate") == 0),
    ("instalment", "the whole term's instalments do not repay the amount lent",
     pl.col("instalment") * pl.col("term_months") < 0.98 * pl.col("original_amount")),
    ("annual_income", "zero", pl.col("annual_income") == 0),
    ("annual_income", "above a million", pl.col("annual_income") > 1e6),
    ("default_on", "after the cut-off", pl.col("default_on") > pl.col("cutoff_on")),
    ("days_past_due", "more than 31 days beyond the life of the loan",
     pl.col("days_past_due") > (pl.col("cutoff_on") - pl.col("originated_on")).dt.total_days() + 31),
    ("limitation_on", "before the default", pl.col("limitation_on") < pl.col("default_on")),
    ("last_payment_amount", "above the amount lent", pl.col("last_payment_amount") > pl.col("original_amount")),
    ("principal_paid", "above the amount lent", pl.col("principal_paid") > 1.01 * pl.col("original_amount")),
]  # fmt: skip
"""Rules that a sound loan keeps, each about one field; a loan that breaks one is priced, and counted."""


def fields(offer: Offer, lineage: dict[str, list[str]]) -> dict[str, Any]:
    """Describe the tape's fields.

    Parameters
    ----------
    offer : Offer
    lineage : dict of str to list of str
        Model inputs that rest on each field.

    Returns
    -------
    dict
        ``fields``: a row for each field of the schema with its EBA number, unit, share of priced loans
        in which it is filled, ``invalid`` (rows refused for it, with the reasons), ``implausible``, and
        the model inputs it is ``used`` for; ``left_aside``: rows that are no claims in default, by reason.
    """
    problems = problems_of(offer.rejected)
    aside = pl.any_horizontal(pl.col("reason").str.ends_with(text) for text in _LEFT_ASIDE)
    invalid = problems.filter(~aside)
    strange = _implausible(offer.loans)
    abouts = {column["name"]: column["about"] for column in offer.champion.package.card.columns}
    described = []
    for name, column in FEEDS["loans"].SCHEMA.columns.items():
        if name == "known_at":
            continue
        about = column.metadata or {}
        mine = invalid.filter(pl.col("field") == name)
        described.append({
            "field": name,
            "about": column.description,
            "eba": about.get("eba"),
            "unit": about.get("unit"),
            "required": not column.nullable,
            "filled": 1 - offer.loans[name].null_count() / offer.loans.height,
            "invalid": mine["file_row"].n_unique(),
            "reasons": _counted(mine),
            "implausible": strange.get(name, []),
            "used": [{"input": used, "about": abouts[used]} for used in lineage.get(name, [])],
        })  # fmt: skip
    return {
        "fields": described,
        "invalid_rows": invalid["file_row"].n_unique(),
        "row_reasons": _counted(invalid.filter(pl.col("field") == "row")),
        "left_aside": _counted(problems.filter(aside & ~pl.col("file_row").is_in(invalid["file_row"].implode()))),
    }


def problems_of(rejected: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each problem of each rejected row: ``file_row``, ``field``, ``reason``.

    Values that the file holds are taken out of the reasons: they may say who a debtor is.
    """
    names = "|".join([*FEEDS["loans"].SCHEMA.columns, "row"])
    return (
        rejected.select(
            "file_row",
            pl.col("reason").str.replace_all(r"'[^']*'", "a value").str.split("; ").alias("reason"),
        )
        .explode("reason", empty_as_null=False)
        .filter(pl.col("reason").str.contains(rf"^({names}): "))
        .select(
            "file_row",
            pl.col("reason").str.extract(r"^(\w+): ").alias("field"),
            pl.col("reason").str.replace(r"^\w+: ", "").str.replace(r", is .*$", "")
            .str.replace(r", first seen in row \d+$", ""),
        )
    )  # fmt: skip


def _counted(problems: pl.DataFrame) -> list[dict[str, Any]]:
    """Count reasons, with the first file row that each was met in."""
    return (
        problems.group_by("reason")
        .agg(pl.len().alias("rows"), pl.col("file_row").min().alias("first_row"))
        .sort("rows", "reason", descending=[True, False])
        .to_dicts()
    )


def _implausible(loans: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for field, what, rule in IMPLAUSIBLE:
        broken = loans.filter(rule.fill_null(False))
        if broken.height:
            found.setdefault(field, []).append({"what": what, "loans": broken.height, "first": broken["loan_id"][0]})
    return found
