"""Regional economies: the hidden month-by-month state, and the indices published about it."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from features.world import parameters as p
from features.world.clock import DAY, Clock, instants

EVERYWHERE = "all"
_MONTHS = np.arange(-p.MARKET_HISTORY - 4, p.COHORTS + p.HORIZON + 2)


@dataclass(frozen=True)
class Market:
    """State of each region's economy; months are those of the clock."""

    unemployment: np.ndarray  # region x month, share of the labour force
    cash: np.ndarray  # region x month, multiple of every cash rate
    noise: np.ndarray  # index x region x month, AR(1) with unit spread

    def cash_at(self, region: np.ndarray, month: np.ndarray) -> np.ndarray:
        """Multiple of every cash rate in a region and month."""
        return self.cash[region, np.clip(month - _MONTHS[0], 0, len(_MONTHS) - 1)]


def draw(downturn: str | None, rng: np.random.Generator, lead: int = p.DOWNTURN_LEAD) -> Market:
    """Draw the economies; a downturn is laid over the same draws, ``lead`` months before ``until``."""
    shape = (len(p.REGIONS), len(_MONTHS))
    common, own = _memory(rng, (1, shape[1])), _memory(rng, shape)
    noise = _memory(rng, (6, *shape))
    deviation = p.UNEMPLOYMENT_SPREAD * (0.8 * common + 0.6 * own)
    hit = np.array([downturn in (code, EVERYWHERE) for code in p.REGION_CODES])
    deviation = deviation + hit[:, None] * _downturn(_MONTHS, lead)
    mean = np.array([region.unemployment for region in p.REGIONS])
    return Market(
        unemployment=mean[:, None] + deviation,
        cash=np.minimum(np.exp(-p.CASH_PER_UNEMPLOYMENT * deviation), p.CASH_CEILING),
        noise=noise,
    )


def _downturn(month: np.ndarray, lead: int) -> np.ndarray:
    since = month - (p.COHORTS - lead)
    fading = np.exp(-np.maximum(since - p.DOWNTURN_LENGTH, 0) / 12)
    rise = np.clip((since + 1) / 2, 0, 1)  # half in the first month, full from the second
    return p.DOWNTURN_POINTS * rise * fading


def _memory(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """AR(1) along the last axis, stationary with unit spread."""
    path = rng.standard_normal(shape)
    kick = np.sqrt(1 - p.MARKET_MEMORY**2)
    for step in range(1, shape[-1]):
        path[..., step] = p.MARKET_MEMORY * path[..., step - 1] + kick * path[..., step]
    return path


def feed(market: Market, clock: Clock, lags: np.random.Generator) -> pl.DataFrame:
    """The ``market`` feed: one row a region and month, what was known by ``until``."""
    shown = slice(4, 4 + p.MARKET_HISTORY + p.COHORTS)
    months = _MONTHS[shown] + 1  # figures describe the month that ends on this day
    deviation = market.unemployment - np.array([[r.unemployment] for r in p.REGIONS])
    national = np.broadcast_to(deviation.mean(axis=0), deviation.shape)
    quarter = np.zeros_like(deviation)
    quarter[:, 3:] = deviation[:, 3:] - deviation[:, :-3]
    jobs, prices, mood, rate, houses, court = market.noise
    force = np.array([[region.labour_force] for region in p.REGIONS])
    court_mean = np.array([[region.court_months] for region in p.REGIONS])
    columns = {
        "unemployment_rate": market.unemployment.round(4),
        "employment_variation": (-100 * quarter + 0.1 * jobs).round(2),
        "employed": (force * (1 - market.unemployment) * (1 + 0.002 * jobs)).round(1),
        "price_index": (100 + 0.8 * prices).round(2),
        "confidence_index": (100 - 450 * deviation + 1.0 * mood).round(2),
        "short_rate": (3 - 40 * national + 0.1 * rate[0]).round(3),
        "house_price_index": (200 * np.exp(-3 * deviation + 0.01 * houses)).round(2),
        "court_months": (court_mean * np.exp(0.05 * court)).round(2),
    }
    shape = (len(p.REGIONS), len(months))
    day = np.tile(clock.day(months), len(p.REGIONS))
    known = day.astype("datetime64[s]").astype(np.int64) + lags.integers(14, 29, day.size) * DAY
    frame = pl.DataFrame(
        {
            "region": np.repeat(p.REGION_CODES, shape[1]),
            "published_on": day,
            **{name: values[:, shown].ravel() for name, values in columns.items()},
        }
    )
    frame = frame.with_columns(instants("known_at", known))
    return frame.filter(pl.Series(known <= clock.now))


def hidden(market: Market) -> pl.DataFrame:
    """The state itself, by region and month since the first cut-off, future included."""
    frame = pl.DataFrame(
        {
            "region": np.repeat(p.REGION_CODES, len(_MONTHS)),
            "month": np.tile(_MONTHS, len(p.REGIONS)),
            "unemployment": market.unemployment.ravel(),
            "cash": market.cash.ravel(),
        }
    )
    return frame.filter(pl.col("month") >= 0)
