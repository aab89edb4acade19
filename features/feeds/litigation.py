"""``litigation``: one row each time a court case on a loan takes a step."""

import pandera.polars as pa

from features.feeds import columns as c

STAGES = ("filed", "judgment", "enforcement", "closed")

SCHEMA = pa.DataFrameSchema(
    {
        "case_id": c.text("number of the case", required=True),
        "loan_id": c.text("the debt sued for", required=True),
        "region": c.text("region of the court", required=True),
        "stage": c.one_of(STAGES, "step taken", required=True, eba="3.24-3.29"),
        "happened_at": c.instant("when the step was taken", required=True),
        "claimed_amount": c.money("sued for"),
        "awarded_amount": c.money("awarded by judgment"),
        "enforced_amount": c.money("collected by enforcement"),
        "cost": c.money("court and lawyer's fees of the step"),
        "known_at": c.instant("when the row was learnt", required=True),
    },
)
KEY = ("case_id", "stage")
HAPPENED = "happened_at"
