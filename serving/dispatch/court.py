"""What filing a case pays, and which claims are about to lapse.

What came of the cases filed so far is counted by the month since filing, each case for as long as it has been
followed: a young case adds nothing to months that it has not lived, and no zero either (a chained ratio, as
Kaplan and Meier 1958 chain survival). A region with few cases is drawn towards all.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from features.lake import Lake
from features.marts import timeline

FLAGGED_DAYS = 90
_MONTH = 30.4375
_MONTHS = 60
_RETURN = 0.12
"""Required return a year on what filing costs and brings: as in ``pricing/assumptions.yaml``."""
_WEIGHT = 50.0
"""Cases followed a month at which a region counts half."""


@dataclass(frozen=True)
class Filing:
    """Present values of a filing: of a claim, by ``region`` and for others.

    Attributes
    ----------
    brings : dict of str to float
        Cash by enforcement, share of the claim.
    others : float
        The same of regions without cases.
    fixed, part : float
        Costs: currency a case, and share of the claim on top.
    cases : int
        Filed so far.
    """

    brings: dict[str, float]
    others: float
    fixed: float
    part: float
    cases: int

    def of(self, cases: pl.DataFrame) -> pl.DataFrame:
        """Add ``enforced`` and ``court_cost`` (currency) to debts with ``region`` and ``owed``."""
        share = pl.col("region").replace_strict(self.brings, default=self.others, return_dtype=pl.Float64)
        return cases.with_columns(
            enforced=share * pl.col("owed"), court_cost=self.fixed + self.part * pl.col("owed")
        )  # fmt: skip


def estimate(lake: Lake, moment: datetime) -> Filing | None:
    """Estimate from the ``litigation`` and ``payments`` feeds as known by a moment (UTC); None without cases."""
    steps = timeline.known(lake.scan("litigation"), "litigation").filter(
        (pl.col(timeline.KNOWN) <= moment) & pl.col("asset_type").is_null()
    )
    filed = (
        steps.filter(pl.col("stage") == "filed")
        .group_by("case_id", maintain_order=True)
        .agg(pl.col("loan_id", "region", "happened_at", "claimed_amount").first())
        .filter(pl.col("claimed_amount") > 0)
        .collect()
    )
    if filed.is_empty():
        return None
    lived = ((moment - pl.col("happened_at")).dt.total_days() / _MONTH).floor()
    cases = filed.with_columns(lived.alias("lived"))
    cash = (
        lake.scan("payments")
        .filter((pl.col("kind") == "legal_recovery") & (pl.col("known_at") <= moment))
        .select("loan_id", pl.col("paid_at").alias("at"), pl.col("amount").alias("money"))
        .collect()
    )
    costs = steps.select("case_id", pl.col("happened_at").alias("at"), pl.col("cost").fill_null(0.0).alias("money"))
    fees = costs.filter(pl.col("money") > 0).collect()
    came, spent = (_by_month(cases, rows, key) for rows, key in ((cash, "loan_id"), (fees, "case_id")))
    overall = _chained(cases, came, pl.col("claimed_amount"))
    brings = {}
    for (region,), of_region in cases.group_by("region", maintain_order=True):
        months = float(of_region["lived"].clip(0, _MONTHS).sum()) / _MONTHS * 12
        own = _chained(
            of_region, came.join(of_region.select("case_id"), on="case_id", how="semi"), pl.col("claimed_amount")
        )
        trust = months / (months + _WEIGHT)
        brings[str(region)] = trust * own + (1 - trust) * overall
    part = _cost_part(cases, fees)
    fixed = _chained(cases, spent, pl.lit(1.0)) - part * float(cases["claimed_amount"].mean())  # type: ignore[arg-type]
    return Filing(brings, overall, max(fixed, 0.0), part, cases.height)


def limitation(cases: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """Add ``days_left`` to limitation and ``flagged``: the claim lapses within `FLAGGED_DAYS`, none is filed yet.

    ``cases`` has ``limitation_at`` (seconds since 1970, UTC) and ``legal_status``; unknown is no flag.
    """
    days = ((pl.col("limitation_at") - moment.timestamp()) / 86_400).floor()
    lapsed = (days < 0).fill_null(False)
    unfiled = (pl.col("legal_status").fill_null("none") == "none") & ~lapsed
    flagged = unfiled & (days <= FLAGGED_DAYS).fill_null(False)
    return cases.with_columns(days.alias("days_left"), unfiled.alias("open_to_filing"), flagged.alias("flagged"))


def _by_month(cases: pl.DataFrame, rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """Return money of each case by full months since its filing, no later than it was followed."""
    month = ((pl.col("at") - pl.col("happened_at")).dt.total_days() / _MONTH).floor()
    found = rows.join(cases.select("case_id", "loan_id", "happened_at", "lived").unique(key), on=key)
    return found.with_columns(month.alias("month")).filter(
        (pl.col("month") >= 0) & (pl.col("month") < pl.col("lived")) & (pl.col("month") < _MONTHS)
    )


def _chained(cases: pl.DataFrame, money: pl.DataFrame, size: pl.Expr) -> float:
    """Return the present value of money a unit of size: month by month over the cases that lived the month."""
    sizes = cases.select("lived", size.alias("size")).to_numpy()
    total = 0.0
    for month, came in money.group_by("month").agg(pl.col("money").sum()).sort("month").iter_rows():
        exposed = sizes[sizes[:, 0] > month, 1].sum()
        total += came / exposed / (1 + _RETURN) ** ((month + 0.5) / 12)
    return float(total)


def _cost_part(cases: pl.DataFrame, costs: pl.DataFrame) -> float:
    """Return by how much the cost of the first day grows with the claim (least squares)."""
    first = costs.join(cases, on="case_id").filter(pl.col("at") - pl.col("happened_at") < timedelta(days=1))
    if first["claimed_amount"].n_unique() < 2:
        return 0.0
    slope = first.select(pl.cov("money", "claimed_amount") / pl.col("claimed_amount").var()).item()
    return float(min(max(slope, 0.0), 1.0))
