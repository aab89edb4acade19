"""What reaching the debtor adds, from logged attempts: extra net cash within 30 days, by channel and age.

Attempts that reached the debtor are compared with attempts by the same channel on debts of the same
age that did not, within strata of what was owed and whether anything had been paid; weights
1 / propensity make a channel's attempts stand for all attempts. The assumption: within a stratum,
whom an attempt happened to reach says nothing else about what he would have paid. Where people who
answer also pay more by themselves, the figure is too high. Larger debts bring larger payments: cash is
counted per typical debt and scaled by a power of what is owed, fitted on the payments. A cell with
little evidence is drawn towards the mean of all cells (random effects, DerSimonian and Laird 1986,
doi:10.1016/0197-2456(86)90046-2).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from features.errors import RecoupError
from features.lake import Lake
from serving.dispatch import asked

_WINDOW = timedelta(days=30)
AGE_BANDS = (12.0, 24.0, 36.0)
"""Edges of the bands of debt age, months since default."""
_CELL, _STRATUM = ["channel", "age_band"], ["paid_before", "large"]
_FEWEST = 30
"""Attempts that a side of a stratum needs: below, its rare payments hide its variance."""


@dataclass(frozen=True)
class Size:
    """Cash on a debt over cash on a ``typical`` one (currency): (owed / typical) ** ``power``."""

    typical: float
    power: float

    def scale(self) -> pl.Expr:
        """Return the multiple for rows with ``owed``."""
        return (pl.col("owed") / self.typical) ** self.power


@dataclass(frozen=True)
class AttemptValue:
    """The estimate.

    Attributes
    ----------
    cells : polars.DataFrame
        Per ``channel`` and ``age_band``: ``added`` (currency per right-party contact on a typical
        debt, after collection costs), ``raw`` and its ``standard_error`` before shrinkage,
        ``attempts``.
    overall : float
        What a cell without evidence gets (currency).
    size : Size
        How cash grows with what is owed.
    costs : polars.DataFrame
        Per ``channel``: mean logged cost of an attempt that missed and one that reached (currency).
    """

    cells: pl.DataFrame
    overall: float
    size: Size
    costs: pl.DataFrame

    def of(self, candidates: pl.DataFrame) -> pl.DataFrame:
        """Add ``added_value``, ``cost`` and ``net_value`` (currency) to candidates.

        ``candidates`` has ``channel``, ``months_since_default``, ``owed`` and ``chance``.
        """
        known = candidates.with_columns(_band())
        known = known.join(self.cells.select(*_CELL, "added"), on=_CELL, how="left", maintain_order="left")
        known = known.join(self.costs, on="channel", how="left", maintain_order="left")
        chance, added = pl.col("chance"), pl.col("added").fill_null(self.overall) * self.size.scale()
        return known.with_columns(
            added_value=pl.min_horizontal(added, "owed"),
            cost=(1 - chance) * pl.col("cost_missed") + chance * pl.col("cost_reached"),
        ).select(
            *candidates.columns, "added_value", "cost",
            (chance * pl.col("added_value") - pl.col("cost")).alias("net_value"),
        )  # fmt: skip


def estimate(lake: Lake, moment: datetime) -> AttemptValue:
    """Estimate from what was known by ``moment`` (UTC).

    Raises
    ------
    RecoupError
        When no attempt with a propensity is older than 30 days.
    """
    log = _log(lake, moment)
    if log.is_empty():
        raise RecoupError(
            f"no attempt with a propensity was made 30 days before {moment:%Y-%m-%d}: what a contact "
            "adds is unknown; ingest contacts, or give a later date"
        )
    size = _size(log)
    log = log.with_columns(pl.col("cash") / size.scale())
    strata = log.group_by(*_CELL, *_STRATUM, "right_party", maintain_order=True).agg(
        mean=(pl.col("cash") * pl.col("weight")).sum() / pl.col("weight").sum(),
        weight=pl.col("weight").sum(),
        variance=_variance(),
        attempts=pl.len(),
    )
    return AttemptValue(*_shrunk(_cells(strata)), size, _costs(log))


def _log(lake: Lake, moment: datetime) -> pl.DataFrame:
    """Return old enough attempts with their weight, stratum and the cash that followed."""
    loans = lake.scan("loans").filter(pl.col("known_at") <= moment).sort("known_at", maintain_order=True)
    debts = loans.group_by("loan_id").agg(pl.col("balance", "default_on").last())
    attempts = (
        lake.scan("contacts")
        .filter(
            (pl.col("known_at") <= moment)
            & (pl.col("attempted_at") <= moment - _WINDOW)
            & (pl.col("propensity") > 0)
        )
        .join(debts, on="loan_id")
        .sort("attempted_at", "attempt_id")  # sums in one order: the same plan to the last bit
        .select("loan_id", "channel", "attempted_at", "right_party", "cost", "balance", "default_on",
                (1 / pl.col("propensity")).alias("weight"))
        .collect()
    )  # fmt: skip
    cash = _cash(lake, moment)
    before, after = (_paid_by(attempts, cash, later) for later in (timedelta(0), _WINDOW))
    default_at = attempts["default_on"].cast(pl.Datetime("us")).dt.epoch("s")
    table = attempts.with_columns(
        (after - before).alias("cash"),
        (before > 0).alias("paid_before"),
        (pl.col("balance") - before).alias("owed"),
        asked.debt_age(attempts["attempted_at"], default_at),
    ).filter(pl.col("owed") > 0)
    return table.with_columns(_band(), (pl.col("owed") > pl.col("owed").median()).alias("large"))


def _size(log: pl.DataFrame) -> Size:
    """Fit the power by least squares on logarithms, where cash came; it lies in [0, 1]."""
    typical = float(np.median(log["owed"].to_numpy()))
    paid = log.filter(pl.col("cash") > 0).select(pl.col("owed", "cash").log())
    if paid["owed"].n_unique() < 2:
        return Size(typical, 0.0)
    power = np.polyfit(paid["owed"].to_numpy(), paid["cash"].to_numpy(), 1)[0]
    return Size(typical, float(np.clip(power, 0, 1)))


def _cash(lake: Lake, moment: datetime) -> pl.DataFrame:
    """Return running net cash per loan; enforcement and undated totals are not what contacts bring."""
    kinds = ("recovery", "settlement", "reversal")
    return (
        lake.scan("payments")
        .filter((pl.col("known_at") <= moment) & pl.col("kind").is_in(kinds))
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


def _band() -> pl.Expr:
    months, edges = pl.col("months_since_default"), [int(edge) for edge in AGE_BANDS]
    band = pl.lit(f"under {edges[0]}")
    for edge, end in zip(edges, [*edges[1:], None], strict=True):
        band = pl.when(months >= edge).then(pl.lit(f"{edge}-{end}" if end else f"{edge} up")).otherwise(band)
    return pl.when(months.is_not_null()).then(band).alias("age_band")


def _variance() -> pl.Expr:
    """Return the variance of a self-normalised weighted mean (Hájek)."""
    weight, cash = pl.col("weight"), pl.col("cash")
    mean = (cash * weight).sum() / weight.sum()
    return ((weight * (cash - mean)) ** 2).sum() / weight.sum() ** 2


def _cells(strata: pl.DataFrame) -> pl.DataFrame:
    """Return the difference reached - missed per cell, strata weighted by those reached."""
    enough = strata.filter(pl.col("attempts") >= _FEWEST)
    reached, missed = (enough.filter(pl.col("right_party") == side) for side in (True, False))
    pairs = reached.join(missed, on=[*_CELL, *_STRATUM], nulls_equal=True, suffix="_missed",
                         maintain_order="left")  # fmt: skip
    share = pl.col("weight") / pl.col("weight").sum()
    return (
        pairs.group_by(_CELL, maintain_order=True)
        .agg(
            raw=(share * (pl.col("mean") - pl.col("mean_missed"))).sum(),
            standard_error=(share**2 * (pl.col("variance") + pl.col("variance_missed"))).sum().sqrt(),
            attempts=pl.col("attempts").sum() + pl.col("attempts_missed").sum(),
        )
        .filter(pl.col("standard_error") > 0)
        .sort(_CELL)
    )


def _shrunk(cells: pl.DataFrame) -> tuple[pl.DataFrame, float]:
    """Draw each cell towards the mean of all, the more the less it is known."""
    raw, variance = cells["raw"].to_numpy(), cells["standard_error"].to_numpy() ** 2
    if not len(raw):
        return cells.with_columns(added=pl.col("raw")), 0.0
    precision = 1 / variance
    mean = np.average(raw, weights=precision)
    excess = (precision * (raw - mean) ** 2).sum() - (len(raw) - 1)
    scale = precision.sum() - (precision**2).sum() / precision.sum()
    between = max(excess / scale, 0.0) if scale > 0 else 0.0
    overall = np.average(raw, weights=1 / (variance + between))
    trust = between / (between + variance)
    return cells.with_columns(added=pl.Series(trust * raw + (1 - trust) * overall)), float(overall)


def _costs(log: pl.DataFrame) -> pl.DataFrame:
    cost = pl.col("cost")
    missed, reached = cost.filter(~pl.col("right_party")).mean(), cost.filter("right_party").mean()
    return (
        log.group_by("channel", maintain_order=True)
        .agg(cost_missed=pl.coalesce(missed, cost.mean()), cost_reached=pl.coalesce(reached, cost.mean()))
        .sort("channel")
    )
