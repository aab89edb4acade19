"""Logged attempts with what was known before each, and the cash that followed: what effects are estimated from."""

from datetime import datetime, timedelta

import polars as pl

from features.lake import Lake
from features.marts.contact import JUST_BEFORE
from features.store import FeatureDoor

SERVICE = "attempt_value_v1"
WINDOW = timedelta(days=30)
"""How long cash is counted after an attempt."""
_MOST = 200_000


def logged(lake: Lake, source: str, as_of: datetime) -> pl.DataFrame:
    """Return attempts with a propensity whose 30 days are over, in the order they were made.

    Returns
    -------
    polars.DataFrame
        What the feed says of them; ``moment`` a second before; ``weight`` (1 / propensity); ``owed`` then;
        ``cash`` of the 30 days, less collection costs (currency); ``fold``, 0 or 1, by debtor.
    """
    loans = lake.scan("loans", source).filter(pl.col("known_at") <= as_of).sort("known_at", maintain_order=True)
    debts = loans.group_by("loan_id").agg(pl.col("balance").last())
    attempts = (
        lake.scan("contacts", source)
        .filter(
            (pl.col("known_at") <= as_of) & (pl.col("attempted_at") <= as_of - WINDOW) & (pl.col("propensity") > 0)
        )
        .join(debts, on="loan_id")
        .sort("attempted_at", "attempt_id")  # sums in one order: the same estimate to the last bit
        .select("loan_id", "borrower_id", "channel", "agency", "attempted_at", "right_party", "cost", "balance",
                "propensity", (pl.col("attempted_at") - JUST_BEFORE).alias("moment"),
                pl.col("point_kind").fill_null("unknown"),
                (1 / pl.col("propensity")).alias("weight"))
        .collect()
    )  # fmt: skip
    attempts = attempts.with_columns(number=pl.col("borrower_id").rank("dense"))
    nth = -(-attempts.height // _MOST)
    attempts = attempts.filter(pl.col("number") % max(nth, 1) == 0)
    cash = _cash(lake, source, as_of)
    before, after = (_paid_by(attempts, cash, later) for later in (timedelta(0), WINDOW))
    fold = pl.col("number") // max(nth, 1) % 2
    table = attempts.with_columns(cash=after - before, owed=pl.col("balance") - before, fold=fold)
    return table.filter(pl.col("owed") > 0)


def features(door: FeatureDoor, log: pl.DataFrame) -> pl.DataFrame:
    """Return what was known just before each attempt of `logged`."""
    return door.frame(
        SERVICE,
        log.select(
            "moment", "loan_id", "borrower_id",
            pl.col("channel").alias("channel_asked"),
            pl.col("point_kind").alias("point_kind_asked"),
        ),
    )  # fmt: skip


def _cash(lake: Lake, source: str, as_of: datetime) -> pl.DataFrame:
    """Return running net cash per loan; enforcement and undated totals are not what contacts bring."""
    kinds = ("recovery", "settlement", "reversal")
    return (
        lake.scan("payments", source)
        .filter((pl.col("known_at") <= as_of) & pl.col("kind").is_in(kinds))
        .sort("paid_at", "payment_id")
        .select("loan_id", "paid_at",
                (pl.col("amount") - pl.col("collection_cost").fill_null(0)).cum_sum().over("loan_id")
                .alias("paid"))
        .collect()
    )  # fmt: skip


def _paid_by(attempts: pl.DataFrame, cash: pl.DataFrame, later: timedelta) -> pl.Series:
    """Return each attempt's loan's net cash until some time after it."""
    by = attempts.select("loan_id", at=pl.col("attempted_at") + later).with_row_index("row").sort("at")
    found = by.join_asof(cash, left_on="at", right_on="paid_at", by="loan_id", check_sortedness=False)
    return found.sort("row")["paid"].fill_null(0.0)
