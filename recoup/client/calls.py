"""The calls of both services, as data: what is sent, and how its answer is read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

import httpx
from pydantic import BaseModel

from recoup.client.answers import (
    ContactChance,
    Models,
    NextContactResponse,
    OutcomeResponse,
    PricedLoan,
    PriceResponse,
    Status,
)

T = TypeVar("T")
Answer = TypeVar("Answer", bound=BaseModel)
_MEDIA = {".csv": "text/csv", ".parquet": "application/vnd.apache.parquet"}


@dataclass(frozen=True)
class Call(Generic[T]):
    """One call.

    Attributes
    ----------
    method, path : str
    read : callable
        Makes the answer of a response.
    sent : dict
        What httpx sends: ``json``, ``content``, ``params``, ``headers``.
    repeatable : bool
        Whether it may be sent again when nobody knows if it arrived.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    sent: dict[str, Any] = field(default_factory=dict)
    repeatable: bool = True


def price(loan_ids: Sequence[str], moment: datetime | None) -> Call[PriceResponse]:
    """Return the call that values loans."""
    return _scored("/price", _model(PriceResponse), loan_ids=list(loan_ids), moment=moment)


def price_given(features: Mapping[str, float | str | None], currency: str, reference: str) -> Call[PricedLoan]:
    """Return the call that values a loan by its features."""
    asked = {"features": dict(features), "currency": currency, "reference": reference}
    return Call("POST", "/price_given", _model(PricedLoan), {"json": asked})


def chance(loan_id: str, channel: str, point_kind: str, moment: datetime | None) -> Call[ContactChance]:
    """Return the call that asks for an attempt's chance."""
    asked = {"loan_id": loan_id, "channel": channel, "point_kind": point_kind, "moment": moment}
    return _scored("/chance", _model(ContactChance), **asked)


def next_contact(loan_id: str, moment: datetime | None, most: int) -> Call[NextContactResponse]:
    """Return the call that asks for the best lawful attempts."""
    return _scored("/next_contact", _model(NextContactResponse), loan_id=loan_id, moment=moment, most=most)


def outcome(attempted_at: datetime, **told: Any) -> Call[OutcomeResponse]:
    """Return the call that tells what came of an attempt."""
    return Call("POST", "/outcome", _model(OutcomeResponse), {"json": told | {"attempted_at": _zoned(attempted_at)}})


def profile(borrower_id: str, moment: datetime | None) -> Call[dict[str, Any]]:
    """Return the call that asks what is known of a debtor."""
    return Call("GET", f"/debtors/{borrower_id}", lambda response: response.json(), _at(moment))


def profile_page(borrower_id: str, moment: datetime | None) -> Call[bytes]:
    """Return the call that asks for the page of a debtor."""
    return Call("GET", f"/debtors/{borrower_id}/page", lambda response: response.content, _at(moment))


def price_tape(tape: Path, source: str, assumptions: str | None) -> Call[Status]:
    """Return the call that gives a tape in.

    Raises
    ------
    ValueError
        When the file is neither CSV nor Parquet by its name.
    """
    if tape.suffix not in _MEDIA:
        raise ValueError(f"{tape.name}: a tape is a file in {' or '.join(_MEDIA)}")
    sent = {
        "content": tape.read_bytes(),
        "headers": {"Content-Type": _MEDIA[tape.suffix]},
        "params": {"source": source} | ({} if assumptions is None else {"assumptions": assumptions}),
    }
    return Call("POST", "/portfolio", _model(Status), sent, repeatable=False)


def task_status(path: str, task_id: str) -> Call[Status]:
    """Return the call that asks how far a task is; ``path`` is that of its kind."""
    return Call("GET", f"{path}/{task_id}", _model(Status))


def cancel_task(path: str, task_id: str) -> Call[Status]:
    """Return the call that stops a task."""
    return Call("DELETE", f"{path}/{task_id}", _model(Status), repeatable=False)


def report(path: str, task_id: str) -> Call[dict[str, Any]]:
    """Return the call that asks for the totals of a task that is done."""
    return Call("GET", f"{path}/{task_id}/result", lambda response: response.json())


def table(path: str, task_id: str, name: str) -> Call[bytes]:
    """Return the call that asks for a table of a task that is done."""
    return Call("GET", f"{path}/{task_id}/{name}", lambda response: response.content)


def plan(day: date, capacities: Mapping[str, Any] | None, placed: Sequence[Mapping[str, Any]]) -> Call[Status]:
    """Return the call that asks for a plan."""
    debts = [dict(debt) | {"placed_on": _day(debt["placed_on"])} for debt in placed]
    asked = {"date": day.isoformat(), "capacities": capacities, "placed": debts}
    return Call("POST", "/plan", _model(Status), {"json": asked}, repeatable=False)


def review(decision_id: str) -> Call[bytes]:
    """Return the call that asks for the page of a decision."""
    return Call("GET", f"/decisions/{decision_id}", lambda response: response.content)


def models() -> Call[Models]:
    """Return the call that asks which versions are in force."""
    return Call("GET", "/models", _model(Models))


def _model(model: type[Answer]) -> Callable[[httpx.Response], Answer]:
    return lambda response: model.model_validate_json(response.content)


def _scored(path: str, read: Callable[[httpx.Response], T], **asked: Any) -> Call[T]:
    moment = asked.pop("moment")
    if moment is not None:
        asked["moment"] = _zoned(moment)
    return Call("POST", path, read, {"json": asked})


def _at(moment: datetime | None) -> dict[str, Any]:
    return {} if moment is None else {"params": {"moment": _zoned(moment)}}


def _day(day: date | str) -> str:
    return day if isinstance(day, str) else day.isoformat()


def _zoned(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone: datetime(..., tzinfo=UTC)")
    return moment.isoformat()
