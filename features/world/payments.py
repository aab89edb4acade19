"""Cash: own payments, those that conversations brought, settlements and legal recoveries."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from features.world import parameters as p
from features.world.clock import DAY, Clock, instants
from features.world.contacts import Attempts, recent
from features.world.effects import Drive, fading, harm
from features.world.litigation import Cases, enforced_part
from features.world.loans import Debts, loan_ids, numbered
from features.world.market import Market

KINDS = ("recovery", "settlement", "legal_recovery")
_RECOVERY, _SETTLEMENT, _LEGAL = range(len(KINDS))
_SOURCE_OF_KIND = (0, 1, 2)  # index into SOURCES of what comes by itself, deals, court
SOURCES = ("self", "agency", "court", *p.CHANNELS)
_MARKS = ("part", "deal", "lag", "luck")
NEVER = np.int64(1) << 40  # seconds


@dataclass(frozen=True)
class Cash:
    """One entry a payment, over all 60 months of every loan, by loan and time."""

    loan: np.ndarray  # index into the debts
    at: np.ndarray  # seconds since 1970 UTC
    kind: np.ndarray  # index into KINDS
    source: np.ndarray  # index into SOURCES
    amount: np.ndarray  # USD
    lag: np.ndarray  # seconds until it is known

    def by_month(self, debts: Debts, clock: Clock) -> np.ndarray:
        """Cumulative cash, USD, loan x month since cut-off (60 columns)."""
        month = clock.month(self.at) - debts.cohort[self.loan]
        table = np.zeros((len(debts), p.HORIZON))
        np.add.at(table, (self.loan, month), self.amount)
        return np.cumsum(table, axis=1)

    def by_enforcement(self, loans: int) -> np.ndarray:
        """Cash brought by enforcement, USD, one entry a loan."""
        court = self.kind == _LEGAL
        return np.bincount(self.loan[court], self.amount[court], loans).round(2)


def draw(
    debts: Debts,
    region: np.ndarray,
    drives: Drive,
    market: Market,
    cases: Cases,
    attempts: Attempts,
    clock: Clock,
    rng: np.random.Generator,
) -> tuple[Cash, np.ndarray]:
    """Draw every payment of the 60 months, and when each loan was settled (seconds, or NEVER).

    ``region`` has one entry a loan.
    """
    fade = fading(debts.age[:, None], np.arange(p.HORIZON)[None, :] + 0.5)
    court = drives.legal[:, None] * enforced_part(cases, len(debts))
    rates = (drives.payment[:, None] * fade, drives.settlement[:, None] * fade, court)
    come = []
    for kind, rate in enumerate(rates):
        arrivals = _arrivals(rate, debts, region, market, rng)
        if kind == _RECOVERY:
            arrivals = _driven_off(arrivals, debts, attempts, clock)
        come.append(
            arrivals.with_columns(
                pl.Series("at", clock.second(debts.cohort[arrivals["loan"]] + arrivals["month"])),
                pl.lit(kind).alias("kind"),
                pl.lit(_SOURCE_OF_KIND[kind]).alias("source"),
            ).select("loan", "at", "kind", "source", *_MARKS)
        )
    come.append(_brought(attempts, rng))
    events = pl.concat(come)
    end = clock.second(debts.cohort[events["loan"]] + p.HORIZON)
    events = events.with_columns(pl.Series("share", _shares(events, drives)))
    return _collect(events.filter(pl.Series(events["at"].to_numpy() < end)), debts)


def _arrivals(
    rate: np.ndarray,
    debts: Debts,
    region: np.ndarray,
    market: Market,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """Poisson arrivals (loan, month since cut-off) at a monthly rate times the market.

    They are drawn with their marks for the best market and thinned, so that a downturn only takes
    payments away.
    """
    count = rng.poisson(rate * p.CASH_CEILING)
    loan, month = np.nonzero(count)
    loan, month = (np.repeat(index, count[count > 0]) for index in (loan, month))
    cash = market.cash_at(region[loan], debts.cohort[loan] + month)
    kept = rng.random(len(loan)) * p.CASH_CEILING < cash
    moment = month + rng.random(len(loan))
    frame = pl.DataFrame({"loan": loan, "month": moment, **_marks(len(loan), rng)})
    return frame.filter(pl.Series(kept))


def _driven_off(own: pl.DataFrame, debts: Debts, attempts: Attempts, clock: Clock) -> pl.DataFrame:
    """Own payments left after a machine's calls on old debt drove some off."""
    loan, month = own["loan"].to_numpy(), own["month"].to_numpy()
    machine = (attempts.channel == p.AUTO_CALL) & attempts.right_party
    at = clock.second(debts.cohort[loan] + month)
    calls = recent(loan, at, attempts.loan[machine], attempts.at[machine], p.EFFECT_DAYS)
    stay = (1 - harm(debts.age[loan] + month)) ** calls
    return own.filter(pl.Series(own["luck"].to_numpy() < stay))


