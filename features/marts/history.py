"""How the book's own loans of a region or a product have fared, as known at every moment.

The performing and the repaid count as well as those in default: a place where one loan in three goes bad
is not one where one in twenty does.
"""

import polars as pl

from features.feeds.columns import INSTANT
from features.marts import timeline
from features.marts.columns import Feature

FEEDS = ("loans", "payments")
MONTHS = "12mo"
_PARTS = 1_000_000


def features(of: str) -> list[Feature]:
    """Return the declarations of a region's or a product's history."""
    return [
        Feature(f"{of}_default_share", "number", f"share of the book's loans of the {of} that are in default", "share"),
        Feature(f"{of}_collected_share", "number", f"cash of twelve months over the balance of the {of}'s", "share"),
    ]


def build(feeds: dict[str, pl.LazyFrame], of: str) -> pl.DataFrame:
    """Return the history of each region or product from the ``loans`` and ``payments`` feeds.

    A loan in default counts in ``collected_share`` once it has been with us for twelve months, with the cash
    that we knew of by then; while none has paid anything, nothing is said. Totals without dates tell nothing
    of twelve months and are left out.
    """
    loans = timeline.standing(feeds["loans"], "loans", "loan_id").filter(pl.col(of).is_not_null())
    loans = loans.with_columns(pl.col(of).first().over("loan_id"))
    bad = (pl.col("status") == "charged_off").cast(pl.Float64)
    standing = loans.select(
        of, timeline.KNOWN, timeline.LEARNT,
        (pl.int_range(pl.len()).over("loan_id") == 0).cast(pl.Float64).alias("new"),
        (bad - bad.shift(1, fill_value=0.0).over("loan_id")).alias("bad"),
    )  # fmt: skip
    changes = pl.concat([standing, _first_year(loans, feeds["payments"], of)], how="diagonal_relaxed")
    counts = ("new", "bad", "owed", "paid")
    running = changes.sort(timeline.KNOWN, maintain_order=True).with_columns(
        pl.col(counts).fill_null(0.0).cum_sum().over(of)
    )
    collected = timeline.ratio("paid", pl.col("owed") * _PARTS)
    told = running.select(
        of, timeline.KNOWN, timeline.LEARNT,
        timeline.ratio("bad", "new").alias(f"{of}_default_share"),
        pl.when(pl.col("paid") > 0).then(collected).alias(f"{of}_collected_share"),
    )  # fmt: skip
    return timeline.state(told, of, [feature.name for feature in features(of)])


def _first_year(loans: pl.LazyFrame, payments: pl.LazyFrame, of: str) -> pl.LazyFrame:
    """Return balance and twelve months' cash (in millionths) of each default, at the moment when these were over."""
    due = (
        loans.filter(pl.col("status") == "charged_off", pl.col("balance") > 0)
        .group_by("loan_id", maintain_order=True)
        .first()
        .with_columns(
            pl.max_horizontal(pl.col("cutoff_on").cast(INSTANT), timeline.KNOWN).dt.offset_by(MONTHS).alias("over")
        )
    )
    dated = timeline.known(payments.filter(pl.col("kind") != "cumulative_recovery"), "payments")
    cash = (
        dated.select("loan_id", "amount", pl.col(timeline.KNOWN).alias("came"))
        .join(due.select("loan_id", "over"), on="loan_id")
        .filter(pl.col("came") <= pl.col("over"))
        .group_by("loan_id")
        # whole millionths: floats that are added in another order give other last bits
        .agg((pl.col("amount") * _PARTS).round().sum().alias("paid"))
    )
    return due.join(cash, on="loan_id", how="left", maintain_order="left").select(
        of,
        pl.col("over").alias(timeline.KNOWN),
        pl.col("over").alias(timeline.LEARNT),
        pl.col("balance").alias("owed"),
        pl.col("paid"),
    )
