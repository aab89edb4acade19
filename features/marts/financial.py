"""``financial``: what was paid, before the cut-off to the seller and after it to us."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from features.marts import timeline
from features.marts.columns import Feature

ENTITY = "loan_id"
FEEDS = ("loans", "payments")

_BEFORE = [
    Feature("principal_paid_share", "number", "principal paid over the amount lent", "share"),
    Feature("interest_to_principal", "number", "interest paid over principal paid", "share"),
    Feature("fees_paid", "number", "late fees paid", "currency"),
    Feature("instalments_paid", "number", "paid to the seller over the instalment", "instalments"),
    Feature("instalment_remainder", "number", "distance of that from a whole number: a part was paid", "instalments"),
    Feature("schedule_paid_share", "number", "instalments paid over the term", "share"),
    Feature("instalments_left", "number", "instalments still to be paid by the contract", "instalments"),
    Feature("instalments_behind", "number", "instalments due but not paid when payments stopped", "instalments"),
    Feature(
        "schedule_gap",
        "number",
        "balance above the schedule's when payments stopped, over the amount lent",
        "share",
    ),
    Feature("paid_gap", "number", "balance above the schedule's after the instalments paid", "instalments"),
    Feature("fees_in_instalments", "number", "late fees paid over the instalment", "instalments"),
    Feature("last_payment_ratio", "number", "last payment over the instalment", "share"),
    Feature("last_payment_at", "number", "last payment to the seller", "seconds since 1970, UTC"),
]
_AFTER = [
    Feature("collected", "number", "cash since the cut-off", "currency"),
    Feature("collected_share", "number", "cash since the cut-off over the balance", "share"),
    Feature("collections", "number", "payments since the cut-off"),
    Feature("last_collected_at", "number", "last payment since the cut-off", "seconds since 1970, UTC"),
    Feature("last_collected", "number", "its amount", "currency"),
]  # fmt: skip
FEATURES = [*_BEFORE, *_AFTER]


def build(feeds: dict[str, pl.LazyFrame]) -> pl.DataFrame:
    """Return the mart from the ``loans`` and ``payments`` feeds."""
    paid = pl.col("principal_paid") + pl.col("interest_paid").fill_null(0.0)
    count = timeline.ratio(paid, "instalment")
    stopped = _months("last_payment_on").fill_null(_months("originated_on")) - _months("originated_on")
    first = pl.col(timeline.KNOWN) == pl.col(timeline.KNOWN).min().over(ENTITY)
    before = timeline.known(feeds["loans"], "loans").select(
        ENTITY, timeline.KNOWN, timeline.LEARNT,
        timeline.ratio("principal_paid", "original_amount").alias("principal_paid_share"),
        timeline.ratio("interest_paid", "principal_paid").alias("interest_to_principal"),
        pl.col("fees_paid"),
        count.alias("instalments_paid"),
        (count - count.round()).abs().alias("instalment_remainder"),
        timeline.ratio(count, "term_months").alias("schedule_paid_share"),
        (pl.col("term_months") - count).alias("instalments_left"),
        (stopped - count).alias("instalments_behind"),
        timeline.ratio(pl.col("balance") - _scheduled(stopped), "original_amount").alias("schedule_gap"),
        timeline.ratio(pl.col("balance") - _scheduled(count), "instalment").alias("paid_gap"),
        timeline.ratio("fees_paid", "instalment").alias("fees_in_instalments"),
        timeline.ratio("last_payment_amount", "instalment").alias("last_payment_ratio"),
        timeline.epoch_seconds("last_payment_on").alias("last_payment_at"),
        *[pl.when(first).then(0.0).alias(name) for name in ("collected", "collected_share", "collections")],
    )  # fmt: skip
    after = _collections(feeds)
    changes = pl.concat([before, after], how="diagonal_relaxed")
    return timeline.state(changes, ENTITY, [feature.name for feature in FEATURES])


def _months(day: str) -> pl.Expr:
    """Return a date's month, counted from year 0."""
    return pl.col(day).dt.year() * 12.0 + pl.col(day).dt.month()


def _scheduled(paid: pl.Expr) -> pl.Expr:
    """Return the principal still owed after a number of instalments of an annuity loan.

    ``A (1 + r)^m - P ((1 + r)^m - 1) / r`` for amount A, instalment P and monthly rate r, with m
    capped at the term; any textbook on annuities.
    """
    rate = pl.col("interest_rate") * (1 / 12)
    paid = pl.min_horizontal(paid, "term_months").clip(0)
    growth = pl.map_batches([1 + rate, paid], _power, return_dtype=pl.Float64, is_elementwise=True)
    grown = pl.col("original_amount") * growth
    return (grown - timeline.ratio(pl.col("instalment") * (growth - 1), rate)).clip(0)


def _power(terms: Sequence[pl.Series]) -> pl.Series:
    """Return base ** exponent by numpy, for the reason that `timeline.ratio` has."""
    return pl.Series(np.power(*(term.to_numpy() for term in terms))).fill_nan(None)


def _collections(feeds: dict[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Return running totals per loan, in the order in which the payments became known."""
    payments = timeline.on_loans(feeds["payments"], "payments", feeds["loans"])
    ordered = payments.sort(ENTITY, timeline.KNOWN, "paid_at", "payment_id")
    total = pl.col("amount").cum_sum().over(ENTITY)
    last = timeline.latest("paid_at", ENTITY)
    return ordered.select(
        ENTITY, timeline.KNOWN, timeline.LEARNT,
        total.alias("collected"),
        timeline.ratio(total, "balance").alias("collected_share"),
        pl.col("amount").is_not_null().cast(pl.Float64).cum_sum().over(ENTITY).alias("collections"),
        pl.when(last).then(timeline.epoch_seconds("paid_at")).alias("last_collected_at"),
        pl.when(last).then("amount").alias("last_collected"),
    )  # fmt: skip
