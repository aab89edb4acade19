"""The chance of a right party given everything known just before: the most that any model can know.

``Truth.attempts`` has the chance as it was drawn, from a habit of answering that nobody sees and from whether a
number lives. What is knowable is its mean given what the log showed until then, which follows from the
parameters of the world by Bayes' rule: a sum over habits, kinds of day and living contact points, of which each
attempt changes the weights. Payments, which hint at willingness and so at the habit, and household members on
the same telephone are left out: a model may know a trace more.
"""

import numba
import numpy as np
import polars as pl

from features.world import borrowers, reach, traits
from features.world import parameters as p
from features.world.clock import local_hour_of_week

_HABITS = np.linspace(-3.2, 3.2, 25)  # standard deviations
_OWN, _OWN_WEIGHT = np.polynomial.hermite_e.hermegauss(7)  # a channel's own habit, likewise
_REACHED, _BOUNCED, _NOTHING = range(3)


def knowable_chance(contacts: pl.DataFrame, people: pl.DataFrame) -> np.ndarray:
    """Return the chance of each attempt given those before it on the same borrower, his age and occupation.

    Parameters
    ----------
    contacts : polars.DataFrame, n rows
        The ``contacts`` feed of a world, times in UTC.
    people : polars.DataFrame
        Its ``borrowers`` feed.

    Returns
    -------
    ndarray, shape (n,)
    """
    people = people.unique("borrower_id", keep="first", maintain_order=True).with_row_index("person")
    who = people.select("borrower_id", "person", "region", "phone_alt")
    rows = contacts.with_row_index("row").join(who, on="borrower_id").sort("person", "attempted_at", "row")
    channel = rows["channel"].replace_strict(p.CHANNELS, range(len(p.CHANNELS)), return_dtype=pl.Int64).to_numpy()
    second = (rows["contact_point"] == rows["phone_alt"]).fill_null(False).to_numpy() & (channel <= p.AUTO_CALL)
    bounced = (rows["outcome"] == "bounced").to_numpy()
    habits = np.exp(-(_HABITS**2) / 2)
    spread = np.hypot(p.HABIT, p.HABIT_PER_WILLINGNESS)
    chance = np.empty(len(channel))
    chance[rows["row"].to_numpy()] = _filtered(
        rows["person"].to_numpy().astype(np.int64), channel, second.astype(np.int64),
        local_hour_of_week(rows["attempted_at"], rows["region"]).astype(np.int64),
        np.select([rows["right_party"].to_numpy(), bounced], [_REACHED, _BOUNCED], _NOTHING),
        np.isin(channel, (p.SMS, p.EMAIL, p.LETTER)),
        (_kinds(people)[:, None, :] * (habits / habits.sum())[:, None]),
        traits.levels(_HABITS[:, None, None] * spread, _OWN[:, None]),
        _OWN_WEIGHT / _OWN_WEIGHT.sum(), reach.profiles(), np.array(p.LIVING),
    )  # fmt: skip
    return chance


def _kinds(people: pl.DataFrame) -> np.ndarray:
    """Chance of each kind of day, person x kind, by age and occupation."""
    age = (people["known_at"].dt.year() - people["birth_year"]).fill_null(40).to_numpy()
    row = np.searchsorted(list(traits.KIND_BY_AGE), age, side="right")
    by_age = np.array(list(traits.KIND_BY_AGE.values()))[np.minimum(row, len(traits.KIND_BY_AGE) - 1)]
    by_job = np.array([[dict(borrowers.JOBS[kind]).get(job, 0.0) for kind in p.KINDS] for job in people["occupation"]])
    both = by_age * np.where(by_job.sum(axis=1, keepdims=True) > 0, by_job, 1.0)
    return both / both.sum(axis=1, keepdims=True)


@numba.njit
def _filtered(person, channel, second, hour, came, message, prior, level, own, profile, living):  # type: ignore[no-untyped-def]
    """Walk through the attempts, person by person: foretell each, then learn from it.

    ``like`` is what the attempts so far say, by channel, habit, kind, own habit, telephone (first, second) and
    whether the point lives; ``level`` the chance by habit, own habit and channel.
    """
    habits, owns, kinds = level.shape[0], level.shape[1], prior.shape[2]
    chance = np.empty(len(person))
    like = np.ones((6, habits, kinds, owns, 2, 2))
    before = 1.0
    for row in range(len(person)):
        who, how, which = person[row], channel[row], second[row]
        if row == 0 or person[row - 1] != who:
            like[:] = 1.0
            before = _evidence(like, prior[who], own, living)
        then = like[how].copy()
        for h in range(habits):
            for k in range(kinds):
                for o in range(owns):
                    for alive in range(2):
                        part = level[h, o, how] * profile[k, how, hour[row]] * (1.0 if alive else p.DEAD_POINT)
                        like[how, h, k, o, which, alive] *= part
                        missed = 1.0 - part
                        if message[row] and (came[row] == _BOUNCED) == (alive == 1):
                            missed = 0.0
                        then[h, k, o, which, alive] *= missed
        hit = _evidence(like, prior[who], own, living)
        chance[row] = hit / before
        if came[row] == _REACHED:
            before = hit
        else:
            like[how] = then
            before = _evidence(like, prior[who], own, living)
    return chance


@numba.njit
def _evidence(like, prior, own, living):  # type: ignore[no-untyped-def]
    """Chance of all that came of the attempts on one person."""
    total = 0.0
    for h in range(like.shape[1]):
        for k in range(like.shape[2]):
            if prior[h, k] == 0.0:
                continue
            phones = 0.0
            for first in range(2):
                sms = (own * like[2, h, k, :, 0, first]).sum()
                for other in range(2):
                    call = (own * like[0, h, k, :, 0, first] * like[0, h, k, :, 1, other]).sum()
                    machine = (own * like[1, h, k, :, 0, first] * like[1, h, k, :, 1, other]).sum()
                    odds = (living[0] if first else 1 - living[0]) * (living[1] if other else 1 - living[1])
                    phones += odds * call * machine * sms
            mail, home = 0.0, 0.0
            for alive in range(2):
                mail += (living[2] if alive else 1 - living[2]) * (own * like[3, h, k, :, 0, alive]).sum()
                letter = (own * like[4, h, k, :, 0, alive]).sum()
                visit = (own * like[5, h, k, :, 0, alive]).sum()
                home += (living[3] if alive else 1 - living[3]) * letter * visit
            total += prior[h, k] * phones * mail * home
    return total
