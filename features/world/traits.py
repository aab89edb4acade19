"""What borrowers are like and nobody sees: the hidden causes behind every feed."""

from dataclasses import dataclass

import numpy as np

from features.world import parameters as p

KIND_BY_AGE = {  # upper age: shares of worker, night_shift, retired, student, at_home
    25: (0.50, 0.14, 0.00, 0.24, 0.12),
    62: (0.70, 0.15, 0.01, 0.01, 0.13),
    120: (0.12, 0.02, 0.76, 0.00, 0.10),
}
INCOME_BY_KIND = (0.08, 0.0, -0.35, -0.75, -0.45)  # log points


@dataclass(frozen=True)
class Traits:
    """One entry a borrower. Standard normal unless a unit is given."""

    region: np.ndarray  # index into REGIONS
    age: np.ndarray  # years at the first cut-off
    kind: np.ndarray  # index into KINDS
    ability: np.ndarray  # to pay
    willingness: np.ndarray  # to pay
    income: np.ndarray  # true, USD a year
    home: np.ndarray  # index into RENT, MORTGAGE, OWN
    promising: np.ndarray  # chance of a promise that no payment follows
    level: np.ndarray  # contact chance by channel at an average hour, before dead numbers
    has_phone: np.ndarray
    mobile: np.ndarray  # the first telephone is a mobile
    phone_alive: np.ndarray
    has_second: np.ndarray
    second_alive: np.ndarray
    has_email: np.ndarray
    email_alive: np.ndarray
    address_alive: np.ndarray
    shared_with: np.ndarray  # borrower whose telephone this one gave, or -1

    def __len__(self) -> int:
        return len(self.region)


def draw(borrowers: int, rng: np.random.Generator) -> Traits:
    """Draw the borrowers of one side of the world."""
    region = rng.choice(len(p.REGIONS), borrowers, p=[r.share for r in p.REGIONS])
    age = np.clip(19 + rng.gamma(3.2, 7.5, borrowers), 19, 88).astype(np.int64)
    kind = _kinds(age, rng)
    ability, willingness = rng.standard_normal((2, borrowers))
    means = p.INCOME_PER_ABILITY * ability + np.take(INCOME_BY_KIND, kind)
    income = p.INCOME_MEDIAN * np.exp(means + 0.25 * rng.standard_normal(borrowers))
    settled = 0.5 * ability + 0.03 * (age - 40) + rng.standard_normal(borrowers)
    has_phone = rng.random(borrowers) < 0.97
    shared_with = _households(has_phone, rng)
    phone_alive = rng.random(borrowers) < p.LIVING[0]
    mobile = rng.random(borrowers) < 0.82
    owner = np.where(shared_with < 0, np.arange(borrowers), shared_with)
    return Traits(
        region=region[owner],  # a household lives in one place
        age=age,
        kind=kind,
        ability=ability,
        willingness=willingness,
        income=income,
        home=np.digitize(settled, (0.2, 1.9)),
        promising=0.05 + 0.30 * rng.beta(1.5, 3.0, borrowers),
        level=_levels(willingness, rng),
        has_phone=has_phone,
        mobile=mobile[owner],
        phone_alive=phone_alive[owner],
        has_second=has_phone & (rng.random(borrowers) < 0.35),
        second_alive=rng.random(borrowers) < p.LIVING[1],
        has_email=rng.random(borrowers) < 0.78,
        email_alive=rng.random(borrowers) < p.LIVING[2],
        address_alive=rng.random(borrowers) < p.LIVING[3],
        shared_with=shared_with,
    )


def _kinds(age: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    row = np.searchsorted(list(KIND_BY_AGE), age, side="right")
    edges = np.cumsum(np.array(list(KIND_BY_AGE.values())), axis=1)
    return np.minimum((rng.random(len(age))[:, None] > edges[row]).sum(axis=1), len(p.KINDS) - 1)


def _levels(willingness: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    # one habit of answering for every channel, one of its own for each
    shape = (len(willingness), len(p.CHANNELS))
    habit = p.HABIT * rng.standard_normal(shape[0]) + p.HABIT_PER_WILLINGNESS * willingness
    return levels(habit[:, None], rng.standard_normal(shape))


def levels(habit: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Contact chance by channel (last axis) for a habit in log odds and the channel's own in deviations."""
    score = p.HABIT_MEAN + habit + p.OWN_HABIT * own
    return np.asarray(np.array(p.CONTACT_BASE) * p.CONTACT_CEILING / (1 + np.exp(-score)))


def _households(has_phone: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pairs of borrowers on one telephone: the second of each pair points at the first."""
    borrowers = len(has_phone)
    pairs = round(p.HOUSEHOLD * borrowers)
    members = rng.permutation(borrowers)[: 2 * pairs].reshape(2, -1)
    members = members[:, has_phone[members].all(axis=0)]
    shared_with = np.full(borrowers, -1)
    shared_with[members[1]] = members[0]
    return shared_with
