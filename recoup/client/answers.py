"""What the services answer, typed. A test holds these equal to the services' OpenAPI."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Answer(BaseModel):
    """Fields that a newer service adds are left out."""

    model_config = ConfigDict(frozen=True)


class Fault(_Answer):
    """What is wrong with one part of a request."""

    pointer: str
    detail: str


class ProblemDetails(_Answer):
    """Why a request was not answered (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[Fault] = []


class ReasonCode(_Answer):
    """An input's share of the score: money for a price, probability for a contact."""

    feature: str
    about: str
    value: float | str | None
    effect: float


class Scored(_Answer):
    """What every score carries.

    ``base_effect``, the reasons' effects and ``other_effect`` add up to the explained amount; ``decision_id`` is
    what ``recoup replay`` rebuilds it by.
    """

    decision_id: str
    loan_id: str
    model_version: str
    base_effect: float
    reasons: list[ReasonCode]
    other_effect: float
    features_known_at: dict[str, datetime]
    stale: dict[str, datetime]


class AtHorizon(_Answer):
    """Cumulative recovery by a number of months ahead, and its 90 % interval: shares of what is owed."""

    months: int
    rate: float
    lower: float
    upper: float


class PricedLoan(Scored):
    """A loan's value; money is in ``currency``, rates are shares of what is still owed."""

    currency: str
    collateral_type: str | None
    owed: float
    recovery_rate: float
    recovery_rate_lower: float
    recovery_rate_upper: float
    outlook: list[AtHorizon]
    expected_recovery: float
    npv: float
    price: float


class PriceResponse(_Answer):
    """The loans in the order asked."""

    loans: list[PricedLoan]


class ContactChance(Scored):
    """The chance that the attempt reaches the debtor in person."""

    channel: str
    chance: float


class Slot(Scored):
    """A lawful attempt; money is in ``currency``, ``planned_at`` is UTC."""

    channel: str
    contact_point: str
    point_kind: str
    planned_at: datetime
    local_hour: float | None
    chance: float
    added_value: float
    cost: float
    net_value: float
    currency: str


class Refusal(_Answer):
    """Attempts that may not be made, and the rule that says so."""

    channel: str
    contact_point: str | None
    clause: str
    slots: int


class NextContactResponse(_Answer):
    """Lawful slots, best first, and what was refused."""

    slots: list[Slot]
    refused: list[Refusal]


class OutcomeResponse(_Answer):
    """Since when an outcome counts: with the contact rules, and in features (None: from the next materialization)."""

    attempt_id: str
    loan_id: str
    known_at: datetime
    features_known_at: datetime | None


class RefusedVersion(_Answer):
    """A registered version that was not let in."""

    model_version: str
    why: str


class Models(_Answer):
    """The versions in force by their role, and what they come from; ``former`` is the champion before."""

    in_force: dict[str, str]
    former: str | None
    follows: str | None
    registry_seen_at: datetime | None
    registry_unseen: str
    refused: list[RefusedVersion]


class Status(_Answer):
    """How far a task is; ``share`` is of the steps that are behind."""

    task_id: str
    state: Literal["waiting", "running", "done", "failed", "cancelled"] = "waiting"
    share: float = 0.0
    steps: list[str] = []
    attempts: int = 0
    error: str | None = None
    decision_id: str | None = None
    received_at: datetime
    ended_at: datetime | None = None
