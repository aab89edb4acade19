"""Judicial auctions: how an asset sells, and the ``litigation`` rows of other debts' auctions."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from features.world import parameters as p
from features.world.clock import DAY, Clock, instants
from features.world.loans import numbered

ORIGINS = ("filed", "judgment", "enforcement")
_RESERVE = p.AUCTION_REDUCTION ** np.arange(p.AUCTION_ROUNDS)


@dataclass(frozen=True)
class Courses:
    """The way of n assets through court and auction.

    Attributes
    ----------
    steps : ndarray, shape (n, 4)
        Months from filing to filing (0), judgment, enforcement and listing.
    rounds : ndarray of int, shape (n,)
        Rounds held.
    round_months : ndarray, shape (n,)
        Months that a round takes.
    sold : ndarray of bool, shape (n,)
        Whether the last round brought a sale; else the auction ended without.
    reserve : ndarray, shape (n,)
        Lowest bid of the first round over the appraisal.
    hammer, cost : ndarray, shape (n,)
        Winning bid and all fees over the appraisal; a bid of 0 where there was no sale.
    """

    steps: np.ndarray
    rounds: np.ndarray
    round_months: np.ndarray
    sold: np.ndarray
    reserve: np.ndarray
    hammer: np.ndarray
    cost: np.ndarray

    @property
    def ended(self) -> np.ndarray:
        """Months from filing to the sale or the end without one."""
        return np.asarray(self.steps[:, 3] + self.rounds * self.round_months)

    def since(self, origin: np.ndarray) -> np.ndarray:
        """Months from a step (index into `ORIGINS`) to the sale; inf where there is none."""
        start = np.take_along_axis(self.steps, origin[:, None], axis=1)[:, 0]
        return np.where(self.sold, self.ended - start, np.inf)

    @property
    def net(self) -> np.ndarray:
        """What a sale leaves after its costs, over the appraisal."""
        return np.asarray(self.hammer - self.cost)


def price_levels(rng: np.random.Generator) -> np.ndarray:
    """Multiple of the reserve by asset and region: what a court's place does to prices."""
    by_region, by_asset = p.PLACE_PRICE
    common = rng.standard_normal(len(p.REGIONS))
    own = rng.standard_normal((len(p.ASSETS), len(p.REGIONS)))
    return np.asarray(np.exp(by_region * common + by_asset * own))


def draw(asset: np.ndarray, region: np.ndarray, levels: np.ndarray, rng: np.random.Generator) -> Courses:
    """Draw the way of each asset (indices into the assets and regions)."""
    count = len(asset)
    kind = {name: np.array([getattr(a, name) for a in p.ASSETS])[asset] for name in p.Asset._fields[2:]}
    pace = np.array([place.court_months for place in p.REGIONS])[region] / p.COURT_MONTHS
    waits = [np.zeros(count), p.COURT_MONTHS * rng.gamma(4.0, 0.25, count)]
    waits += [least + rng.exponential(mean, count) for least, mean in (p.ENFORCED_AFTER, p.LISTED_AFTER)]
    steps = pace[:, None] * np.cumsum(np.column_stack(waits), axis=1)
    luck = rng.random((count, p.AUCTION_ROUNDS))
    ends = luck < (kind["sells"] + p.AUCTION_WITHDRAWN)[:, None]
    ends[:, -1] = True
    last = ends.argmax(axis=1)
    sold = luck[np.arange(count), last] < kind["sells"]
    reserve = kind["reserve"] * levels[asset, region]
    bid = reserve * _RESERVE[last] * np.exp(kind["lift"] * rng.gamma(2.0, 1.0, count))
    hammer = np.where(sold, bid, 0.0)
    cost = p.AUCTION_COST + p.AUCTION_ROUND_COST * (last + 1) + kind["cost"] * hammer
    round_months = pace * kind["months"] * rng.uniform(0.7, 1.3, count)
    return Courses(steps, last + 1, round_months, sold, reserve, hammer, cost)


def history(levels: np.ndarray, clock: Clock, rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the ``litigation`` rows of other debts' auctions as known by ``until``, and all cases."""
    asset = rng.choice(len(p.ASSETS), p.AUCTIONS, p=[a.share for a in p.ASSETS])
    region = rng.choice(len(p.REGIONS), p.AUCTIONS, p=[place.share for place in p.REGIONS])
    filed = rng.uniform(*p.AUCTION_MONTHS, p.AUCTIONS)
    appraisal = p.APPRAISAL_MEDIAN * np.exp(p.APPRAISAL_SPREAD * rng.standard_normal(p.AUCTIONS))
    appraisal = appraisal.round(-3).clip(1000)
    courses = draw(asset, region, levels, rng)
    cases = pl.DataFrame(
        {
            "case_id": numbered("case_id", "A", np.arange(1, p.AUCTIONS + 1)),
            "loan_id": numbered("loan_id", "X", np.arange(1, p.AUCTIONS + 1)),
            "region": pl.Series(p.REGION_CODES).gather(region),
            "asset_type": pl.Series(p.ASSET_KINDS).gather(asset),
            "filed": filed,
            "ended": filed + courses.ended,
            "sold": courses.sold,
            "appraised_amount": appraisal,
            "hammer": courses.hammer,
            "cost": courses.cost,
        }
    )
    rows = _rows(cases, courses, appraisal, filed)
    month = np.minimum(rows["month"].to_numpy(), p.COHORTS + 1)  # later ones are not known by `until`
    moment = clock.second(month)
    known = moment + rng.integers(DAY, p.AUCTION_LAG * DAY, rows.height)
    seen = rows.with_columns(instants("happened_at", moment), instants("known_at", known))
    return seen.filter(pl.Series(known <= clock.now)).drop("month").sort("happened_at", "case_id"), cases


def _rows(cases: pl.DataFrame, courses: Courses, appraisal: np.ndarray, filed: np.ndarray) -> pl.DataFrame:
    """Every step of every case, with the month in which it is taken."""
    who = cases.select("case_id", "loan_id", "region", "asset_type")
    steps = [
        who.with_columns(stage=pl.lit(stage), month=pl.Series(filed + courses.steps[:, number]))
        for number, stage in enumerate(ORIGINS)
    ]
    for number in range(p.AUCTION_ROUNDS):
        start = filed + courses.steps[:, 3] + number * courses.round_months
        end = start + courses.round_months
        last = courses.rounds == number + 1
        held = courses.rounds > number
        outcome = np.select([~last, courses.sold], ["auction_failed", "auction_sold"], "auction_withdrawn")
        of_round = who.with_columns(
            appraised_amount=pl.Series(appraisal),
            auction_round=pl.lit(float(number + 1)),
            reserve_amount=pl.Series((courses.reserve * _RESERVE[number] * appraisal).round(2)),
        )
        listing = p.AUCTION_COST if number == 0 else 0.0
        hammer = (courses.hammer * appraisal).round(2)
        fees = (courses.cost - p.AUCTION_COST - p.AUCTION_ROUND_COST * number) * appraisal
        listed = of_round.with_columns(
            stage=pl.lit("auction_listed"), month=pl.Series(start), cost=pl.Series((listing * appraisal).round(2))
        )
        closed = of_round.with_columns(
            stage=pl.Series(outcome),
            month=pl.Series(end),
            cost=pl.Series(np.where(last, fees, p.AUCTION_ROUND_COST * appraisal).round(2)),
            hammer_amount=pl.Series(np.where(last & courses.sold, hammer, np.nan)).fill_nan(None),
        )
        steps += [part.filter(pl.Series(held)) for part in (listed, closed)]
    return pl.concat(steps, how="diagonal")
