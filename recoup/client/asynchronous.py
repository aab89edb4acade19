"""The clients for asyncio."""

import time
from asyncio import sleep
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from recoup.client import calls
from recoup.client.answers import (
    ContactChance,
    Models,
    NextContactResponse,
    OutcomeResponse,
    PricedLoan,
    PriceResponse,
    Status,
)
from recoup.client.calls import Call
from recoup.client.trial import ENDED, LOOK_S, Trial, opened

T = TypeVar("T")


class AsyncClient:
    """A connection to one service.

    Parameters
    ----------
    url, key : str, optional
        Taken from the environment if not given.
    patience : float
        Seconds that a call may take, all tries and waits together.
    """

    _VARIABLE: str

    def __init__(self, url: str | None = None, key: str | None = None, *, patience: float = 30.0):
        self._http = httpx.AsyncClient(**opened(url, self._VARIABLE, key))
        self._patience = patience

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def review(self, decision_id: str) -> bytes:
        """Return all that a decision rests on, and whether it can be made again: an HTML page."""
        return await self._ask(calls.review(decision_id))

    async def models(self) -> Models:
        """Return the versions in force; needs the scope admin."""
        return await self._ask(calls.models())

    async def _ask(self, call: Call[T]) -> T:
        trial = Trial(call, self._patience)
        while True:
            try:
                response = await self._http.request(call.method, call.path, timeout=trial.timeout(), **call.sent)
                wait = trial.after(response)
            except httpx.TransportError as error:
                wait = trial.after_loss(error)
            if wait is None:
                return trial.answer(response)
            await sleep(wait)


class AsyncTaskClient(AsyncClient):
    """A connection to a service that does tasks in the background."""

    _TASKS: str

    async def task_status(self, task_id: str) -> Status:
        """Return how far a task is."""
        return await self._ask(calls.task_status(self._TASKS, task_id))

    async def ended(self, task_id: str, within: float) -> Status:
        """Wait until a task has ended, so many seconds at most, and return how far it is then."""
        end = time.monotonic() + within
        while (status := await self.task_status(task_id)).state not in ENDED and time.monotonic() < end:
            await sleep(LOOK_S)
        return status

    async def cancel_task(self, task_id: str) -> Status:
        """Stop a task."""
        return await self._ask(calls.cancel_task(self._TASKS, task_id))

    async def _table(self, task_id: str, name: str) -> bytes:
        return await self._ask(calls.table(self._TASKS, task_id, name))


class AsyncPricing(AsyncTaskClient):
    """What loans and tapes are worth. Every method raises `Refused` or `Unreachable` where there is no answer."""

    _VARIABLE, _TASKS = "RECOUP_PRICING_URL", "/portfolio"

    async def price(self, loan_ids: Sequence[str], moment: datetime | None = None) -> PriceResponse:
        """Value up to 1,000 loans by id, as of a moment (with a time zone; now if not given)."""
        return await self._ask(calls.price(loan_ids, moment))

    async def price_given(
        self, features: Mapping[str, float | str | None], currency: str, reference: str = ""
    ) -> PricedLoan:
        """Value a loan by every input of the model, null where unknown; ``reference`` is your own name of it."""
        return await self._ask(calls.price_given(features, currency, reference))

    async def price_tape(self, tape: Path, source: str = "canonical", assumptions: str | None = None) -> Status:
        """Give in a tape (CSV or Parquet) to be priced in the background; ``assumptions`` is JSON."""
        return await self._ask(calls.price_tape(tape, source, assumptions))

    async def portfolio(self, task_id: str) -> dict[str, Any]:
        """Return what a priced tape is worth: ``portfolio.json``."""
        return await self._ask(calls.report(self._TASKS, task_id))

    async def prices(self, task_id: str) -> bytes:
        """Return the prices of a tape's loans: a Parquet file."""
        return await self._table(task_id, "prices")

    async def rejected(self, task_id: str) -> bytes:
        """Return the rows of a tape that were not priced, and why: a Parquet file."""
        return await self._table(task_id, "rejected")


