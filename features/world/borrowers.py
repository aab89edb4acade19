"""The ``borrowers`` feed: who they are, whether and how they may be contacted."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from features.world import names
from features.world import parameters as p
from features.world.clock import DAY, Clock, instants
from features.world.loans import numbered
from features.world.traits import Traits

JOBS = {  # by kind: (occupation, share)
    "worker": (("services", 0.22), ("technician", 0.18), ("admin", 0.18), ("management", 0.14),
               ("blue_collar", 0.16), ("self_employed", 0.12)),
    "night_shift": (("transport", 0.30), ("health_care", 0.30), ("blue_collar", 0.22),
                    ("services", 0.18)),
    "retired": (("retired", 0.88), ("self_employed", 0.12)),
    "student": (("student", 0.80), ("services", 0.20)),
    "at_home": (("unemployed", 0.50), ("homemaker", 0.30), ("self_employed", 0.20)),
}  # fmt: skip
_SCHOOLING = ("basic", "high_school", "college", "university")
_FAMILY = ("single", "married", "divorced")


@dataclass(frozen=True)
class Standing:
    """One entry a borrower: how far contact is allowed."""

    allowed: np.ndarray  # borrower x consent, 1 yes, 0 no, -1 not on file; order of CONSENTS
    disputed: np.ndarray
    no_contact_from: np.ndarray  # month of the clock; inf: never asked


def draw_standing(first_cutoff: np.ndarray, rng: np.random.Generator) -> Standing:
    """Draw consents, disputes and requests not to be contacted."""
    people = len(first_cutoff)
    yes = rng.random((people, len(p.CONSENTS))) < list(p.CONSENTS.values())
    unknown = rng.random(yes.shape) < p.UNKNOWN_CONSENT
    later = first_cutoff + 0.1 + rng.exponential(1 / p.NO_CONTACT_PER_MONTH, people)
    start = rng.random(people) < p.NO_CONTACT_AT_START
    return Standing(
        allowed=np.where(unknown, -1, yes.astype(np.int64)),
        disputed=rng.random(people) < p.DISPUTED,
        no_contact_from=np.where(start, -np.inf, later),
    )


def feed(
    traits: Traits,
    standing: Standing,
    first_cutoff: np.ndarray,
    clock: Clock,
    rng: np.random.Generator,
    *,
    first_borrower: int,
) -> pl.DataFrame:
    """The feed: a row for each borrower, and another when he asks not to be contacted."""
    people = len(traits)
    number = np.arange(first_borrower, first_borrower + people)
    female = rng.random(people) < 0.49
    learnt = clock.day(first_cutoff).astype("datetime64[s]").astype(np.int64)
    changed = learnt - rng.integers(1, 30, people) * DAY
    frame = pl.DataFrame(
        {
            "borrower_id": numbered("borrower_id", "B", number),
            **names.draw(traits, female, rng, first_borrower),
            "region": pl.Series(p.REGION_CODES).gather(traits.region),
            "jurisdiction": pl.repeat(p.JURISDICTION, people, eager=True),
            "time_zone": _zones(traits.region, rng),
            **_described(traits, clock.day(first_cutoff), female, rng),
            **{f"consent_{channel}": _yes_no(standing.allowed[:, column]) for column, channel in enumerate(p.CONSENTS)},
            "do_not_contact": standing.no_contact_from == -np.inf,
            "disputed": standing.disputed,
        }
    ).with_columns(instants("changed_at", changed), instants("known_at", learnt))
    return pl.concat([frame, _requests(frame, standing, clock)]).sort("borrower_id", "changed_at")


def _requests(frame: pl.DataFrame, standing: Standing, clock: Clock) -> pl.DataFrame:
    asked = clock.second(np.nan_to_num(standing.no_contact_from, posinf=1e4, neginf=1e4))
    rows = np.flatnonzero(asked + DAY <= clock.now)
    return frame[rows].with_columns(
        pl.lit(True).alias("do_not_contact"),
        instants("changed_at", asked[rows]),
        instants("known_at", asked[rows] + DAY),
    )


def _described(
    traits: Traits, day: np.ndarray, female: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray | pl.Series]:
    people = len(traits)
    job = np.empty(people, dtype=np.int64)
    jobs = sorted({name for row in JOBS.values() for name, _ in row})
    for code, kind in enumerate(p.KINDS):
        own = np.flatnonzero(traits.kind == code)
        choices = [jobs.index(name) for name, _ in JOBS[kind]]
        job[own] = rng.choice(choices, len(own), p=[share for _, share in JOBS[kind]])
    schooling = np.digitize(0.5 * traits.ability + rng.standard_normal(people), (-1.3, 0.2, 1.1))
    family = np.digitize(0.02 * (traits.age - 40) + rng.standard_normal(people), (-0.3, 0.9))
    elsewhere = 1 / (1 + np.exp(1.6 + 0.8 * traits.willingness + 0.4 * traits.ability))
    return {
        "birth_year": (day.astype("datetime64[Y]").astype(np.int64) + 1970.0 - traits.age),
        "sex": pl.Series(("male", "female")).gather(female.astype(np.int64)),
        "occupation": pl.Series(jobs).gather(job),
        "marital_status": pl.Series(_FAMILY).gather(family),
        "education": pl.Series(_SCHOOLING).gather(schooling),
        "has_mortgage": traits.home == 1,
        "has_other_loan": rng.random(people) < 0.35,
        "in_default_elsewhere": rng.random(people) < elsewhere,
    }


def _zones(region: np.ndarray, rng: np.random.Generator) -> pl.Series:
    zones = pl.Series([place.zone for place in p.REGIONS] + [None])
    return zones.gather(np.where(rng.random(len(region)) < p.UNKNOWN_ZONE, len(p.REGIONS), region))


def _yes_no(codes: np.ndarray) -> pl.Series:
    return pl.Series((False, True, None)).gather(np.where(codes < 0, 2, codes))
