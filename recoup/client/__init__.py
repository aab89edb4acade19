"""A client of the two services, sync and async: ``from recoup.client import Pricing``.

It needs httpx and pydantic, and nothing else of this project. The key is ``RECOUP_API_KEY``, the addresses are
``RECOUP_PRICING_URL`` and ``RECOUP_DISPATCH_URL``, unless they are given.

**Retries.** A question that was lost on the way, or answered with 429, 502, 503 or 504, is asked again until
``patience`` (seconds, for all tries and waits together) is over: after what ``Retry-After`` says, else after a
growing, random pause. A wait that would outlast the patience is not begun.

**Repeating is safe for scores**: a question changes nothing, and one that was answered twice stands twice in the
service's journal, each time with the same score; nor does an outcome change that is told twice. A tape, a
wish for a plan, or the end of a task, is sent again only where the first cannot have arrived, or was refused.
"""

from recoup.client.answers import (
    AtHorizon,
    ContactChance,
    Fault,
    Models,
    NextContactResponse,
    OutcomeResponse,
    PricedLoan,
    PriceResponse,
    ReasonCode,
    Refusal,
    RefusedVersion,
    Slot,
    Status,
)
from recoup.client.asynchronous import AsyncDispatch, AsyncPricing
from recoup.client.errors import Refused, ServiceError, Unreachable
from recoup.client.synchronous import Dispatch, Pricing

__all__ = [
    "AsyncDispatch",
    "AsyncPricing",
    "AtHorizon",
    "ContactChance",
    "Dispatch",
    "Fault",
    "Models",
    "NextContactResponse",
    "OutcomeResponse",
    "PriceResponse",
    "PricedLoan",
    "Pricing",
    "ReasonCode",
    "Refusal",
    "Refused",
    "RefusedVersion",
    "ServiceError",
    "Slot",
    "Status",
    "Unreachable",
]
