"""What collateral adds to a loan: the auction's proceeds by horizon, and the debtor for the rest.

A creditor holds a layer of the sale: what comes in above the claims that rank before ours, up to our
claim. Of value V and with net price X (over the appraisal, after all fees), prior claims P and claim C

    E[min(C, max(0, V X - P))] = V (e(P / V) - e((P + C) / V)),    e(k) = E[max(0, X - k)]

so that a loan's expectation needs two look-ups in the sales of its kind and region, summed from the top
(the stop-loss transform of reinsurance layers). What the collateral has not paid is an unsecured claim:

    recovered by h = S(h) + (1 - S(h)) U(h)

for the share S paid by the collateral and U by a debtor who owes as much unsecured.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from features.feeds.columns import INSTANT
from serving.pricing import valuation
from serving.pricing.valuation import Assumptions, Valued
from training import collateral
from training.collateral import Sales
from training.outlook import HORIZONS, ULTIMATE, Outlook

AHEAD = (*HORIZONS, ULTIMATE)
STEPS = ("collateral_value", "auction_haircut", "auction_unsold", "prior_claims", "debtor_pays")
"""What makes a secured loan's expected recovery, in the order in which it is taken into account."""
_LEVELS = 60  # of the collateral's share, and
_DEBTOR_LEVELS = 8  # of the debtor's, crossed with each other
_HELD = 0.90
_LEAST_VALUE = 1e-9  # so that nothing is divided by zero
_PART = 2_000
"""Loans whose spread is drawn at a time."""


@dataclass(frozen=True)
class Collateral:
    """What the collateral of m of a tape's loans pays, as shares of each claim.

    Attributes
    ----------
    rows : ndarray of int, shape (m,)
        Which loans of the tape these are.
    claim : ndarray, shape (m,)
        What is owed, in each loan's currency.
    share : ndarray, shape (m, horizons)
        Expected share that it has paid by each of `AHEAD`, after the sale's costs and prior claims.
    quantiles : ndarray, shape (m, horizons, levels)
        The same, at the levels ``(i + 1/2) / levels``.
    steps : ndarray, shape (m, 4)
        Money of all but the last of `STEPS`; their sum is what it is expected to pay.
    """

    rows: np.ndarray
    claim: np.ndarray
    share: np.ndarray
    quantiles: np.ndarray
    steps: np.ndarray


def read(loans: pl.DataFrame, litigation: pl.LazyFrame) -> Collateral | None:
    """Tell what the collateral of a tape is expected to pay, by the auctions known at each cut-off.

    Parameters
    ----------
    loans : polars.DataFrame, shape (n, ...)
        Rows of the ``loans`` feed.
    litigation : polars.LazyFrame
        The feed, which holds the auctions.

    Returns
    -------
    Collateral or None
        None when no loan is secured.

    Raises
    ------
    RecoupError
        When a loan is secured and no auction is known.
    """
    secured = loans.with_row_index("row").filter(pl.col("collateral_type").is_not_null())
    if secured.is_empty():
        return None
    secured = secured.with_columns(
        pl.col("prior_claims").fill_null(0.0), pl.coalesce("collateral_region", "region").alias("place")
    )
    parts = []
    for (day,), offered in secured.group_by("cutoff_on", maintain_order=True):
        moment = pl.select(pl.lit(day).cast(INSTANT)).item()
        auctions = collateral.learn(litigation, moment)
        by_sale = offered.group_by("collateral_type", "place", "legal_status", maintain_order=True)
        for (kind, place, status), alike in by_sale:
            parts.append(_collateral(alike, auctions.sales(str(kind), str(place), status)))
    return Collateral(*(np.concatenate([getattr(part, name) for part in parts]) for name in Collateral.__annotations__))


