"""What the services are asked and what they answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from features.feeds.contacts import CHANNELS, OUTCOMES, POINT_KINDS

_LOAN = "L0000001"
_MOMENT = "2025-12-31T23:59:59Z"
_POINT = "the lake's token of the number or address tried"
_SCORED: dict[str, Any] = {
    "decision_id": "20260101-5f9f0b1a7c-1-3c4d", "loan_id": _LOAN, "model_version": "recovery/3",
    "base_effect": 41.2, "other_effect": 0.4, "stale": {},
    "reasons": [{"feature": "months_since_default", "about": "age of the debt", "value": 31.5, "effect": -12.1}],
    "features_known_at": {"asset": "2025-11-30T00:00:00Z"},
}  # fmt: skip


Moment = Annotated[AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))]
"""With a time zone; from 1970 to 2199, so that every sum of it and days can be told."""


class Asked(BaseModel):
    """A request; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")

    def subjects(self) -> list[str]:
        """Return the loans asked about, in order; none where the caller sends the features."""
        return []

    def among(self, rows: Sequence[int]) -> Self:
        """Return the request about some of its loans, by their places."""
        return self


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [fields]})


def asked_moment(moment: datetime | None) -> datetime:
    """Return the moment that a request asks about, in UTC; now if it names none."""
    return (moment or datetime.now(UTC)).astimezone(UTC)


class PriceRequest(Asked):
    """Which loans to value, and as of when."""

    model_config = _example(loan_ids=[_LOAN], moment=_MOMENT)

    loan_ids: list[str] = Field(min_length=1, max_length=1000)
    moment: Moment | None = Field(None, description="as of when; now if not given")

    def subjects(self) -> list[str]:
        """Return the loans in the order asked."""
        return self.loan_ids

    def among(self, rows: Sequence[int]) -> Self:
        """Return the request about some of its loans, by their places."""
        if len(rows) == len(self.loan_ids):
            return self
        return self.model_copy(update={"loan_ids": [self.loan_ids[row] for row in rows]})


class GivenRequest(Asked):
    """A loan that need not be in the online store: the caller sends every input of the model."""

    model_config = _example(
        reference="T-17", currency="USD", features={"balance": 790.6, "collected_share": 0.0, "product": "card"}
    )

    reference: str = Field("", max_length=64, description="the caller's own name of the loan: no personal data")
    currency: str = Field(pattern="^[A-Z]{3}$", description="ISO 4217")
    features: dict[str, Annotated[float, Field(allow_inf_nan=False)] | str | None] = Field(
        max_length=1000, description="every input of the model by its name, null where unknown"
    )


@dataclass
class ReasonCode:
    """An input's share of the score: money for a price, probability for a contact."""

    feature: str
    about: str
    value: float | str | None
    effect: float


class Answered(BaseModel):
    """What every score carries.

    ``base_effect``, the reasons' effects and ``other_effect`` add up to the explained amount.
    """

    decision_id: str
    loan_id: str
    model_version: str
    base_effect: float
    reasons: list[ReasonCode]
    other_effect: float
    features_known_at: dict[str, datetime] = Field(description="since when each mart's values stand, UTC")
    stale: dict[str, datetime] = Field(description="marts last materialized too long ago, and when, UTC; empty: fresh")


@dataclass
class AtHorizon:
    """Cumulative recovery by a number of months ahead, and its 90 % interval: shares of what is owed."""

    months: int
    rate: float
    lower: float
    upper: float


class PricedLoan(Answered):
    """A loan's value; money is in ``currency``, rates are shares of what is still owed."""

    currency: str
    collateral_type: str | None = Field(
        description="what secures the loan, if anything does: all values are of what the debtor himself will pay; "
        "priced on its tape, a loan has its auction's proceeds too"
    )
    owed: float
    recovery_rate: float
    recovery_rate_lower: float
    recovery_rate_upper: float
    outlook: list[AtHorizon] = Field(description="the last is the ultimate")
    expected_recovery: float
    npv: float
    price: float


