"""Other ways to fill a day: what a plan is compared with, and what a challenger follows.

A debtor follows the challenger or the champion by a hash of his token, so every day the same, and nothing
needs to be kept to tell the two apart later.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from features.lake import Lake
from serving.dispatch.capacities import Capacities, Challenger

_NORMAL_95 = 1.96
_WHOLE = 2**64

RANKS: dict[str, Callable[[int], pl.Expr]] = {
    "random": lambda seed: pl.struct("loan_id", "channel", "slot").hash(seed).cast(pl.Float64),
    "largest_first": lambda _: pl.col("owed"),
    "oldest_first": lambda _: pl.col("months_since_default").fill_null(-1.0),
    "best_propensity": lambda _: pl.col("chance"),
}
"""Policies by name: the offer that ranks highest is taken first."""


def in_order(offers: pl.DataFrame, policy: str, desk: Capacities, moment: datetime, seed: int = 0) -> pl.DataFrame:
    """Return what a desk does that takes contacts in a policy's order while there is room, one a debtor.

    Among offers of one rank channels are taken in the order of the capacities file, hours from the earliest.

    Parameters
    ----------
    offers : polars.DataFrame
        Contacts; see `planning.optimum`, and the column that the policy ranks by.
    policy : str
        One of `RANKS`.
    desk : Capacities
    moment : datetime
        The day begins then (UTC).
    seed : int
        Of the random policy.
    """
    places = desk.places(moment)
    free = {(pool, slot): capacity for pool, slot, capacity in places.select("pool", "slot", "capacity").iter_rows()}
    left = {name: pool.day for name, pool in desk.pools.items()}
    serving: dict[tuple[str, datetime], list[tuple[str, list[str] | None]]] = {}
    for pool, channel, slot, regions in places.select("pool", "channel", "slot", "regions").iter_rows():
        serving.setdefault((channel, slot), []).append((pool, regions))
    order = {pool.channel: rank for rank, pool in reversed(list(enumerate(desk.pools.values())))}
    queue = offers.with_columns(
        RANKS[policy](seed).alias("rank"), pl.col("channel").replace_strict(order).alias("order")
    ).sort("rank", "loan_id", "order", "slot", descending=[True, False, False, False])
    chosen, pools, seen = [], [], set()
    room = sum(left.values())
    for row, (person, channel, slot, region) in enumerate(
        queue.select("borrower_id", "channel", "slot", "region").iter_rows()
    ):
        if person in seen:
            continue
        for pool, regions in serving.get((channel, slot), ()):
            if free[pool, slot] and left[pool] and (regions is None or region in regions):
                free[pool, slot] -= 1
                left[pool] -= 1
                room -= 1
                seen.add(person)
                chosen.append(row)
                pools.append(pool)
                break
        if not room:
            break
    return queue.drop("rank", "order")[chosen].with_columns(pl.Series("pool", pools, dtype=pl.String))


def challenged(people: pl.Series, challenger: Challenger) -> pl.Series:
    """Tell which debtors follow the challenger."""
    edge = int(challenger.share * _WHOLE)
    salt = f"{challenger.policy} since {challenger.since} ".encode()
    return pl.Series(
        "challenged",
        [int.from_bytes(hashlib.sha256(salt + person.encode()).digest()[:8]) < edge for person in people],
        dtype=pl.Boolean,
    )


@dataclass(frozen=True)
class Comparison:
    """Net cash (currency) of the two sides a debtor, and what the champion brings more, with its 95 % interval."""

    champion: float
    challenger: float
    champions: int
    challengers: int
    difference: float
    lower: float
    upper: float


def compare(lake: Lake, people: pl.Series, challenger: Challenger, moment: datetime) -> Comparison | None:
    """Compare the two sides by what came in since the challenger began, known by a moment (UTC).

    Parameters
    ----------
    lake : Lake
    people : polars.Series
        Debtors who are worked.
    challenger : Challenger
    moment : datetime

    Returns
    -------
    Comparison or None
        Payments less their collection costs and those of the attempts; by Welch's interval, nothing where a
        side has fewer than two debtors or less than a day has passed.
    """
    start = datetime.combine(challenger.since, datetime.min.time(), moment.tzinfo)
    people = people.unique().sort()
    side = challenged(people, challenger)
    if moment - start < timedelta(days=1) or min(side.sum(), (~side).sum()) < 2:
        return None
    net = _net_cash(lake, people, start, moment).to_numpy()
    ours, theirs = net[~side.to_numpy()], net[side.to_numpy()]
    difference = float(ours.mean() - theirs.mean())
    error = float(np.sqrt(ours.var(ddof=1) / len(ours) + theirs.var(ddof=1) / len(theirs)))
    return Comparison(
        float(ours.mean()), float(theirs.mean()), len(ours), len(theirs),
        difference, difference - _NORMAL_95 * error, difference + _NORMAL_95 * error,
    )  # fmt: skip


def _net_cash(lake: Lake, people: pl.Series, start: datetime, moment: datetime) -> pl.Series:
    """Return each debtor's payments less costs between two moments (UTC), as known by the second."""
    known = pl.col("known_at") <= moment
    owner = lake.scan("loans").filter(known).select("loan_id", "borrower_id").unique("loan_id", keep="last")
    paid = (
        lake.scan("payments")
        .filter(known & pl.col("paid_at").is_between(start, moment))
        .join(owner, on="loan_id")
        .select("borrower_id", (pl.col("amount") - pl.col("collection_cost").fill_null(0.0)).alias("cash"))
    )
    tried = (
        lake.scan("contacts")
        .filter(known & pl.col("attempted_at").is_between(start, moment))
        .select("borrower_id", (-pl.col("cost").fill_null(0.0)).alias("cash"))
    )
    cash = pl.concat([paid, tried]).group_by("borrower_id").agg(pl.col("cash").sum())
    asked = people.to_frame("borrower_id").lazy()
    return asked.join(cash, on="borrower_id", how="left", maintain_order="left").collect()["cash"].fill_null(0.0)
