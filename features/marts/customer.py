"""``customer``: who the debtor is, from third-party data and the loan application."""

import polars as pl

from features.marts import timeline
from features.marts.columns import Feature

ENTITY = "borrower_id"
FEEDS = ("borrowers", "loans")

_IDENTITY = [
    Feature("home_region", "category", "where the debtor lives now"),
    Feature("jurisdiction", "category", "whose contact law applies"),
    Feature("time_zone", "category", "IANA zone at the debtor's place"),
    Feature("birth_year", "number", "year of birth", "year"),
    Feature("occupation", "category", "kind of work"),
    Feature("marital_status", "category", "family status"),
    Feature("education", "category", "highest schooling"),
    Feature("has_mortgage", "flag", "has a housing loan elsewhere"),
    Feature("has_other_loan", "flag", "has a personal loan elsewhere"),
    Feature("in_default_elsewhere", "flag", "known to be in default elsewhere"),
    Feature("phones", "number", "telephone numbers known"),
    Feature("has_email", "flag", "an e-mail address is known"),
    Feature("consent_call", "flag", "may be called by a person"),
    Feature("consent_auto_call", "flag", "may be called by a machine"),
    Feature("consent_sms", "flag", "may be sent SMS"),
    Feature("consent_email", "flag", "may be sent e-mail"),
    Feature("consent_visit", "flag", "may be visited"),
    Feature("do_not_contact", "flag", "has asked not to be contacted"),
    Feature("disputed", "flag", "disputes the debt"),
]
_APPLICATION = [
    Feature("annual_income", "number", "yearly income stated at application", "currency"),
    Feature("income_verification", "category", "how income was checked"),
    Feature("employment_years", "number", "years employed at application", "years"),
    Feature("home_ownership", "category", "housing at application"),
    Feature("debt_to_income", "number", "debt payments over income at application", "percent"),
    Feature("credit_score", "number", "credit score at application"),
    Feature("delinquencies_2y", "number", "delinquencies in the two years before application"),
    Feature("inquiries_6m", "number", "credit inquiries in the six months before application"),
    Feature("months_since_delinquency", "number", "time since the last delinquency, at application", "months"),
    Feature("months_since_public_record", "number", "time since the last public record, at application", "months"),
    Feature("open_accounts", "number", "open credit accounts at application"),
    Feature("total_accounts", "number", "credit accounts ever, at application"),
    Feature("public_records", "number", "derogatory public records at application"),
    Feature("bankruptcies", "number", "bankruptcies at application"),
    Feature("revolving_balance", "number", "revolving credit drawn at application", "currency"),
    Feature("revolving_utilisation", "number", "share of revolving credit drawn at application", "percent"),
    Feature("revolving_to_income", "number", "revolving credit drawn over a year's income", "share"),
    Feature("oldest_account_at", "number", "first credit line", "seconds since 1970, UTC"),
]
FEATURES = [*_IDENTITY, *_APPLICATION]


def build(feeds: dict[str, pl.LazyFrame]) -> pl.DataFrame:
    """Return the mart from the ``borrowers`` and ``loans`` feeds."""
    identity = timeline.standing(feeds["borrowers"], "borrowers", ENTITY).with_columns(
        pl.col("region").alias("home_region"),
        (pl.col("phone").is_not_null().cast(pl.Float64) + pl.col("phone_alt").is_not_null()).alias("phones"),
        pl.col("email").is_not_null().cast(pl.Float64).alias("has_email"),
    )  # fmt: skip
    application = timeline.standing(feeds["loans"], "loans", ENTITY).with_columns(
        timeline.epoch_seconds("oldest_account_on").alias("oldest_account_at"),
        timeline.ratio("revolving_balance", "annual_income").alias("revolving_to_income"),
    )
    changes = pl.concat([_changes(identity, _IDENTITY), _changes(application, _APPLICATION)], how="diagonal_relaxed")
    return timeline.state(changes, ENTITY, [feature.name for feature in FEATURES])


def _changes(rows: pl.LazyFrame, features: list[Feature]) -> pl.LazyFrame:
    named = [pl.col(feature.name).cast(pl.Float64 if feature.kind != "category" else pl.String) for feature in features]
    return rows.select(ENTITY, timeline.KNOWN, timeline.LEARNT, *named)
