"""Cash as rates: what comes by itself, what a conversation adds, what a court adds."""

from dataclasses import dataclass

import numpy as np

from features.world import parameters as p
from features.world.loans import PRIOR, Debts
from features.world.traits import Traits


@dataclass(frozen=True)
class Drive:
    """One entry a loan: rates a month just after default in a normal market, and sizes."""

    payment: np.ndarray  # part payments a month that come by themselves
    settlement: np.ndarray  # settlements a month
    legal: np.ndarray  # payments a month under enforcement
    share: np.ndarray  # mean of one part payment, of what is still owed
    responsive: np.ndarray  # multiple of the chance that a conversation brings a payment


def drive(traits: Traits, debts: Debts, skill: np.ndarray) -> Drive:
    """The hidden causes of each loan's cash, as rates."""
    able, willing = traits.ability[debts.borrower], traits.willingness[debts.borrower]
    case = (
        np.take(p.PRODUCT_CASH, debts.product)
        + np.take(p.GRADE_CASH, debts.grade)
        + np.take([region.cash for region in p.REGIONS], traits.region[debts.borrower])
    )
    barred = np.where(debts.prior == PRIOR.index("insolvency"), p.INSOLVENT_CASH, 1.0)
    room = traits.income[debts.borrower] / (5 * debts.balance)
    own = p.PAYMENT_PER_ABILITY * able + p.PAYMENT_PER_WILLINGNESS * willing
    deal = p.SETTLEMENT_PER_ABILITY * able + p.SETTLEMENT_PER_WILLINGNESS * willing
    return Drive(
        payment=p.PAYMENT_RATE * barred * np.exp(case + own),
        settlement=p.SETTLEMENT_RATE * barred * np.exp(case + deal),
        legal=p.LEGAL_RATE * np.exp(p.LEGAL_PER_ABILITY * able),
        share=np.clip(p.PAYMENT_SHARE * room**p.PAYMENT_SHARE_POWER, *p.PAYMENT_SHARE_RANGE),
        responsive=persuadable(willing) * np.exp(p.EFFECT_PER_ABILITY * able) * skill,
    )


def persuadable(willingness: np.ndarray) -> np.ndarray:
    """How far a conversation moves somebody: most in the middle.

    The willing would have paid anyway and the unwilling do not pay either way.
    """
    return np.exp(-(((willingness - 0.1) / 0.8) ** 2) / 2)


def fading(age: np.ndarray, month: np.ndarray) -> np.ndarray:
    """Multiple of the payment and settlement rates, by debt age at cut-off and months since."""
    early = p.PLACEMENT_FLOOR + (1 - p.PLACEMENT_FLOOR) * np.exp(-month / p.PLACEMENT_DECAY)
    return np.exp(-(age + month) / p.DEBT_AGE_DECAY) * early


def conversation(channel: str, age: np.ndarray) -> np.ndarray:
    """Chance that a conversation brings a payment within 30 days, for a responsive borrower.

    ``age`` is the debt's, in months since default.
    """
    return np.interp(age / 12, p.EFFECT_YEARS, p.EFFECT[channel])


def harm(age: np.ndarray) -> np.ndarray:
    """Share of a borrower's own payments in the next 30 days that a machine's call drives off."""
    return np.interp(age / 12, p.EFFECT_YEARS, p.HARM)


def brings(channel: str, age: np.ndarray, responsive: np.ndarray, market: np.ndarray) -> np.ndarray:
    """Chance that a conversation brings a payment within 30 days."""
    return np.minimum(conversation(channel, age) * responsive * market, 0.95)
