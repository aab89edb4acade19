"""What the services are asked and what they answer."""

from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from features.feeds.contacts import CHANNELS, POINT_KINDS

_EXAMPLE = "L0000001"


class Asked(BaseModel):
    """A request; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


def asked_moment(moment: datetime | None) -> datetime:
    """Return the moment that a request asks about, in UTC; now if it names none."""
    return (moment or datetime.now(UTC)).astimezone(UTC)


class PriceRequest(Asked):
    """Which loans to value, and as of when."""

    loan_ids: list[str] = Field(min_length=1, max_length=1000, examples=[[_EXAMPLE]])
    moment: AwareDatetime | None = Field(None, description="as of when; now if not given")


class ReasonCode(BaseModel):
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
    stale: dict[str, datetime] = Field(description="marts last materialized too long ago, and when, UTC")


class PricedLoan(Answered):
    """A loan's value; money is in ``currency``, rates are shares of what is still owed."""

    currency: str
    owed: float
    recovery_rate: float
    recovery_rate_lower: float
    recovery_rate_upper: float
    expected_recovery: float
    npv: float
    price: float


class PriceResponse(BaseModel):
    """The loans in the order asked."""

    loans: list[PricedLoan]


class ContactRequest(Asked):
    """The attempt whose chance is asked."""

    loan_id: str = Field(examples=[_EXAMPLE])
    channel: str = Field("call", pattern=f"^({'|'.join(CHANNELS)})$")
    point_kind: str = Field("mobile", pattern=f"^({'|'.join(POINT_KINDS)})$")
    moment: AwareDatetime | None = Field(None, description="when the attempt would be made; now if not given")


class ContactChance(Answered):
    """The chance that the attempt reaches the debtor in person."""

    channel: str
    chance: float


class NextContactRequest(Asked):
    """The loan to work, from when on."""

    loan_id: str = Field(examples=[_EXAMPLE])
    moment: AwareDatetime | None = Field(None, description="start of the 24 hours looked at; now if not given")
    most: int = Field(3, ge=1, le=20, description="how many slots to offer")


class Slot(Answered):
    """A lawful attempt; money is in ``currency``."""

    channel: str
    point_kind: str
    planned_at: datetime = Field(description="UTC")
    local_hour: float
    chance: float
    added_value: float
    cost: float
    net_value: float
    currency: str


class Refusal(BaseModel):
    """Attempts that may not be made, and the rule that says so."""

    channel: str
    clause: str
    slots: int


class NextContactResponse(BaseModel):
    """Lawful slots, best first, and what was refused."""

    slots: list[Slot]
    refused: list[Refusal]
