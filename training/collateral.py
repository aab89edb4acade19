"""What collateral brings at judicial auctions, and when: learnt from the auctions known at a moment.

Many auctions have not ended by then, and the slow ones sell cheapest. Sales are therefore weighed by the
cumulative incidence of Aalen and Johansen (1978), with a sale and an end without one as competing ends
and the rest censored: each sale stands for the cases of its age that can no longer be seen. A case is
seen until its end is known, which may be later than the end.

A kind of asset sells by its own auctions, moved to the region's price level, pace and chance of a sale.
These three are partially pooled, region within kind within all, with the credibility weights of Bühlmann
and Straub (1970): few auctions count little, and so do regions that hardly differ.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from features.errors import RecoupError
from features.feeds.litigation import KEY

ORIGINS = ("filed", "judgment", "enforcement")
"""Court steps from which the time to a sale is told."""
_ENDS = ("auction_sold", "auction_withdrawn", "closed")
_OWN_SPREAD = 30
"""Sales of a kind from which on its spread is its own; below, it has that of all kinds."""
_LEAST_SEEN = 5
"""Sales from which on a region shows how its own spread."""
_LEAST_NET = 0.01
_MONTH_DAYS = 365.25 / 12


@dataclass(frozen=True)
class Sales:
    """A distribution over sales, one entry a sale that may come; what is left of one is the chance of none.

    Attributes
    ----------
    months : ndarray, shape (k,)
        From the court step to the money.
    net : ndarray, shape (k,)
        Price less all fees of the case, over the appraisal.
    chance : ndarray, shape (k,)
        Probability of each; their sum is the chance of a sale.
    cases, sold : int
        Auctions of this kind and place behind it, and how many of them had sold.
    """

    months: np.ndarray
    net: np.ndarray
    chance: np.ndarray
    cases: int
    sold: int

    @property
    def location(self) -> np.ndarray:
        """Mean log net price and mean log months of a sale, and the chance of one, shape (3,)."""
        weight = self.chance / self.chance.sum()
        return np.array([weight @ np.log(self.net), weight @ np.log(self.months), self.chance.sum()])

    def moved(self, to: np.ndarray, cases: int, sold: int) -> "Sales":
        """Return the same spread around another location."""
        price, pace, _ = np.exp(to - self.location)
        chance = self.chance * (to[2] / self.chance.sum())
        return Sales(self.months * pace, self.net * price, chance, cases, sold)


@dataclass(frozen=True)
class Auctions:
    """Sales by court step, kind of asset and region; an empty name stands for all of them."""

    as_of: datetime
    cells: dict[tuple[str, str, str], Sales]

    def sales(self, asset_type: str, region: str, legal_status: str | None) -> Sales:
        """Return what to expect of an asset; of a region without auctions of its kind, the kind's; and so on.

        A loan that is not in court is taken to be sued at once; time spent in a step is not counted.

        Raises
        ------
        RecoupError
            When no auction tells how long a sale takes from the loan's court step.
        """
        origin = legal_status if legal_status in ORIGINS else ORIGINS[0]
        for key in ((origin, asset_type, region), (origin, asset_type, ""), (origin, "", "")):
            if key in self.cells:
                return self.cells[key]
        raise RecoupError(
            f"litigation: no auction known by {self.as_of:%Y-%m-%d} tells how long a sale takes from {origin!r}; "
            "name asset_type in every row of its case, from the filing on"
        )

    @property
    def table(self) -> pl.DataFrame:
        """One row a court step, kind and region: auctions, sales, net price, months and chance of a sale."""
        rows = [
            {"origin": origin, "asset_type": kind, "region": region, "cases": cell.cases, "sold": cell.sold,
             "net": np.average(cell.net, weights=cell.chance), "months": np.average(cell.months, weights=cell.chance),
             "chance": cell.chance.sum()}
            for (origin, kind, region), cell in self.cells.items()
        ]  # fmt: skip
        return pl.DataFrame(rows)


def learn(litigation: pl.LazyFrame, as_of: datetime) -> Auctions:
    """Learn from every auction known at a moment.

    Parameters
    ----------
    litigation : polars.LazyFrame
        The feed.
    as_of : datetime
        In UTC; rows learnt later are not read.

    Raises
    ------
    RecoupError
        When no sale is known by then.
    """
    cases = _cases(litigation.filter(pl.col("known_at") <= as_of).collect(), as_of)
    cells: dict[tuple[str, str, str], Sales] = {}
    for origin in ORIGINS:
        known = cases.filter(pl.col(origin).is_not_null())
        if known["net"].count():
            cells |= {(origin, *key): sales for key, sales in _cells(known, origin).items()}
    if not cells:
        raise RecoupError(
            f"litigation: no sale at an auction is known by {as_of:%Y-%m-%d}; collateral is valued by them: "
            "take in a history with `recoup ingest FILE --source ... --feed litigation`"
        )
    return Auctions(as_of, cells)


def _cases(rows: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Return a row a case about an asset: its court steps, end, and net price."""
    stage = pl.col("stage")
    sold = stage == "auction_sold"
    rows = rows.unique(KEY, keep="last", maintain_order=True).sort("happened_at", maintain_order=True)
    cases = rows.group_by("case_id", maintain_order=True).agg(
        pl.col("asset_type", "region").drop_nulls().first(),
        *[pl.col("happened_at").filter(stage == origin).first().alias(origin) for origin in ORIGINS],
        pl.coalesce(
            pl.col("known_at").filter(sold).first(), pl.col("known_at").filter(stage.is_in(_ENDS)).first()
        ).alias("ended"),
        pl.col("happened_at").filter(sold).first().alias("sold_at"),
        (pl.col("hammer_amount").filter(sold).first() - pl.col("cost").sum()).alias("left"),
        pl.col("appraised_amount").drop_nulls().last(),
    )
    net = pl.col("left") / pl.col("appraised_amount")
    unpriced = pl.col("left").is_not_null() & pl.col("appraised_amount").is_null()
    return cases.filter(pl.col("asset_type").is_not_null(), ~unpriced).with_columns(
        net=net.clip(_LEAST_NET), seen=pl.coalesce("ended", pl.lit(as_of))
    )


