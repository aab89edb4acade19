"""Invented names, streets and contact points. The telephone exchange 555 is nobody's."""

import numpy as np
import polars as pl

from features.world import parameters as p
from features.world.traits import Traits

_FIRST = {
    "female": ("Mary", "Linda", "Susan", "Karen", "Lisa", "Nancy", "Sandra", "Ashley", "Emily",
               "Donna", "Michelle", "Carol", "Amanda", "Melissa", "Rosa", "Maria", "Ana", "Mei",
               "Aisha", "Priya", "Keisha", "Ingrid", "Leilani", "Grace"),
    "male": ("James", "Robert", "John", "Michael", "David", "William", "Richard", "Joseph",
             "Thomas", "Daniel", "Mark", "Steven", "Kevin", "Brian", "Jose", "Luis", "Carlos",
             "Wei", "Omar", "Raj", "Jamal", "Lars", "Kai", "Noah"),
}  # fmt: skip
_LAST = ("Smith", "Johnson", "Williams", "Brown", "Jones", "Garcia", "Miller", "Davis", "Rodriguez",
         "Martinez", "Hernandez", "Lopez", "Wilson", "Anderson", "Thomas", "Taylor", "Moore",
         "Jackson", "Martin", "Lee", "Perez", "Thompson", "White", "Harris", "Sanchez", "Clark",
         "Ramirez", "Lewis", "Robinson", "Walker", "Young", "Allen", "King", "Wright", "Nguyen",
         "Torres", "Hill", "Flores", "Green", "Adams", "Nelson", "Baker", "Kim", "Patel", "Chen",
         "Kealoha", "Begay", "Olsen")  # fmt: skip
_STREETS = ("Main St", "Oak Ave", "Maple Dr", "Cedar Ln", "Park Rd", "Washington Blvd", "Lake St",
            "Hill Rd", "Elm St", "Pine Ct", "River Rd", "Sunset Dr", "2nd Ave")  # fmt: skip
_MAIL = ("example.com", "example.net", "example.org")
_NUMBERS = 10_000_000  # of seven digits


def draw(traits: Traits, female: np.ndarray, rng: np.random.Generator, first_borrower: int) -> dict[str, pl.Series]:
    """Identity columns of the ``borrowers`` feed, in clear: intake replaces them by tokens."""
    people = len(traits)
    home = np.where(traits.shared_with < 0, np.arange(people), traits.shared_with)
    given_names = pl.Series(_FIRST["female"] + _FIRST["male"])
    given = given_names.gather(rng.integers(0, 24, people) + 24 * ~female)
    family = pl.Series(_LAST).gather(rng.integers(0, len(_LAST), people)[home])
    number = np.arange(first_borrower, first_borrower + people)
    street = pl.Series(_STREETS).gather(rng.integers(0, len(_STREETS), people)[home])
    house = pl.Series(rng.integers(1, 9900, people)[home]).cast(pl.String)
    place = pl.Series([f"{region.city}, {region.code}" for region in p.REGIONS])
    mail = pl.Series(_MAIL).gather(rng.integers(0, len(_MAIL), people))
    login = (given + "." + family).str.to_lowercase() + pl.Series(number).cast(pl.String)
    address = house + " " + street + ", " + place.gather(traits.region[home])
    has_address = rng.random(people) < 0.98
    return {
        "name": given + " " + family,
        "phone": _where(_phones(2 * number[home]), traits.has_phone),
        "phone_alt": _where(_phones(2 * number + 1), traits.has_second),
        "email": _where(login + "@" + mail, traits.has_email),
        "address": _where(address, has_address),
    }


def _phones(number: np.ndarray) -> pl.Series:
    # a step that shares no factor with the count visits every number once
    digits = pl.Series(number * 3_141_593 % _NUMBERS).cast(pl.String).str.zfill(7)
    return "+1-555-" + digits.str.slice(0, 3) + "-" + digits.str.slice(3)


def _where(values: pl.Series, known: np.ndarray) -> pl.Series:
    return pl.select(pl.when(pl.Series(known)).then(values)).to_series()
