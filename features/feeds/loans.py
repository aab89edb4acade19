"""``loans``: the seller's tape, one row a loan as of a cut-off date.

EBA field numbers are those of the NPL transaction data templates, Reg. (EU) 2023/2083. What was
collected after the cut-off never stands here: it belongs to ``payments``.
"""

import polars as pl

from features.feeds import columns as c

STATUSES = ("charged_off", "delinquent", "performing", "repaid")
PRODUCTS = ("personal_loan", "credit_card", "consumer_finance", "auto_loan", "mortgage", "business_loan")
COLLATERAL_TYPES = ("residential", "commercial", "industrial", "land", "vehicle", "equipment", "other")
LEGAL_STATUSES = ("none", "filed", "judgment", "enforcement", "insolvency")
_HIGHEST_RATE = 4.0
"""Above what is asked of anyone (payday loans: 391 % a year, CFPB 2013), a percentage was given for a share."""
_MOST_OWED = 50
"""Interest and fees multiply a debt, but a hundredfold one has its amounts in cents."""

_unsecured = pl.col("collateral_type").is_null()
_undescribed = pl.all_horizontal(pl.col("collateral_value", "collateral_region", "prior_claims").is_null())
SCHEMA = c.Schema(
    lambda pandera: pandera.DataFrameSchema(
    {
        "loan_id": c.text("the tape's own number of the loan", required=True),
        "borrower_id": c.identifier("the debtor", required=True),
        "status": c.one_of(STATUSES, "where the loan stands at the cut-off", required=True),
        "product": c.one_of(PRODUCTS, "kind of loan", required=True),
        "currency": c.one_of(c.CURRENCIES, "ISO 4217 code of every amount in the row", required=True),
        "region": c.text("state or province of the debtor", required=True),
        "cutoff_on": c.date("the day the row describes", required=True, past=True, eba="3.00"),
        "originated_on": c.date("the day the loan was made", required=True, past=True, eba="3.02"),
        "default_on": c.date("default or charge-off", eba="3.23"),
        "original_amount": c.money("amount lent"),
        "balance": c.money("all that is owed at the cut-off", required=True, eba="3.09-3.12"),
        "principal_balance": c.money("principal owed", eba="3.09-3.12"),
        "interest_balance": c.money("interest owed", eba="3.09-3.12"),
        "fee_balance": c.money("fees owed", eba="3.09-3.12"),
        "days_past_due": c.number("age of the oldest arrear", low=0, unit="days", eba="3.13"),
        "last_payment_on": c.date("last payment before the cut-off", eba="3.21"),
        "last_payment_amount": c.money("its amount", eba="3.22"),
        "interest_rate": c.number("contract rate", low=0, high=_HIGHEST_RATE, unit="per year"),
        "term_months": c.number("contract term", low=0, high=600, unit="months"),
        "instalment": c.money("contract payment a month"),
        "principal_paid": c.money("principal paid before the cut-off"),
        "interest_paid": c.money("interest paid before the cut-off"),
        "fees_paid": c.money("late fees paid before the cut-off"),
        "legal_status": c.one_of(LEGAL_STATUSES, "court stage at the cut-off", eba="3.24-3.29"),
        "limitation_on": c.date("the claim lapses", eba="3.24-3.29"),
        "collateral_type": c.one_of(COLLATERAL_TYPES, "what secures the loan; empty: nothing does"),
        "collateral_value": c.money("its last appraisal"),
        "collateral_region": c.text("where it lies; empty: the debtor's region"),
        "prior_claims": c.money("claims on it that rank before ours; empty: none"),
        "credit_grade": c.text("the lender's grade"),
        "credit_sub_grade": c.text("the lender's finer grade"),
        "purpose": c.text("what the loan was for"),
        "policy_exception": c.flag("granted outside the credit policy"),
        "annual_income": c.money("stated at application"),
        "income_verification": c.text("how income was checked"),
        "employment_years": c.number("at application", low=0, high=80, unit="years"),
        "home_ownership": c.text("at application"),
        "debt_to_income": c.number("at application", low=-1, unit="percent"),
        "credit_score": c.number("at application", low=0, high=1000),
        "delinquencies_2y": c.number("in the two years before application", low=0),
        "inquiries_6m": c.number("in the six months before application", low=0),
        "months_since_delinquency": c.number("at application", low=0, unit="months"),
        "months_since_public_record": c.number("at application", low=0, unit="months"),
        "open_accounts": c.number("at application", low=0),
        "total_accounts": c.number("at application", low=0),
        "public_records": c.number("at application", low=0),
        "bankruptcies": c.number("at application", low=0),
        "revolving_balance": c.money("at application"),
        "revolving_utilisation": c.number("at application", low=0, unit="percent"),
        "oldest_account_on": c.date("first credit line"),
        "known_at": c.instant("when the row was learnt", required=True),
    },
    checks=[
        c.row_check(pl.col("cutoff_on") >= pl.col("originated_on"), "cutoff_on is before originated_on"),
        c.row_check(pl.col("default_on") >= pl.col("originated_on"), "default_on is before originated_on"),
        c.row_check(pl.col("cutoff_on") >= pl.col("default_on"), "cutoff_on is before default_on"),
        c.row_check(pl.col("cutoff_on") >= pl.col("last_payment_on"), "cutoff_on is before last_payment_on"),
        c.row_check(
            (pl.col("balance") <= _MOST_OWED * pl.col("original_amount")) | (pl.col("original_amount") == 0),
            f"balance is more than {_MOST_OWED} times original_amount: are both in the same unit?",
        ),
        c.row_check(_unsecured | pl.col("collateral_value").is_not_null(), "collateral_type without collateral_value"),
        c.row_check(~_unsecured | _undescribed, "collateral_value, _region or prior_claims without collateral_type"),
    ],
)
)  # fmt: skip
KEY = ("loan_id",)
HAPPENED = "cutoff_on"