def combine(valued: Valued, held: Collateral, shapes: np.ndarray, given: Assumptions) -> tuple[Valued, np.ndarray]:
    """Add what collateral pays to loans valued as unsecured.

    Parameters
    ----------
    valued : Valued
        The whole tape, as if nothing secured it.
    held : Collateral
    shapes : ndarray, shape (groups, levels)
        The package's quantiles of recovery over its expectation.
    given : Assumptions
        The auction's costs are in its proceeds: fees are taken from what the debtor pays only.

    Returns
    -------
    Valued
        The tape's values; loans without collateral are as they were, to the bit.
    ndarray, shape (groups + m, levels)
        The shapes that its ``outlook.shape`` refers to: each secured loan has one of its own.
    """
    rows, horizons = held.rows, valued.horizons
    outlook, spreads = _ahead(valued.outlook, held, shapes)
    by_collateral = held.share[:, [AHEAD.index(h) for h in horizons]]
    curve, worth, expected = valued.curve.copy(), valued.worth.copy(), valued.expected.copy()
    curve[rows] = _both(by_collateral, curve[rows])
    expected[rows] = outlook.rate[rows] * held.claim
    auctioned = np.zeros_like(curve)
    auctioned[rows] = by_collateral
    worth[rows] = held.claim * valuation.present_value(horizons, curve[rows], given, by_collateral)
    combined = replace(valued, outlook=outlook, expected=expected, worth=worth, curve=curve, auctioned=auctioned)
    return combined, spreads


def reasons(held: Collateral, valued: Valued, count: int) -> list[list[str]]:
    """Return for each secured loan the ``count`` steps of its expected recovery that move it most, as money."""
    last = valued.expected[held.rows] - held.steps.sum(axis=1)
    steps = np.column_stack([held.steps, last])
    order = np.argsort(-np.abs(steps), axis=1, kind="stable")[:, :count]
    return [
        [f"{STEPS[place]} {money[place]:.2f}" for place in places] for places, money in zip(order, steps, strict=True)
    ]


def summary(held: Collateral, valued: Valued, loans: pl.DataFrame) -> list[dict[str, Any]]:
    """Return what collateral is expected to pay, by currency and kind, for ``portfolio.json``."""
    table = loans[held.rows].select("currency", "collateral_type", "balance", "collateral_value", "prior_claims")
    table = table.with_columns(
        pl.Series("from_collateral", held.share[:, -1] * held.claim),
        pl.Series("expected_recovery", valued.expected[held.rows]),
        pl.Series("price", valued.price[held.rows]),
    )
    sums = table.group_by("currency", "collateral_type").agg(pl.len().alias("loans"), pl.exclude("loans").sum())
    return sums.sort("currency", "collateral_type").to_dicts()


def _ahead(outlook: Outlook, held: Collateral, shapes: np.ndarray) -> tuple[Outlook, np.ndarray]:
    """Return the outlook with what collateral pays, and the shapes that it refers to.

    A loan's interval reaches as far as its debtor's, which is wider for one unlike those of training.
    """
    at = [AHEAD.index(h) for h in outlook.horizons]
    curve, lower, upper, shape = (getattr(outlook, name).copy() for name in ("curve", "lower", "upper", "shape"))
    curve[held.rows] = _both(held.share[:, at], outlook.curve[held.rows])
    own = np.empty((len(held.rows), shapes.shape[1]))
    for start in range(0, len(held.rows), _PART):
        part = slice(start, start + _PART)
        rows = held.rows[part]
        for column, place in enumerate(at):
            sold, pays = held.quantiles[part, place], _debtor(outlook, rows, column, shapes)
            own[part] = _levels(_crossed(sold, pays), shapes.shape[1])  # the last one stays
            pays[:, 0] = np.minimum(pays[:, 0], outlook.lower[rows, column])
            pays[:, -1] = np.maximum(pays[:, -1], outlook.upper[rows, column])
            least, most = _shortest(_crossed(sold, pays))
            lower[rows, column] = np.minimum(least, curve[rows, column])
            upper[rows, column] = np.maximum(most, curve[rows, column])
    shape[held.rows] = len(shapes) + np.arange(len(held.rows))
    return replace(outlook, curve=curve, lower=lower, upper=upper, shape=shape), np.concatenate([shapes, own])