class AsyncDispatch(AsyncTaskClient):
    """Whom an attempt reaches, and which is worth most; raises as `AsyncPricing` does."""

    _VARIABLE, _TASKS = "RECOUP_DISPATCH_URL", "/plan"

    async def chance(
        self, loan_id: str, channel: str = "call", point_kind: str = "mobile", moment: datetime | None = None
    ) -> ContactChance:
        """Return the chance that an attempt at a moment (now if not given) reaches the debtor in person."""
        return await self._ask(calls.chance(loan_id, channel, point_kind, moment))

    async def next_contact(self, loan_id: str, moment: datetime | None = None, most: int = 3) -> NextContactResponse:
        """Return the best lawful attempts in the 24 hours from a moment on (now if not given)."""
        return await self._ask(calls.next_contact(loan_id, moment, most))

    async def outcome(
        self,
        attempt_id: str,
        loan_id: str,
        attempted_at: datetime,
        channel: str,
        outcome: str,
        point_kind: str = "unknown",
        contact_point: str | None = None,
        promised_amount: float | None = None,
        cost: float | None = None,
        propensity: float | None = None,
        agency: str | None = None,
        decision_id: str | None = None,
    ) -> OutcomeResponse:
        """Tell what came of an attempt; ``attempt_id`` is your own, ``contact_point`` the lake's token.

        ``propensity`` is the chance with which your policy chose the attempt, ``decision_id`` is that of the slot
        that it followed; money is in the loan's currency.
        """
        return await self._ask(
            calls.outcome(
                attempt_id=attempt_id,
                loan_id=loan_id,
                attempted_at=attempted_at,
                channel=channel,
                outcome=outcome,
                point_kind=point_kind,
                contact_point=contact_point,
                promised_amount=promised_amount,
                cost=cost,
                propensity=propensity,
                agency=agency,
                decision_id=decision_id,
            )
        )

    async def profile(self, borrower_id: str, moment: datetime | None = None) -> dict[str, Any]:
        """Return what was known of a debtor (his token) at a moment, now if not given; masked."""
        return await self._ask(calls.profile(borrower_id, moment))

    async def profile_page(self, borrower_id: str, moment: datetime | None = None) -> bytes:
        """Return the same on one page: HTML."""
        return await self._ask(calls.profile_page(borrower_id, moment))

    async def plan(
        self, day: date, capacities: Mapping[str, Any] | None = None, placed: Sequence[Mapping[str, Any]] = ()
    ) -> Status:
        """Ask for a day's plan (UTC), made in the background.

        ``capacities`` are as in ``serving/dispatch/capacities.yaml``, the service's own if not given; ``placed`` are
        the debts that are with agencies: ``loan_id``, ``agency``, ``placed_on``.
        """
        return await self._ask(calls.plan(day, capacities, placed))

    async def planned(self, task_id: str) -> dict[str, Any]:
        """Return a plan's totals: ``plan.json``."""
        return await self._ask(calls.report(self._TASKS, task_id))

    async def contacts(self, task_id: str) -> bytes:
        """Return whom to contact, how and when: a Parquet file."""
        return await self._table(task_id, "contacts")

    async def placements(self, task_id: str) -> bytes:
        """Return what to place with agencies: a Parquet file."""
        return await self._table(task_id, "placements")

    async def recalls(self, task_id: str) -> bytes:
        """Return what to take back from them: a Parquet file."""
        return await self._table(task_id, "recalls")

    async def filings(self, task_id: str) -> bytes:
        """Return what to file with the court: a Parquet file."""
        return await self._table(task_id, "filings")

    async def refusals(self, task_id: str) -> bytes:
        """Return which attempts a contact rule refuses: a Parquet file."""
        return await self._table(task_id, "refusals")
