"""What a service's model inputs are, in order, and the stored features that they are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from features.repository import ON_DEMAND, SERVICES, feature

LINKS = {
    "region": (("asset", "debt_region"), ("customer", "home_region")),
    "loan_product": (("asset", "product"),),
}
"""Keys that a row's debt or debtor leads to, and the stored categories that name them: the first known counts."""

KEYS = ("loan_id", "borrower_id", *LINKS)
NOBODY = "none"
"""Key of an entity that a row does not have, such as the debt of an attempt about none."""


@dataclass(frozen=True)
class ServiceColumn:
    """One model input: its view, name, kind (``number``, ``flag``, ``category``), unit, meaning."""

    view: str
    name: str
    kind: str
    unit: str | None
    about: str


@cache
def columns(service: str) -> tuple[ServiceColumn, ...]:
    """Return a model's inputs in order, as its FeatureService lists them."""
    return tuple(
        ServiceColumn(view, name, declared.kind, declared.unit, declared.about)
        for view, names in SERVICES[service].items()
        for name in names
        for declared in [feature(view, name)]
    )


@cache
def stored(service: str) -> dict[str, tuple[str, ...]]:
    """Return, view by view, the stored features that a service's inputs are made of."""
    return made_of(SERVICES[service])


def made_of(inputs: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return, view by view, the stored features that some inputs, view by view, are made of."""
    needed: dict[str, dict[str, None]] = {}
    for view, names in inputs.items():
        parts = ON_DEMAND[view][2] if view in ON_DEMAND else {view: names}
        for part, features in parts.items():
            needed.setdefault(part, {}).update(dict.fromkeys(features))
    return {view: tuple(names) for view, names in needed.items()}
