"""The recovery model: share of what is owed that comes in within a horizon.

A training row is a loan at a moment with us, at a horizon that it has lived through by then: a
young vintage contributes what it has shown, never a zero for what it has not. The score cannot fall
as the horizon grows. A source that gives only one total since charge-off teaches the ultimate.

Loans with collateral are left out. What their debtors owe beyond it is as unsecured as any debt, but their
cash is the auction's and the debtor's together, and the auction has a model of its own
(`training.collateral`).
"""

from datetime import datetime

import polars as pl

from features.errors import RecoupError
from features.feeds.columns import INSTANT
from features.lake import Lake
from training import baselines, challengers, metrics
from training.designs import DESIGNS
from training.outlook import HORIZONS, ULTIMATE
from training.task import Task

MOMENTS = (0, 12, 24)
"""Months after the cut-off at which a loan is valued in training."""


def rows(lake: Lake, source: str, as_of: datetime) -> pl.DataFrame:
    """Return labelled rows of every charged-off loan without collateral, as known at ``as_of`` (UTC).

    Raises
    ------
    RecoupError
        When no such loan of the source has an outcome yet.
    """
    loans = charged_off(lake, source, as_of)
    payments = lake.scan("payments", source).filter(pl.col("known_at") <= as_of, pl.col("paid_at") <= as_of).collect()
    totals = payments.filter(pl.col("kind") == "cumulative_recovery")
    dated = payments.filter(pl.col("kind") != "cumulative_recovery")
    parts = [_from_totals(loans, totals)]
    if totals.is_empty():
        parts.append(_from_payments(loans, dated, as_of))
    labelled = pl.concat(parts, how="diagonal_relaxed")
    if labelled.is_empty():
        raise RecoupError(
            f"no unsecured loan of source {source!r} has an outcome known by {as_of:%Y-%m-%d}: "
            "ingest payments (or a tape with recoveries), or give a later --as-of"
        )
    longest = pl.col("horizon_months_asked").max().over("loan_id", "moment")
    first = pl.col("moment").min().over("loan_id")
    return labelled.with_columns(
        pl.col("loan_id").alias("entity"),
        pl.col("originated_on").alias("order"),
        pl.col("owed").alias("weight"),
        ((pl.col("horizon_months_asked") == longest) & (pl.col("moment") == first)).alias("judged"),
    ).sort("originated_on", "loan_id", "moment", "horizon_months_asked")


def charged_off(lake: Lake, source: str, as_of: datetime) -> pl.DataFrame:
    """Return the charged-off loans as first learnt: the row that the tape was priced on.

    A loan that was known by ``as_of`` (UTC) to have collateral, in whatever row, is none of them.
    """
    unsecured = pl.col("collateral_type").is_null().all().over("loan_id")
    return (
        lake.scan("loans", source)
        .filter(pl.col("known_at") <= as_of)
        .filter(unsecured, pl.col("status") == "charged_off", pl.col("balance") > 0)
        .sort("known_at")
        .group_by("loan_id", maintain_order=True)
        .first()
        .select(
            "loan_id", "borrower_id", "region", "originated_on", "balance",
            pl.max_horizontal(pl.col("cutoff_on").cast(INSTANT), "known_at").alias("cutoff"),
        )
        .collect()
    )  # fmt: skip


def _from_totals(loans: pl.DataFrame, totals: pl.DataFrame) -> pl.DataFrame:
    rate = (pl.col("amount") / pl.col("balance")).clip(0.0, 1.0)
    return loans.join(totals.select("loan_id", "amount"), on="loan_id").with_columns(
        pl.col("cutoff").alias("moment"),
        pl.col("balance").alias("owed"),
        pl.lit(ULTIMATE).alias("horizon_months_asked"),
        rate.alias("target"),
    )


def _from_payments(loans: pl.DataFrame, payments: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Return a row per loan, moment and horizon lived through by ``as_of``."""
    valued = loans.join(pl.DataFrame({"months": MOMENTS}), how="cross").with_columns(
        pl.col("cutoff").dt.offset_by(pl.format("{}mo", "months")).alias("moment")
    )
    cash = payments.select("loan_id", "paid_at", pl.col("amount").cum_sum().over("loan_id", order_by="paid_at"))
    cash = cash.sort("paid_at")
    before = _cash_by(valued, "moment", cash).alias("before")
    valued = valued.with_columns(before, (pl.col("balance") - before).alias("owed"))
    asked = valued.filter(pl.col("owed") > 0).join(pl.DataFrame({"horizon": HORIZONS}), how="cross")
    asked = asked.with_columns(pl.col("moment").dt.offset_by(pl.format("{}mo", "horizon")).alias("until")).filter(
        pl.col("until") <= as_of
    )
    came = _cash_by(asked, "until", cash) - asked["before"]
    return asked.with_columns(
        (came / asked["owed"]).clip(0.0, 1.0).alias("target"),
        pl.col("horizon").cast(pl.Float64).alias("horizon_months_asked"),
    )


def _cash_by(rows: pl.DataFrame, moment: str, cash: pl.DataFrame) -> pl.Series:
    """Return the cash that had come on each row's loan by its moment, in the rows' order."""
    found = (
        rows.with_row_index("row")
        .select("row", "loan_id", moment)
        .sort(moment)
        .join_asof(cash, left_on=moment, right_on="paid_at", by="loan_id", check_sortedness=False)
        .sort("row")
    )
    return found["amount"].fill_null(0.0)


TASK = Task(
    name="recovery",
    service="recovery_v1",
    link="share",
    fixed={"loss_function": "RMSE", "eval_metric": "RMSE"},
    rows=rows,
    metrics=metrics.recovery,
    baselines={"ridge": baselines.ridge},
    challengers=challengers.RECOVERY,
    search={
        "iterations": (150, 350), "depth": (3, 5), "learning_rate": (0.02, 0.05), "l2_leaf_reg": (10, 40),
        "rsm": (0.4, 0.7),
    },
    utility=metrics.desk_utility,
    designs=tuple(DESIGNS),
    monotone={"horizon_months": 1},
)  # fmt: skip
