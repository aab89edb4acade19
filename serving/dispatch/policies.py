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
    "random": lambda seed: pl.concat_str("loan_id", "channel", pl.col("slot").dt.epoch()).hash(seed).cast(pl.Float64),
    "largest_first": lambda _: pl.col("owed"),
    "oldest_first": lambda _: pl.col("months_since_default").fill_null(-1.0),
    "best_propensity": lambda _: pl.col("chance"),
}
"""Policies by name: the offer that ranks highest is taken first."""


def in_order(offers: pl.DataFrame, policy: str, desk: Capacities, moment: datetime, seed: int = 0) -> pl.DataFrame:
    """Return what a desk does that takes contacts in a policy's order while there is room, one a debtor.

    Among offers of one rank channels are taken in the order of the capacities file, hours from the earliest, and
    contact points in the order of the offers.

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
    keys = places.select("channel", "slot").unique(maintain_order=True).with_row_index("key")
    places = places.join(keys, on=["channel", "slot"], maintain_order="left").sort("key", maintain_order=True)
    order = {pool.channel: rank for rank, pool in reversed(list(enumerate(desk.pools.values())))}
    keys = keys.with_columns(pl.col("channel").cast(pl.Categorical), order=pl.col("channel").replace_strict(order))
    texts = pl.col("channel", "region", "loan_id", "borrower_id").cast(pl.Categorical)
    lean = offers.select(texts, "slot", rank=RANKS[policy](seed)).with_row_index("offer")
    lean = lean.join(keys, on=["channel", "slot"], maintain_order="left")
    descending = [True, False, False, False]
    ranked = pl.arg_sort_by("rank", "loan_id", "order", "slot", descending=descending, maintain_order=True)
    rows, served = _taken(lean, lean.select(ranked).to_series().to_numpy(), places, desk)
    taken = offers[lean["offer"].gather(rows)].with_columns(pl.col(pl.Categorical).cast(pl.String))
    return taken.with_columns(places["pool"].gather(served))


def _taken(offers: pl.DataFrame, queue: np.ndarray, places: pl.DataFrame,
           desk: Capacities) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return the offers taken in the order of a queue, and the place of each."""
    from serving.dispatch.compiled import greedy  # here, since importing numba costs more than a small plan

    names, person = list(desk.pools), offers["borrower_id"].to_physical().to_numpy()
    regions = offers["region"].drop_nulls().unique().cast(pl.String).to_list()
    region = offers["region"].cast(pl.Enum(regions)).to_physical().fill_null(len(regions))
    works = [[among is None or name in among for name in (*regions, None)] for among in places["regions"]]
    left = np.array([desk.pools[name].day for name in names], np.int64)
    taken = np.empty((min(len(queue), int(left.sum())), 2), np.int64)
    count = greedy(
        queue, person, offers["key"].to_numpy(), region.to_numpy(),
        np.searchsorted(places["key"].to_numpy(), np.arange(places["key"].n_unique() + 1)),
        np.array(works, bool).reshape(places.height, len(regions) + 1),
        places["pool"].replace_strict(names, range(len(names)), return_dtype=pl.Int64).to_numpy(),
        places["capacity"].to_numpy().copy(), left, np.zeros(int(person.max(initial=0)) + 1, bool), taken,
    )  # fmt: skip
    return taken[:count, 0], taken[:count, 1]


def challenged(people: pl.Series, challenger: Challenger) -> pl.Series:
    """Tell which debtors follow the challenger."""
    edge = int(challenger.share * _WHOLE)
    salt = f"{challenger.policy} since {challenger.since} ".encode()
    once = people.unique().to_frame("person")
    lots = [int.from_bytes(hashlib.sha256(salt + name.encode()).digest()[:8]) < edge for name in once["person"]]
    told = once.with_columns(challenged=pl.Series(lots, dtype=pl.Boolean))
    return people.to_frame("person").join(told, on="person", maintain_order="left")["challenged"]


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
