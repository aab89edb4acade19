"""Loans that are one loan, and debtors who stand behind several.

Persons are counted, never shown: what is listed are the tape's own loan numbers.
"""

from typing import Any

import polars as pl

from features.lake import Lake
from serving.diligence.fields import problems_of
from serving.pricing.offer import Offer

_SHOWN = 10
_ONE_LOAN = ("currency", "borrower_id", "originated_on", "original_amount", "product")
_ALIKE = ("currency", "originated_on", "original_amount", "balance", "instalment", "interest_rate", "region")
_CONTACT = ("phone", "phone_alt", "email", "address")


def links(offer: Offer, lake: Lake) -> dict[str, Any]:
    """Look for duplicates and linked debtors.

    Parameters
    ----------
    offer : Offer
    lake : Lake
        Where debtors may be known from before, by token.

    Returns
    -------
    dict
        ``repeated``: rows refused because their loan number had come before; ``one_loan``: groups of
        loans of one debtor, product, day and amount; ``alike``: groups that agree in every amount and
        date though the debtors differ; ``debtors``: how many hold how many loans; ``known``: debtors
        and loans whose debtor is in the lake already; ``shared_contacts``: groups of known debtors
        with a telephone number, e-mail or address in common.
    """
    problems = problems_of(offer.rejected)
    repeated = problems.filter(pl.col("reason").str.starts_with("duplicate "))["file_row"].unique().sort()
    known = _known(offer.loans, lake)
    same = _groups(offer.loans, _ONE_LOAN)
    alike = _groups(offer.loans, _ALIKE).filter(pl.col("holders") > 1)
    return {
        "repeated": {"rows": len(repeated), "first_rows": repeated.head(_SHOWN).to_list()},
        "one_loan": _summary(same),
        "alike": _summary(alike),
        "debtors": _debtors(offer.loans),
        "known": {
            "debtors": known["borrower_id"].n_unique(),
            "loans": offer.loans.join(known, on="borrower_id", how="semi").height,
        },
        "shared_contacts": _shared(offer.loans, known),
    }


def _groups(loans: pl.DataFrame, keys: tuple[str, ...]) -> pl.DataFrame:
    """Return groups of several loans that agree in every key, none of them unknown."""
    return (
        loans.filter(pl.all_horizontal(pl.col(keys).is_not_null()))
        .select(pl.struct(keys).alias("key"), "loan_id", "borrower_id", "currency", "balance")
        .group_by("key", maintain_order=True)
        .agg(
            pl.col("loan_id").alias("loan_ids"),
            pl.col("borrower_id").n_unique().alias("holders"),
            pl.col("currency").first(),
            (pl.col("balance").sum() - pl.col("balance").max()).alias("twice"),
        )
        .filter(pl.col("loan_ids").list.len() > 1)
        .drop("key")
    )


def _summary(groups: pl.DataFrame) -> dict[str, Any]:
    """Count groups; ``twice`` is the claim beyond each group's largest loan, by currency."""
    twice = groups.group_by("currency", maintain_order=True).agg(pl.col("twice").sum().alias("claim"))
    return {
        "groups": groups.height,
        "loans": int(groups["loan_ids"].list.len().sum()),
        "twice": twice.to_dicts(),
        "loan_ids": groups["loan_ids"].head(_SHOWN).to_list(),
    }


def _debtors(loans: pl.DataFrame) -> dict[str, Any]:
    held = loans.group_by("borrower_id", maintain_order=True).agg(pl.col("loan_id").alias("loan_ids"))
    counts = held.select(pl.col("loan_ids").list.len().alias("loans_each"))
    several = held.filter(pl.col("loan_ids").list.len() > 1)
    most = several.sort(pl.col("loan_ids").list.len(), descending=True, maintain_order=True).head(_SHOWN)
    return {
        "debtors": held.height,
        "with_several": several.height,
        "loans_of_several": int(several["loan_ids"].list.len().sum()),
        "counts": counts.group_by("loans_each").agg(pl.len().alias("debtors")).sort("loans_each").to_dicts(),
        "loan_ids": most["loan_ids"].to_list(),
    }


def _known(loans: pl.DataFrame, lake: Lake) -> pl.DataFrame:
    """Return what is known of the tape's debtors from before, the latest of each."""
    return (
        lake.scan("borrowers")
        .join(loans.lazy(), on="borrower_id", how="semi")
        .sort("known_at")
        .unique("borrower_id", keep="last", maintain_order=True)
        .select("borrower_id", *_CONTACT)
        .collect()
    )


def _shared(loans: pl.DataFrame, known: pl.DataFrame) -> dict[str, Any]:
    points = (
        known.unpivot(_CONTACT, index="borrower_id", value_name="token")
        .with_columns(pl.col("variable").replace("phone_alt", "phone"))
        .drop_nulls("token")
        .unique(["borrower_id", "variable", "token"], maintain_order=True)
    )
    groups = points.group_by("variable", "token", maintain_order=True).agg("borrower_id")
    groups = groups.filter(pl.col("borrower_id").list.len() > 1)
    of_group = groups.with_row_index("group").explode("borrower_id", empty_as_null=False)
    ids = of_group.join(loans.select("borrower_id", "loan_id"), on="borrower_id").group_by("group", maintain_order=True)
    return {
        "kinds": groups.group_by("variable").agg(
            pl.len().alias("groups"), pl.col("borrower_id").list.len().sum().alias("debtors")
        ).rename({"variable": "kind"}).sort("kind").to_dicts(),
        "loan_ids": ids.agg("loan_id").head(_SHOWN)["loan_id"].to_list(),
    }  # fmt: skip
