"""What another policy would bring, from the log of one: a campaign whose pause after a conversation bites."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from features.errors import RecoupError
from features.feeds.contacts import CHANNELS
from training import off_policy

START = datetime(2025, 1, 1, tzinfo=UTC)
PAUSE = 7
DEBTS, ATTEMPTS = 2_500, 12
CALL, EMAIL = range(2)
# chance of a call and of an e-mail, on young debt and on old; what is missing to 1 is no attempt
LOGGED = ((0.4, 0.4), (0.6, 0.6))
CALLS = ((0.8, 0.8), (0.2, 0.2))
LESS = ((0.0, 0.5), (0.3, 0.3))
WRITES = ((0.0, 0.0), (1.0, 1.0))


@dataclass
class Campaign:
    """Attempts drawn for each debt (debts x attempts), and what came of them; days since the start."""

    young: np.ndarray
    at: np.ndarray
    channel: np.ndarray
    chance: np.ndarray
    made: np.ndarray
    reached: np.ndarray
    paid: np.ndarray
    paid_at: np.ndarray
    cost: np.ndarray

    @classmethod
    def run(cls, policy, debts, seed):
        """Nobody is called in the pause after a call that reached him. The luck is the same for every policy."""
        rng = np.random.default_rng(seed)
        young = rng.random(debts) < 0.5
        at = np.cumsum(rng.uniform(1, 4, (debts, ATTEMPTS)), axis=1)
        luck = rng.random((4, debts, ATTEMPTS))
        call, email = (np.where(young, *chances)[:, None] for chances in policy)
        channel = np.where(luck[0] < call, CALL, np.where(luck[0] < call + email, EMAIL, -1))
        answers = np.where(channel == CALL, np.where(young, 0.6, 0.3)[:, None], 0.1)
        made, reached = np.zeros_like(at, bool), np.zeros_like(at, bool)
        spoke = np.full(debts, -np.inf)
        for nth in range(ATTEMPTS):
            free = (channel[:, nth] == CALL) & (at[:, nth] - spoke > PAUSE)
            made[:, nth] = free | (channel[:, nth] == EMAIL)
            reached[:, nth] = made[:, nth] & (luck[1, :, nth] < answers[:, nth])
            spoke = np.where(reached[:, nth] & free, at[:, nth], spoke)
        own = rng.exponential(10, at.shape) * (rng.random(at.shape) < 0.05)
        brings = np.where(channel == CALL, np.where(young, 30.0, 60.0)[:, None], 20.0)
        return cls(
            young=young, at=at, channel=channel, chance=np.where(channel == CALL, call, email), made=made,
            reached=reached, paid=own + np.where(reached & (luck[2] < 0.15), brings, 0.0), paid_at=at + luck[3],
            cost=np.where(made, np.where(channel == CALL, 0.5, 0.1), 0.0),
        )  # fmt: skip

    def net(self):
        """All cash less all costs."""
        return self.paid.sum() - self.cost.sum()

    def log(self):
        """The attempts that were made, as `logged_attempts.logged` has them, and what was known before."""
        debt, _ = np.nonzero(self.made)
        at = self.at[self.made]
        later = self.paid_at[debt] - at[:, None]
        name = pl.Series(debt.astype(str))
        log = pl.DataFrame({
            "loan_id": name, "borrower_id": name, "fold": debt % 2, "owed": 1_000.0,
            "channel": np.where(self.channel[self.made] == CALL, "call", "email"),
            "attempted_at": START + pl.Series((at * 86_400e6).astype(np.int64)).cast(pl.Duration("us")),
            "right_party": self.reached[self.made], "cost": self.cost[self.made], "weight": 1 / self.chance[self.made],
            "cash": (self.paid[debt] * ((later > 0) & (later <= 30))).sum(axis=1),
        })  # fmt: skip
        return log, log.select("channel", young=pl.Series(self.young[debt].astype(float)))


def told(policy, seed):
    """The estimate from a log of its own."""
    log, frame = Campaign.run(LOGGED, DEBTS, seed).log()
    wanted = np.zeros((log.height, len(CHANNELS)))
    for name, chances in zip(("call", "email"), policy, strict=True):
        wanted[:, CHANNELS.index(name)] = np.where(frame["young"] > 0, *chances)
    return off_policy.value(log, frame, wanted, seed=7)


def true_gain(policy):
    """What running the policy brings more, per attempt that was made without it."""
    usual, other = (Campaign.run(which, 20 * DEBTS, 99) for which in (LOGGED, policy))
    return (other.net() - usual.net()) / usual.made.sum()


def test_intervals_cover_what_running_a_policy_brings_and_tell_policies_apart():
    gains = {policy: true_gain(policy) for policy in (CALLS, LESS, WRITES)}
    assert gains[CALLS] > 0 > gains[LESS] > gains[WRITES]
    widest = 0.0
    for policy, gain in gains.items():
        found = [told(policy, seed) for seed in range(8)]
        assert sum(low < gain < high for low, high in (one.interval for one in found)) >= 7
        off = np.mean([(one.gain - gain) / one.standard_error for one in found])
        assert abs(off) < 3 / np.sqrt(len(found))
        widest = max(widest, *(high - low for low, high in (one.interval for one in found)))
    assert widest < gains[CALLS] - gains[WRITES]


def test_the_logged_policy_adds_nothing():
    found = told(LOGGED, 1)
    low, high = found.interval
    assert low < 0 < high < 0.05


def test_a_policy_too_far_from_the_log_is_refused_with_what_the_log_is_worth():
    with pytest.raises(RecoupError, match=r"tells too little of this policy: its [\d,]+ attempts weigh as much as \d"):
        told(((0.98, 0.98), (0.02, 0.02)), 1)
