"""The expected cash of a loan, in closed form, from the same rates that draw it.

Given the borrower, the case, the market's path and the court's path, payments are Poisson events
that each take an independent share of what is still owed, and a settlement ends the claim. What
is owed on a live claim therefore falls in the mean by ``exp(-sum of rate x mean share)``. Attempts
are averaged out over the logging policy.
"""

import numpy as np

from features.world import parameters as p
from features.world import policy, reach
from features.world.borrowers import Standing
from features.world.effects import Drive, brings, fading, harm
from features.world.litigation import Cases, enforced_part
from features.world.loans import Debts
from features.world.market import Market
from features.world.policy import Placement
from features.world.traits import Traits

_MONTH = np.arange(p.HORIZON)
_DEAL = p.SETTLED_IN_FULL + (1 - p.SETTLED_IN_FULL) * p.SETTLED_SHARE[0] / sum(p.SETTLED_SHARE)


def expected_shares(
    traits: Traits,
    standing: Standing,
    debts: Debts,
    placement: Placement,
    drives: Drive,
    market: Market,
    cases: Cases,
) -> np.ndarray:
    """Expected cumulative share of the balance, loan x month (60 columns)."""
    region = traits.region[debts.borrower]
    cash = market.cash_at(region[:, None], debts.cohort[:, None] + _MONTH)
    fade = fading(debts.age[:, None], _MONTH[None, :] + 0.5) * cash
    brought, machine = _conversations(traits, standing, debts, placement, drives, cash)
    driven = np.exp(-harm(debts.age[:, None] + _MONTH + 0.5) * machine)
    payments = drives.payment[:, None] * fade * driven + brought
    court = drives.legal[:, None] * enforced_part(cases, len(debts)) * cash
    deals = drives.settlement[:, None] * fade
    falls = payments * drives.share[:, None] + court * p.LEGAL_SHARE
    gone = falls + deals
    owed = np.exp(-np.cumsum(gone, axis=1))
    start = np.column_stack([np.ones(len(debts)), owed[:, :-1]])
    paid = (start - owed) * (falls + _DEAL * deals) / np.maximum(gone, 1e-300)
    return np.asarray(np.cumsum(paid, axis=1))


def _conversations(
    traits: Traits,
    standing: Standing,
    debts: Debts,
    placement: Placement,
    drives: Drive,
    cash: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Expected payments brought, and machine conversations of the last 30 days, loan x month."""
    heard = policy.willing_to_hear(standing, debts, _MONTH)
    rate = np.outer(placement.volume, policy.attempts_per_month(_MONTH)) * heard
    kind = traits.kind[debts.borrower]
    chance = (traits.level * reach.point_quality(traits))[debts.borrower]
    reached = chance * reach.tried_profile()[kind] * placement.propensity
    spoken = rate * reached[:, (p.CALL, p.AUTO_CALL, p.VISIT)].sum(axis=1)[:, None]
    calm = np.exp(-spoken * p.QUIET_DAYS / 30.4)  # no telephone in the week after a conversation
    age = debts.age[:, None] + _MONTH + 0.5
    brought = np.zeros_like(rate)
    for code, channel in enumerate(p.CHANNELS):
        talks = rate * reached[:, code, None] * (calm if code <= p.AUTO_CALL else 1.0)
        brought += talks * brings(channel, age, drives.responsive[:, None], cash)
        if code == p.AUTO_CALL:
            machine = _last_30_days(talks)
    return _last_30_days(brought), machine


def _last_30_days(flow: np.ndarray) -> np.ndarray:
    # half of what follows within 30 days falls into the next month
    before = np.column_stack([np.zeros(len(flow)), flow[:, :-1]])
    return (flow + before) / 2
