"""``litigation``: one row each time a court case takes a step.

A case is about one debt, and at most one asset of the debtor's is sold in it: an auction of several
lots is a case each. Cases about debts that are not ours belong here too, since a region's auctions
tell what collateral brings there: name the ``asset_type`` in every row of such a case, from the
filing on, and how long a sale takes can be told from each step. A round without a bid is
``auction_failed``; ``auction_withdrawn`` is the end without a sale.
"""

import polars as pl

from features.feeds import columns as c
from features.feeds.loans import COLLATERAL_TYPES

AUCTION_STAGES = ("auction_listed", "auction_failed", "auction_sold", "auction_withdrawn")
STAGES = ("filed", "judgment", "enforcement", *AUCTION_STAGES, "closed")

_stage = pl.col("stage")
SCHEMA = c.Schema(
    lambda pandera: pandera.DataFrameSchema(
    {
        "case_id": c.text("number of the case", required=True),
        "loan_id": c.text("the debt sued for, ours or not", required=True),
        "region": c.text("region of the court", required=True),
        "stage": c.one_of(STAGES, "step taken", required=True, eba="3.24-3.29"),
        "happened_at": c.instant("when the step was taken", required=True),
        "claimed_amount": c.money("sued for"),
        "awarded_amount": c.money("awarded by judgment"),
        "enforced_amount": c.money("collected by enforcement"),
        "cost": c.money("court, lawyer's, appraiser's and auctioneer's fees of the step"),
        "asset_type": c.one_of(COLLATERAL_TYPES, "what is to be sold"),
        "appraised_amount": c.money("the appraisal that the auction goes by"),
        "auction_round": c.number("round of the auction, from 1", low=1),
        "reserve_amount": c.money("lowest bid that the round takes"),
        "hammer_amount": c.money("the bid that it was sold for"),
        "known_at": c.instant("when the row was learnt", required=True),
    },
    checks=[
        c.row_check(~_stage.is_in(AUCTION_STAGES) | pl.col("asset_type").is_not_null(), "an auction of no asset_type"),
        c.row_check((_stage != "auction_listed") | (pl.col("appraised_amount").fill_null(0) > 0),
                    "auction_listed without appraised_amount"),
        c.row_check((_stage != "auction_sold") | pl.col("hammer_amount").is_not_null(),
                    "auction_sold without hammer_amount"),
        c.row_check(pl.col("hammer_amount") >= pl.col("reserve_amount"), "hammer_amount is below reserve_amount"),
    ],
)
)  # fmt: skip
KEY = ("case_id", "stage", "auction_round")
HAPPENED = "happened_at"
