"""``financial``: what was paid, before the cut-off to the seller and after it to us."""

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
    Feature("schedule_paid_share", "number", "instalments paid over the term", "share"),
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
    count = paid / timeline.positive("instalment")
    first = pl.col(timeline.KNOWN) == pl.col(timeline.KNOWN).min().over(ENTITY)
    before = timeline.known(feeds["loans"], "loans").select(
        ENTITY, timeline.KNOWN, timeline.LEARNT,
        (pl.col("principal_paid") / timeline.positive("original_amount")).alias("principal_paid_share"),
        (pl.col("interest_paid") / timeline.positive("principal_paid")).alias("interest_to_principal"),
        pl.col("fees_paid"),
        count.alias("instalments_paid"),
        (count / timeline.positive("term_months")).alias("schedule_paid_share"),
        (pl.col("last_payment_amount") / timeline.positive("instalment")).alias("last_payment_ratio"),
        timeline.epoch_seconds("last_payment_on").alias("last_payment_at"),
        *[pl.when(first).then(0.0).alias(name) for name in ("collected", "collected_share", "collections")],
    )  # fmt: skip
    after = _collections(feeds)
    changes = pl.concat([before, after], how="diagonal_relaxed")
    return timeline.state(changes, ENTITY, [feature.name for feature in FEATURES])


def _collections(feeds: dict[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Return running totals per loan, in the order in which the payments became known."""
    payments = timeline.on_loans(feeds["payments"], "payments", feeds["loans"])
    ordered = payments.sort(ENTITY, timeline.KNOWN, "paid_at", "payment_id")
    total = pl.col("amount").cum_sum().over(ENTITY)
    last = timeline.latest("paid_at", ENTITY)
    return ordered.select(
        ENTITY, timeline.KNOWN, timeline.LEARNT,
        total.alias("collected"),
        (total / timeline.positive("balance")).alias("collected_share"),
        pl.col("amount").is_not_null().cast(pl.Float64).cum_sum().over(ENTITY).alias("collections"),
        pl.when(last).then(timeline.epoch_seconds("paid_at")).alias("last_collected_at"),
        pl.when(last).then("amount").alias("last_collected"),
    )  # fmt: skip
