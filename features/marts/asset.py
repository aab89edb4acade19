"""``asset``: the debt, as the tape describes it and as the courts changed it."""

import polars as pl

from features.feeds.litigation import AUCTION_STAGES
from features.marts import timeline
from features.marts.columns import Feature

ENTITY = "loan_id"
FEEDS = ("loans", "litigation")

FEATURES = [
    Feature("debtor", "category", "token of the debtor: a key, never a model input"),
    Feature("debt_region", "category", "state or province of the debt"),
    Feature("currency", "category", "ISO 4217 code of the loan's amounts"),
    Feature("collateral_type", "category", "what secures the debt, if anything does"),
    Feature("status", "category", "where the loan stood at the cut-off"),
    Feature("product", "category", "kind of loan"),
    Feature("credit_grade", "category", "the lender's grade"),
    Feature("credit_sub_grade", "category", "the lender's finer grade"),
    Feature("purpose", "category", "what the loan was for"),
    Feature("policy_exception", "flag", "granted outside the credit policy"),
    Feature("original_amount", "number", "amount lent", "currency"),
    Feature("balance", "number", "all that was owed at the cut-off", "currency"),
    Feature("principal_share", "number", "principal in the balance", "share"),
    Feature("interest_share", "number", "interest in the balance", "share"),
    Feature("fee_share", "number", "fees in the balance", "share"),
    Feature("unpaid_share", "number", "balance over the amount lent", "share"),
    Feature("balance_to_income", "number", "balance over a year's income", "share"),
    Feature("instalment_to_income", "number", "instalment over a month's income", "share"),
    Feature("interest_rate", "number", "contract rate", "per year"),
    Feature("term_months", "number", "contract term", "months"),
    Feature("instalment", "number", "contract payment a month", "currency"),
    Feature("days_past_due", "number", "days past due at the cut-off", "days"),
    Feature("legal_status", "category", "court stage"),
    Feature("awarded_share", "number", "awarded by judgment over the balance", "share"),
    Feature("originated_at", "number", "loan made", "seconds since 1970, UTC"),
    Feature("default_at", "number", "default or charge-off", "seconds since 1970, UTC"),
    Feature("cutoff_at", "number", "the tape's cut-off", "seconds since 1970, UTC"),
    Feature("limitation_at", "number", "the claim lapses", "seconds since 1970, UTC"),
    Feature("legal_step_at", "number", "last court step", "seconds since 1970, UTC"),
]
_INSTANTS = {"originated_at": "originated_on", "default_at": "default_on",
             "cutoff_at": "cutoff_on", "limitation_at": "limitation_on"}  # fmt: skip


def build(feeds: dict[str, pl.LazyFrame]) -> pl.DataFrame:
    """Return the mart from the ``loans`` and ``litigation`` feeds."""
    tape = timeline.standing(feeds["loans"], "loans", ENTITY).with_columns(
        timeline.ratio("principal_balance", "balance").alias("principal_share"),
        timeline.ratio("interest_balance", "balance").alias("interest_share"),
        timeline.ratio("fee_balance", "balance").alias("fee_share"),
        timeline.ratio("balance", "original_amount").alias("unpaid_share"),
        timeline.ratio("balance", "annual_income").alias("balance_to_income"),
        timeline.ratio(12 * pl.col("instalment"), "annual_income").alias("instalment_to_income"),
        pl.col("policy_exception").cast(pl.Float64),
        pl.col("borrower_id").alias("debtor"),
        pl.col("region").alias("debt_region"),
        *[timeline.epoch_seconds(day).alias(name) for name, day in _INSTANTS.items()],
    )
    names = [feature.name for feature in FEATURES]
    of_tape = [name for name in names if name not in {"awarded_share", "legal_step_at"}]
    # an auction is part of the enforcement
    proceedings = feeds["litigation"].filter(~pl.col("stage").is_in(AUCTION_STAGES))
    steps = timeline.on_loans(proceedings, "litigation", feeds["loans"])
    steps = steps.sort(ENTITY, timeline.KNOWN, "happened_at").filter(timeline.latest("happened_at", ENTITY))
    court = steps.select(
        ENTITY,
        timeline.KNOWN,
        timeline.LEARNT,
        pl.when(pl.col("stage") == "closed").then(pl.lit("none")).otherwise("stage").alias("legal_status"),
        timeline.ratio("awarded_amount", "balance").alias("awarded_share"),
        timeline.epoch_seconds("happened_at").alias("legal_step_at"),
    )  # fmt: skip
    changes = pl.concat(
        [tape.select(ENTITY, timeline.KNOWN, timeline.LEARNT, *of_tape), court],
        how="diagonal_relaxed",
    )
    return timeline.state(changes, ENTITY, names)