def _cells(cases: pl.DataFrame, origin: str) -> dict[tuple[str, str], Sales]:
    """Return sales by kind and region, partially pooled."""
    whole = _fit(cases, origin)
    kinds = _fits(cases, "asset_type", origin)
    common = _around(kinds, whole)
    cells = {("", ""): whole}
    for kind, place in _pooled(kinds, whole).items():
        regions = _fits(cases.filter(pl.col("asset_type") == kind), "region", origin)
        few = kinds[kind].sold < _OWN_SPREAD
        cells[kind, ""] = (common if few else kinds[kind]).moved(place, kinds[kind].cases, kinds[kind].sold)
        local = common if few else _around(regions, kinds[kind])
        for region, there in _pooled(regions, cells[kind, ""]).items():
            cells[kind, region] = local.moved(there, regions[region].cases, regions[region].sold)
    return cells


def _fits(cases: pl.DataFrame, by: str, origin: str) -> dict[str, Sales]:
    return {
        str(name): _fit(part, origin) for (name,), part in cases.sort(by, "case_id").group_by(by, maintain_order=True)
    }


def _fit(cases: pl.DataFrame, origin: str) -> Sales:
    """Return the sales of some cases by their incidence."""
    known, sold_after = (
        (cases[end] - cases[origin]).dt.total_seconds().to_numpy() / 86_400 / _MONTH_DAYS for end in ("seen", "sold_at")
    )
    ended, sold = cases["ended"].is_not_null().to_numpy(), cases["net"].is_not_null().to_numpy()
    months = np.maximum(sold_after[sold], 1 / _MONTH_DAYS)
    return Sales(
        months, cases["net"].drop_nulls().to_numpy(), incidence(known, ended, sold)[sold], len(cases), sold.sum()
    )


def _around(parts: dict[str, Sales], whole: Sales) -> Sales:
    """Return how sales spread around the location of their own part, at the whole's."""
    parts_seen = [part for part in parts.values() if part.sold >= _LEAST_SEEN] or [whole]
    moved = [part.moved(whole.location, part.cases, part.sold) for part in parts_seen]
    chance = np.concatenate([part.chance * part.sold for part in moved]) / sum(part.sold for part in moved)
    months, net = (np.concatenate([getattr(part, name) for part in moved]) for name in ("months", "net"))
    return Sales(months, net, chance, whole.cases, whole.sold)


def incidence(months: np.ndarray, ended: np.ndarray, sold: np.ndarray) -> np.ndarray:
    """Return the probability that each case stands for as a sale, shape (n,): zero for one not sold.

    Aalen and Johansen's estimator: the share that had not ended before, over the cases still seen then.

    Parameters
    ----------
    months : ndarray, shape (n,)
        To the end, or to the last day seen.
    ended, sold : ndarray of bool, shape (n,)

    Examples
    --------
    >>> both = np.array([True, False, True])
    >>> incidence(np.array([1.0, 2.0, 3.0]), both, both).round(3).tolist()
    [0.333, 0.0, 0.667]
    """
    order = np.lexsort((~ended, months))
    seen = len(months) - np.arange(len(months))
    going = np.cumprod(1 - ended[order] / seen)
    before = np.concatenate([[1.0], going[:-1]])
    chance = np.zeros(len(months))
    chance[order] = before / seen * sold[order]
    return chance


def _pooled(parts: dict[str, Sales], whole: Sales) -> dict[str, np.ndarray]:
    """Return each part's location, drawn towards the whole's as far as its auctions leave it open."""
    centre = whole.location
    size = np.array([part.sold for part in parts.values()], dtype=float)
    place = np.array([part.location if part.sold else centre for part in parts.values()])
    within = _within(parts, whole)
    total = size.sum()
    apart = (size[:, None] * (place - centre) ** 2).sum(axis=0) - (np.count_nonzero(size) - 1) * within
    between = np.maximum(apart, 0.0) / max(total - (size**2).sum() / max(total, 1.0), 1.0)
    weight = size[:, None] * between / np.maximum(size[:, None] * between + within, 1e-12)
    return dict(zip(parts, centre + weight * (place - centre), strict=True))


def _within(parts: dict[str, Sales], whole: Sales) -> np.ndarray:
    """Return the variance of one auction around its part's location, shape (3,)."""
    chance = whole.chance.sum()
    sums, weights = np.zeros(2), 0.0
    for part in parts.values():
        if part.sold:
            off = np.log([part.net, part.months]) - part.location[:2, None]
            sums += part.sold * (off**2 @ (part.chance / part.chance.sum()))
            weights += part.sold - 1
    return np.array([*(sums / max(weights, 1.0)), chance * (1 - chance)])