def _collateral(loans: pl.DataFrame, sales: Sales) -> Collateral:
    """Tell what sells by the same sales."""
    value, prior, claim = (loans[name].to_numpy() for name in ("collateral_value", "prior_claims", "balance"))
    share, quantiles = [], []
    for months in AHEAD:
        by_then = np.where(sales.months <= months, sales.chance, 0.0)
        share.append(_layer(sales.net, by_then, value, prior, claim))
        quantiles.append(_paid(_quantiles(sales.net, by_then)[None, :], value, prior, claim))
    curve = np.maximum.accumulate(np.column_stack(share), axis=1)
    chance = np.where(sales.months <= ULTIMATE, sales.chance, 0.0)
    first = _layer(sales.net, chance, value, np.zeros_like(prior), claim) * claim
    sold = first / max(chance.sum(), 1e-300)
    most = np.minimum(value, claim)
    steps = np.column_stack([most, sold - most, first - sold, curve[:, -1] * claim - first])
    return Collateral(loans["row"].to_numpy().astype(np.int64), claim, curve, np.stack(quantiles, axis=1), steps)


def _layer(net: np.ndarray, chance: np.ndarray, value: np.ndarray, prior: np.ndarray, claim: np.ndarray) -> np.ndarray:
    """Return the expected share of each claim that a sale pays, shape (m,); see the module."""
    order = np.argsort(net)
    net, chance = net[order], chance[order]
    above = np.append(np.cumsum(chance[::-1])[::-1], 0.0)
    money = np.append(np.cumsum((chance * net)[::-1])[::-1], 0.0)

    def excess(k: np.ndarray) -> np.ndarray:
        first = np.searchsorted(net, k, side="right")
        return np.asarray(money[first] - k * above[first])

    worth = np.maximum(value, _LEAST_VALUE)
    return np.clip(value * (excess(prior / worth) - excess((prior + claim) / worth)) / claim, 0.0, 1.0)


def _paid(net: np.ndarray, value: np.ndarray, prior: np.ndarray, claim: np.ndarray) -> np.ndarray:
    """Return the share of each claim that sales at net prices pay, shape (m, prices)."""
    return np.clip(value[:, None] * net - prior[:, None], 0.0, claim[:, None]) / claim[:, None]


def _quantiles(net: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Return net prices at the levels ``(i + 1/2) / _LEVELS``; no sale is a price of zero."""
    order = np.argsort(net)
    reached = 1 - chance.sum() + np.cumsum(chance[order])
    levels = (np.arange(_LEVELS) + 0.5) / _LEVELS
    place = np.searchsorted(reached, levels)
    prices = net[order][np.minimum(place, len(net) - 1)]
    return np.where(levels <= 1 - chance.sum(), 0.0, prices)


def _both(collateral: np.ndarray, debtor: np.ndarray) -> np.ndarray:
    """Return what both have paid: the debtor his share of what the collateral leaves."""
    return collateral + (1 - collateral) * debtor


def _debtor(outlook: Outlook, rows: np.ndarray, column: int, shapes: np.ndarray) -> np.ndarray:
    """Return what the debtor pays at a few levels, shape (m, levels)."""
    luck = _levels(shapes[outlook.shape[rows]], _DEBTOR_LEVELS)
    return np.minimum(outlook.curve[rows, column, None] * luck, 1.0)


def _crossed(collateral: np.ndarray, debtor: np.ndarray) -> np.ndarray:
    """Return what both pay at every level of one with every level of the other, rising, shape (m, draws)."""
    both = _both(collateral[:, :, None], debtor[:, None, :])
    return np.sort(both.reshape(len(both), -1), axis=1)


def _levels(ordered: np.ndarray, levels: int) -> np.ndarray:
    """Return the means of equal parts of ordered values over their mean, shape (m, levels)."""
    sums = np.concatenate([np.zeros((len(ordered), 1)), np.cumsum(ordered, axis=1)], axis=1)
    ends = np.linspace(0, ordered.shape[1], levels + 1)
    before = np.minimum(ends.astype(np.int64), ordered.shape[1] - 1)
    at = sums[:, before] + (ends - before) * (sums[:, before + 1] - sums[:, before])
    total = sums[:, -1:]
    return np.where(total > 0, np.diff(at, axis=1) * levels / np.where(total > 0, total, 1.0), 1.0)


def _shortest(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the shortest interval of each row that holds 90 % of its draws; ties go to the lowest."""
    held = int(np.ceil(_HELD * ordered.shape[1]))
    first = np.argmin(ordered[:, held - 1 :] - ordered[:, : ordered.shape[1] - held + 1], axis=1)
    each = np.arange(len(ordered))
    return ordered[each, first], ordered[each, first + held - 1]
