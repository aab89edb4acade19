"""How the book was worked before: who got it, how often it was tried, by which channel."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from features.world import parameters as p
from features.world.borrowers import Standing
from features.world.loans import PRIOR, Debts
from features.world.traits import Traits

Choose = Callable[[pl.DataFrame], np.ndarray]
"""From cases (``months_since_default``, ``balance`` in USD, and ``open_<channel>``: there is a contact point
and a consent on file) to the chance of each of ``CHANNELS``, n x 6; what is missing to 1 is no attempt."""
_CONSENT = {"call": 0, "auto_call": 1, "sms": 2, "email": 3, "visit": 4}  # column of Standing


@dataclass(frozen=True)
class Change:
    """Another policy's choice of the channel, for the attempts made from a day on (UTC)."""

    choose: Choose
    since: date


@dataclass(frozen=True)
class Placement:
    """One entry a loan: the logging policy's choices. They depend on the case alone."""

    agency: np.ndarray  # index into AGENCIES
    propensity: np.ndarray  # loan x channel: chance of the channel, given an attempt
    open_channels: np.ndarray  # loan x channel: a contact point and a consent are on file
    volume: np.ndarray  # multiple of the usual number of attempts

    @property
    def skill(self) -> np.ndarray:
        """Hidden multiple of the effect of a conversation."""
        return np.take(p.AGENCY_SKILL, self.agency)


def draw(traits: Traits, standing: Standing, debts: Debts, rng: np.random.Generator) -> Placement:
    """Place the loans. Not at random: the skilled agencies are given the easier cases."""
    open_channels = _open(traits, standing)[debts.borrower]
    untouched = (debts.prior == PRIOR.index("insolvency")) | ~open_channels.any(axis=1)
    size = np.log(debts.balance / p.TYPICAL_BALANCE)
    volume = np.clip(np.exp(0.12 * size - 0.05 * (debts.age / 12 - 1.5)), 0.5, 1.6)
    return Placement(
        agency=_agencies(debts, rng),
        propensity=_propensity(open_channels, debts.age / 12, size),
        open_channels=open_channels,
        volume=np.where(untouched, 0.0, volume),
    )


def attempts_per_month(month: np.ndarray) -> np.ndarray:
    """Usual attempts in each month since cut-off."""
    return p.ATTEMPT_RATE * np.exp(-month / p.ATTEMPT_DECAY) + p.ATTEMPT_FLOOR


def chances(
    placement: Placement, debts: Debts, loan: np.ndarray, month: np.ndarray, changed: np.ndarray, change: Change | None
) -> np.ndarray:
    """Chance of each channel (n x 6) for attempts on loans in a month since cut-off.

    ``changed`` marks those that the other policy chooses; a channel that is not open has no chance.
    """
    table = placement.propensity[loan]
    if change is not None and changed.any():
        case, since = loan[changed], month[changed]
        usable = placement.open_channels[case]
        cases = pl.DataFrame({"months_since_default": debts.age[case] + since + 0.5, "balance": debts.balance[case]})
        cases = cases.with_columns(pl.Series(f"open_{name}", usable[:, code]) for code, name in enumerate(p.CHANNELS))
        table[changed] = np.where(usable, change.choose(cases), 0.0)
    return table


def willing_to_hear(standing: Standing, debts: Debts, month: np.ndarray) -> np.ndarray:
    """Part of each month since cut-off (loan x month) before the borrower asks for silence."""
    until = standing.no_contact_from[debts.borrower] - debts.cohort
    return np.clip(until[:, None] - month[None, :], 0.0, 1.0)


def _open(traits: Traits, standing: Standing) -> np.ndarray:
    """Channels with a contact point and a consent on file, by borrower; disputes: letters only."""
    point = {
        "call": traits.has_phone,
        "auto_call": traits.has_phone,
        "sms": traits.has_phone & traits.mobile,
        "email": traits.has_email,
        "letter": np.ones(len(traits), bool),
        "visit": np.ones(len(traits), bool),
    }
    table = np.column_stack([point[channel] for channel in p.CHANNELS])
    for channel, column in _CONSENT.items():
        table[:, p.CHANNELS.index(channel)] &= standing.allowed[:, column] == 1
    table[standing.disputed] = np.arange(len(p.CHANNELS)) == p.LETTER
    return table


def _propensity(open_channels: np.ndarray, years: np.ndarray, size: np.ndarray) -> np.ndarray:
    score = np.log(p.CHANNEL_SHARE) + np.outer(years - 1.5, p.CHANNEL_PER_AGE) + np.outer(size, p.CHANNEL_PER_BALANCE)
    weight = np.where(open_channels, np.exp(score), 0.0)
    taste = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
    free = 1 - p.PROPENSITY_FLOOR * open_channels.sum(axis=1, keepdims=True)
    # rounded as it is logged; the last digit goes to the letter, which is always open
    table = (p.PROPENSITY_FLOOR * open_channels + free * taste).round(6)
    table[:, p.LETTER] += 1 - table.sum(axis=1)
    return np.where(open_channels, table, 0.0)


def _agencies(debts: Debts, rng: np.random.Generator) -> np.ndarray:
    ease = 0.5 * (2 - debts.grade / 2) - 0.4 * (debts.age / 12 - 1.5)
    weight = np.array(p.AGENCY_SHARE) * np.exp(np.outer(ease, p.AGENCY_PER_EASE))
    edges = np.cumsum(weight, axis=1) / weight.sum(axis=1, keepdims=True)
    usual = (rng.random(len(debts))[:, None] > edges).sum(axis=1)
    recent = debts.cohort >= p.COHORTS - p.NEW_AGENCY_MONTHS
    new = recent & (rng.random(len(debts)) < p.NEW_AGENCY_SHARE)
    return np.where(new, len(p.AGENCIES) - 1, np.minimum(usual, len(p.AGENCIES) - 2))
