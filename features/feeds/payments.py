"""``payments``: every cash movement on a loan after its cut-off.

``cumulative_recovery`` is for sellers who give one undated total since charge-off: its
``paid_at`` is the day as of which the total stood. Corrections are ``reversal`` rows with a
negative amount, as in any ledger.
"""

import polars as pl

from features.feeds import columns as c

KINDS = ("recovery", "settlement", "legal_recovery", "cumulative_recovery", "reversal")
SOURCES = ("self", "call", "auto_call", "sms", "email", "letter", "visit", "agency", "court")

SCHEMA = c.Schema(
    lambda pandera: pandera.DataFrameSchema(
    {
        "payment_id": c.text("number of the movement", required=True),
        "loan_id": c.text("the loan it is booked on", required=True),
        "paid_at": c.instant("when the money came", required=True),
        "amount": c.money("cash received; negative for a reversal", low=None, required=True, eba="5.00-5.04"),
        "currency": c.one_of(c.CURRENCIES, "ISO 4217 code of the amount", required=True),
        "kind": c.one_of(KINDS, "what the movement is", required=True),
        "source": c.one_of(SOURCES, "what brought it"),
        "collection_cost": c.money("fees paid to get it"),
        "known_at": c.instant("when the row was learnt", required=True),
    },
    checks=[
        c.row_check(
            (pl.col("amount") >= 0) | (pl.col("kind") == "reversal"),
            "amount is negative and kind is not reversal",
        ),
    ],
)
)  # fmt: skip
KEY = ("payment_id",)
HAPPENED = "paid_at"
