"""Attempts to reach debtors: when, how, what came of it, and the payments that they brought."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from features.world import parameters as p
from features.world import policy, reach
from features.world.borrowers import Standing
from features.world.clock import DAY, Clock, local_to_utc
from features.world.effects import Drive, brings
from features.world.loans import Debts
from features.world.market import Market
from features.world.policy import Change, Placement
from features.world.traits import Traits


@dataclass(frozen=True)
class Attempts:
    """One entry an attempt, over all 60 months of every loan."""

    loan: np.ndarray  # index into the debts
    month: np.ndarray  # since cut-off
    at: np.ndarray  # seconds since 1970 UTC
    channel: np.ndarray
    second: np.ndarray  # the second telephone was tried
    propensity: np.ndarray  # chance with which the policy chose the channel
    chance: np.ndarray  # of the right party
    right_party: np.ndarray
    brings: np.ndarray  # chance that the conversation, once had, brings a payment
    brought: np.ndarray  # it did
    promised: np.ndarray
    talk: np.ndarray  # uniform draws for the outcome and the details in the feed

    def where(self, kept: np.ndarray) -> "Attempts":
        """Only the attempts that ``kept`` marks."""
        return Attempts(*(column[kept] for column in vars(self).values()))


def draw(
    traits: Traits,
    standing: Standing,
    debts: Debts,
    placement: Placement,
    clock: Clock,
    rng: np.random.Generator,
    change: Change | None = None,
) -> pl.DataFrame:
    """Draw when each loan is tried, and how.

    Every policy has the same moments and luck; ``made`` is false where a policy tries nothing.
    """
    months = np.arange(p.HORIZON)
    rate = np.outer(placement.volume, policy.attempts_per_month(months))
    count = rng.poisson(rate)
    tried = np.nonzero(count)
    loan, month = (np.repeat(index, count[tried]) for index in tried)
    start = clock.second(debts.cohort[loan] + month) + (month == 0) * int(p.PLACEMENT_DAYS * DAY)
    end = clock.second(debts.cohort[loan] + month + 1)
    day = (start + rng.random(len(loan)) * (end - start)).astype(np.int64) // DAY
    hour = rng.choice(24, len(loan), p=reach.tried_hours())
    local = day * DAY + hour * 3600 + rng.integers(0, 3600, len(loan))
    region = traits.region[debts.borrower[loan]]
    at = local_to_utc(local, region)
    changed = at >= (np.datetime64(change.since, "s").astype(np.int64) if change else np.inf)
    propensity = policy.chances(placement, debts, loan, month, changed, change)
    edges, luck = np.cumsum(propensity, axis=1), rng.random(len(loan))
    channel = np.minimum((luck[:, None] > edges).sum(axis=1), len(p.CHANNELS) - 1)
    frame = pl.DataFrame(
        {
            "loan": loan,
            "month": month,
            "at": at,
            "hour_of_week": (day + 3) % 7 * 24 + hour,  # 1970-01-01 was a Thursday
            "channel": channel,
            "second": rng.random(len(loan)) < p.SECOND_PHONE,
            "propensity": propensity[np.arange(len(loan)), channel],
            "made": luck <= np.where(changed, edges[:, -1], 1.0),
        }
    )
    silent = clock.second(np.minimum(standing.no_contact_from, 1e3)[debts.borrower[loan]])
    return frame.filter(pl.Series(frame["at"].to_numpy() < silent)).sort("loan", "at")


def converse(
    traits: Traits,
    debts: Debts,
    drives: Drive,
    market: Market,
    tried: pl.DataFrame,
    rng: np.random.Generator,
) -> Attempts:
    """Draw whom the attempts reached and which conversations brought a payment."""
    luck = rng.random((4, tried.height))[:, tried["made"].to_numpy()]
    made = tried.filter("made").drop("made")
    loan, month, at, hour, channel, second, propensity = (column.to_numpy() for column in made)
    borrower = debts.borrower[loan]
    second = second & traits.has_second[borrower] & (channel <= p.AUTO_CALL)
    chance = reach.attempt_chance(traits, borrower, channel, hour, second)
    reached = luck[0] < chance
    age = debts.age[loan] + month + 0.5
    cash = market.cash_at(traits.region[borrower], debts.cohort[loan] + month)
    added = np.zeros(len(loan))
    for code, name in enumerate(p.CHANNELS):
        own = channel == code
        added[own] = brings(name, age[own], drives.responsive[loan[own]], cash[own])
    brought = reached & (luck[1] < added)
    promising = np.where(brought, p.PROMISE_IF_PAYING, traits.promising[borrower])
    attempts = Attempts(
        loan=loan,
        month=month,
        at=at,
        channel=channel,
        second=second,
        propensity=propensity,
        chance=chance,
        right_party=reached,
        brings=added,
        brought=brought,
        promised=reached & (luck[2] < promising),
        talk=luck[3],
    )
    return attempts.where(~_quiet(attempts))


def recent(loan: np.ndarray, at: np.ndarray, past_loan: np.ndarray, past_at: np.ndarray, days: float) -> np.ndarray:
    """Count, for each event, the past events on the same loan in the days just before it.

    Times are seconds; the past events are sorted by loan and time.
    """
    span = 1 << 33  # longer than any time in seconds
    past = past_loan * span + past_at
    now = loan * span + at
    before = np.searchsorted(past, now, side="left")
    return before - np.searchsorted(past, now - int(days * DAY), side="left")


def _quiet(attempts: Attempts) -> np.ndarray:
    """Telephone attempts that fall in the quiet week after a conversation: never made."""
    spoke = np.isin(attempts.channel, (p.CALL, p.AUTO_CALL, p.VISIT)) & attempts.right_party
    talk_loan, talk_at = attempts.loan[spoke], attempts.at[spoke]
    after = recent(attempts.loan, attempts.at, talk_loan, talk_at, p.QUIET_DAYS)
    return (attempts.channel <= p.AUTO_CALL) & (after > 0)
