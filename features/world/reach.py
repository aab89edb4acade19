"""Who answers when: hour-of-week profiles in local time, and the chance of a right party."""

from functools import cache

import numpy as np

from features.world import parameters as p
from features.world.traits import Traits

HOURS = 7 * 24  # hour of week, 0 is Monday 00:00 at the debtor's place
# For each kind: (hour of day, width in hours, height) on weekdays, and on weekends.
_BUMPS = {
    "worker": (((12.3, 0.9, 0.45), (18.8, 1.6, 1.2)), ((10.8, 2.0, 0.8), (17.0, 2.5, 0.6))),
    "night_shift": (((15.0, 2.2, 1.2),), ((14.0, 3.0, 0.8),)),
    "retired": (((10.2, 1.8, 1.2), (15.5, 2.0, 0.5)), ((10.5, 2.2, 0.7),)),
    "student": (((17.5, 2.6, 0.8), (20.5, 1.2, 0.5)), ((14.5, 3.0, 0.9),)),
    "at_home": (((11.0, 2.2, 0.9), (14.5, 2.0, 0.7)), ((12.0, 3.0, 0.6),)),
}
_FLOOR = 0.45
_PROFILE_CEILING = 1.75  # keeps every chance below one


@cache
def profiles() -> np.ndarray:
    """Multiple of the contact chance, by kind, channel and hour of week.

    The mean over the lawful hours (8:00-21:00, every day) is 1 before the ceiling.
    """
    hour = np.arange(24) + 0.5
    table = np.empty((len(p.KINDS), len(p.CHANNELS), HOURS))
    for row, kind in enumerate(p.KINDS):
        week = np.concatenate([_day(_BUMPS[kind][day >= 5], hour) for day in range(7)])
        for column, power in enumerate(p.CONTACT_PROFILE):
            shape = week**power
            table[row, column] = shape / shape.reshape(7, 24)[:, 8:21].mean()
    return np.minimum(table, _PROFILE_CEILING)


def _day(bumps: tuple[tuple[float, float, float], ...], hour: np.ndarray) -> np.ndarray:
    asleep = np.where((hour < 7) | (hour > 22.5), 0.15, 1.0)
    waves = sum(high * np.exp(-(((hour - at) / width) ** 2) / 2) for at, width, high in bumps)
    return asleep * (_FLOOR + waves)


@cache
def tried_hours() -> np.ndarray:
    """Chance with which the logging policy picks each hour of day (24 numbers)."""
    weights = np.array([p.HOUR_WEIGHT.get(hour, 0.0) for hour in range(24)])
    return weights / weights.sum()


@cache
def tried_profile() -> np.ndarray:
    """Mean of the profiles over the hours that the logging policy picks, by kind and channel."""
    return np.asarray(profiles() @ np.tile(tried_hours() / 7, 7))


def point_quality(traits: Traits) -> np.ndarray:
    """Mean multiple of the chance for dead numbers, by borrower and channel."""
    first, second = alive(traits.phone_alive), alive(traits.second_alive)
    mixed = (1 - p.SECOND_PHONE) * first + p.SECOND_PHONE * second
    phone = np.where(traits.has_second, mixed, first)
    email, address = alive(traits.email_alive), alive(traits.address_alive)
    return np.column_stack([phone, phone, first, email, address, address])


def attempt_chance(
    traits: Traits,
    borrower: np.ndarray,
    channel: np.ndarray,
    hour_of_week: np.ndarray,
    second: np.ndarray,
) -> np.ndarray:
    """Chance of the right party for single attempts on a known contact point."""
    living = np.select(
        [channel == p.EMAIL, channel >= p.LETTER, second],
        [
            traits.email_alive[borrower],
            traits.address_alive[borrower],
            traits.second_alive[borrower],
        ],
        traits.phone_alive[borrower],
    )
    profile = profiles()[traits.kind[borrower], channel, hour_of_week]
    return traits.level[borrower, channel] * profile * alive(living)


def alive(living: np.ndarray) -> np.ndarray:
    """Multiple of the chance on a number or address that lives, or does not."""
    return np.where(living, 1.0, p.DEAD_POINT)