class PriceResponse(BaseModel):
    """The loans in the order asked."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"loans": [_SCORED | {
        "currency": "USD", "collateral_type": None, "owed": 790.6, "recovery_rate": 0.1, "recovery_rate_lower": 0.0,
        "recovery_rate_upper": 0.29, "expected_recovery": 79.06, "npv": 48.2, "price": 48.2,
        "outlook": [{"months": 12, "rate": 0.04, "lower": 0.0, "upper": 0.17},
                    {"months": 120, "rate": 0.1, "lower": 0.0, "upper": 0.29}],
    }]}]})  # fmt: skip

    loans: list[PricedLoan]

    def joined(self, other: Self, own: Sequence[int], others: Sequence[int]) -> Self:
        """Return one answer of two, whose loans were asked at some places each."""
        placed = zip([*own, *others], [*self.loans, *other.loans], strict=True)
        return self.model_copy(update={"loans": [loan for _, loan in sorted(placed, key=lambda found: found[0])]})


class ContactRequest(Asked):
    """The attempt whose chance is asked."""

    model_config = _example(loan_id=_LOAN, channel="call", point_kind="mobile", moment=_MOMENT)

    loan_id: str
    channel: str = Field("call", pattern=f"^({'|'.join(CHANNELS)})$")
    point_kind: str = Field("mobile", pattern=f"^({'|'.join(POINT_KINDS)})$")
    moment: Moment | None = Field(None, description="when the attempt would be made; now if not given")

    def subjects(self) -> list[str]:
        """Return the loan."""
        return [self.loan_id]


class ContactChance(Answered):
    """The chance that the attempt reaches the debtor in person."""

    model_config = ConfigDict(json_schema_extra={"examples": [_SCORED | {"channel": "call", "chance": 0.21}]})

    channel: str
    chance: float


class NextContactRequest(Asked):
    """The loan to work, from when on."""

    model_config = _example(loan_id=_LOAN, moment=_MOMENT, most=3)

    loan_id: str
    moment: Moment | None = Field(None, description="start of the 24 hours looked at; now if not given")
    most: int = Field(3, ge=1, le=20, description="how many slots to offer")

    def subjects(self) -> list[str]:
        """Return the loan."""
        return [self.loan_id]


class Slot(Answered):
    """A lawful attempt; money is in ``currency``."""

    channel: str
    contact_point: str = Field(description=_POINT)
    point_kind: str
    planned_at: datetime = Field(description="UTC")
    local_hour: float | None = Field(description="null where the debtor's time zone is unknown")
    chance: float
    added_value: float
    cost: float
    net_value: float
    currency: str


class Refusal(BaseModel):
    """Attempts that may not be made, and the rule that says so."""

    channel: str
    contact_point: str | None = Field(description=f"{_POINT}; null where none is known")
    clause: str
    slots: int


class NextContactResponse(BaseModel):
    """Lawful slots, best first, and what was refused."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"slots": [_SCORED | {
        "channel": "call", "contact_point": "t_5f9f0b1a7c3d4e2f8a6b0c1d2e3f4a5b", "point_kind": "mobile",
        "planned_at": "2026-01-01T15:00:00Z", "local_hour": 10.0,
        "chance": 0.21, "added_value": 3.1, "cost": 0.6, "net_value": 2.5, "currency": "USD",
    }], "refused": [{
        "channel": "call", "contact_point": "t_5f9f0b1a7c3d4e2f8a6b0c1d2e3f4a5b", "clause": "12 CFR 1006.6(b)",
        "slots": 11,
    }]}]})  # fmt: skip

    slots: list[Slot]
    refused: list[Refusal]


_Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
_Money = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class OutcomeRequest(Asked):
    """What came of an attempt; money is in the loan's currency."""

    model_config = _example(
        attempt_id="dialler-7:20260101-0042", loan_id="L-of-another-book", attempted_at="2026-01-01T15:04:00Z",
        channel="call", outcome="promise", point_kind="mobile", promised_amount=50.0, cost=0.6, propensity=0.95,
        decision_id="20260101-5f9f0b1a7c-1-3c4d",
    )  # fmt: skip

    attempt_id: _Id = Field(description="the caller's own: telling the same again changes nothing")
    loan_id: str
    attempted_at: Moment
    channel: str = Field(pattern=f"^({'|'.join(CHANNELS)})$")
    outcome: str = Field(pattern=f"^({'|'.join(OUTCOMES)})$")
    point_kind: str = Field("unknown", pattern=f"^({'|'.join(POINT_KINDS)})$")
    contact_point: str | None = Field(None, pattern="^t_[0-9a-f]{32}$", description=_POINT)
    promised_amount: _Money | None = Field(None, description="promised to pay")
    cost: _Money | None = Field(None, description="of the attempt")
    propensity: float | None = Field(None, ge=0, le=1, description="chance with which the policy chose it")
    agency: _Id | None = Field(None, description="for which agency")
    decision_id: _Id | None = Field(None, description="of the slot that it followed")


class OutcomeResponse(BaseModel):
    """Since when the outcome counts."""

    model_config = ConfigDict(json_schema_extra={"examples": [{
        "attempt_id": "dialler-7:20260101-0042", "loan_id": _LOAN, "known_at": "2026-01-01T15:05:00Z",
        "features_known_at": "2026-01-01T15:05:00Z",
    }]})  # fmt: skip

    attempt_id: str
    loan_id: str
    known_at: datetime = Field(description="since when the contact rules count it, UTC")
    features_known_at: datetime | None = Field(
        description="since when the debtor's features hold it, UTC; null: from the next `recoup materialize` on"
    )