def _brought(attempts: Attempts, rng: np.random.Generator) -> pl.DataFrame:
    """Payments that conversations brought, some time in the following 30 days."""
    delay = (rng.random(len(attempts.loan)) * p.EFFECT_DAYS * DAY).astype(np.int64)
    frame = pl.DataFrame(
        {
            "loan": attempts.loan,
            "at": attempts.at + delay,
            "kind": np.zeros_like(attempts.loan, dtype=np.int32),
            "source": (len(_SOURCE_OF_KIND) + attempts.channel).astype(np.int32),
            **_marks(len(attempts.loan), rng),
        }
    )
    return frame.filter(pl.Series(attempts.brought))


def _marks(count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """What each event would be, whether or not it comes."""
    full = rng.random(count) < p.SETTLED_IN_FULL
    part = rng.gamma(p.PAYMENT_SHARE_SHAPE, 1 / p.PAYMENT_SHARE_SHAPE, count)
    deal = np.where(full, 1.0, rng.beta(*p.SETTLED_SHARE, count))
    # most cash is known the same day, some of it days later
    lag = (p.PAYMENT_LAG * DAY * rng.random(count) ** 3).astype(np.int64)
    return dict(zip(_MARKS, (part, deal, lag, rng.random(count)), strict=True))


def _shares(events: pl.DataFrame, drives: Drive) -> np.ndarray:
    """Share of what is still owed that each event pays."""
    mean = np.where(events["kind"] == _LEGAL, p.LEGAL_SHARE, drives.share[events["loan"]])
    part = np.minimum(mean * events["part"].to_numpy(), 0.9)
    return np.where(events["kind"] == _SETTLEMENT, events["deal"].to_numpy(), part)


def _collect(events: pl.DataFrame, debts: Debts) -> tuple[Cash, np.ndarray]:
    """Turn shares of what is still owed into money; nothing follows a settlement."""
    settles = pl.col("kind") == _SETTLEMENT
    paid = pl.when(settles).then(0.0).otherwise(pl.col("share"))
    events = (
        events.sort("loan", "at", "kind")
        .with_columns((settles.cast(pl.Int64).cum_sum() - settles).over("loan").alias("before"))
        .filter(pl.col("before") == 0)
        .with_columns((1 - paid).log().cum_sum().over("loan").alias("left"))
    )
    left = np.exp(events["left"].to_numpy())
    share, deal = events["share"].to_numpy(), events["kind"].to_numpy() == _SETTLEMENT
    owed = debts.balance[events["loan"]] * np.where(deal, left, left / np.where(deal, 1, 1 - share))
    amount = np.floor(owed * share * 100 + 1e-6) / 100  # whole cents, never more than is owed
    settled = np.full(len(debts), NEVER)
    settled[events["loan"].to_numpy()[deal]] = events["at"].to_numpy()[deal]
    kept = events.with_columns(pl.Series("amount", amount))
    kept = kept.filter(pl.col("amount") >= p.SMALLEST_PAYMENT)
    return Cash(*(kept[name].to_numpy() for name in Cash.__annotations__)), settled


def feed(
    cash: Cash,
    debts: Debts,
    clock: Clock,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The ``payments`` feed as known by ``until``, and every payment of the 60 months."""
    source = pl.Series(SOURCES).gather(cash.source)
    fee = np.where(cash.source > SOURCES.index("court"), p.COMMISSION, 0.0)
    fee = np.where(cash.source == SOURCES.index("agency"), p.COMMISSION, fee)
    every = pl.DataFrame(
        {
            "loan_id": loan_ids(debts.first, len(debts)).gather(cash.loan),
            "paid_at": instants("paid_at", cash.at),
            "amount": cash.amount,
            "currency": pl.repeat(p.CURRENCY, len(cash.at), eager=True),
            "kind": pl.Series(KINDS).gather(cash.kind),
            "source": source,
            "collection_cost": (fee * cash.amount).round(2),
            "known_at": instants("known_at", cash.at + cash.lag),
        }
    ).sort("paid_at", "loan_id", "amount")
    number = numbered("payment_id", "P", np.arange(1, every.height + 1))
    every = every.insert_column(0, number)
    known = every["known_at"].dt.epoch("s").to_numpy() <= clock.now
    return every.filter(pl.Series(known)), every
