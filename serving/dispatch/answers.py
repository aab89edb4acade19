"""What the dispatch service does, apart from HTTP: read features, score, judge, journal, answer."""

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from features import online_home
from features.errors import RecoupError
from features.home import Home
from features.online_rows import InputRows, RowReader
from features.services import NOBODY
from features.store import FeatureDoor, OnlineRows
from serving import turn
from serving.dispatch.next_contact import next_contact
from serving.journal import Journal
from serving.refusals import UnknownLoan
from serving.schemas import (
    ContactChance,
    ContactRequest,
    NextContactRequest,
    NextContactResponse,
    Slot,
    asked_moment,
)
from serving.scoring import CHAMPION, Decision, Inputs, Scorer, carried, require_standing
from training.attempt_value import AttemptValue
from training.row_model import RowModel


class Contacting:
    """Chances of reaching debtors that are in the online store."""

    def __init__(self, home: Home, model: RowModel, label: str, role: str = CHAMPION):
        self._door = FeatureDoor(home)
        self._scorer = Scorer(model, label, Journal(home), role)
        self._reader = RowReader(home, model.card.columns)
        self._near = online_home.near(home) and not self._scorer.journal.waits

    def warm(self) -> None:
        """Read and score an attempt on a loan that there is not, so that the first question finds all in place.

        Raises
        ------
        RecoupError
            When the store was never filled.
        """
        read = self._read([ContactRequest.model_validate({"loan_id": NOBODY})], [asked_moment(None)])
        self._scorer.model.explain(read.numbers, read.texts)

    def small(self, request: ContactRequest | NextContactRequest) -> bool:
        """Tell whether a question is soon answered."""
        return isinstance(request, ContactRequest)

    def near(self, request: ContactRequest | NextContactRequest) -> bool:
        """Tell whether its answer waits for nobody."""
        return self._near

    def chance(self, requests: Sequence[ContactRequest]) -> list[ContactChance | RecoupError]:
        """Return the chances that single attempts reach their debtors in person.

        Refused with `UnknownLoan`: the store has never seen the loan; `TooEarly`: the moment is before what the
        store knows.

        Raises
        ------
        RecoupError
            When the store was never filled, or the journal cannot be written.
        """
        moments = [asked_moment(request.moment) for request in requests]
        read = self._read(requests, moments)

        def checked(row: int) -> int:
            if read.unknown[row]:
                raise UnknownLoan(requests[row].loan_id, 0)
            require_standing(requests[row].moment, moments[row], read.known_at[row])
            return row

        def answered(rows: list[int]) -> list[ContactChance]:
            asked = [requests[row] for row in rows]
            contexts = [{"channel": request.channel, "point_kind": request.point_kind} for request in asked]
            decisions = self._decided("contact", [r.loan_id for r in asked], Inputs.read(read).of(rows), contexts)
            return [
                ContactChance.model_construct(
                    channel=request.channel, chance=decision.score, **carried(request.loan_id, decision)
                )
                for request, decision in zip(asked, decisions, strict=True)
            ]

        return turn.together(checked, answered, range(len(requests)))

    def next_contact(self, requests: Sequence[NextContactRequest]) -> list[NextContactResponse | RecoupError]:
        """Return for each request the best lawful attempts on a debt in 24 hours, each a decision of its own.

        Refused with `UnknownLoan`: the store has never seen the loan; `TooEarly`: the moment is before what the store
        knows; `NoCase`: the loan is not charged off yet, or no case any more; `RecoupError`: the journal cannot be
        written.
        """
        return turn.one_by_one(self._next_contact, requests)

    def _next_contact(self, request: NextContactRequest) -> NextContactResponse:
        moment = asked_moment(request.moment)
        read: list[OnlineRows] = []

        def features_of(asked: pl.DataFrame) -> pl.DataFrame:
            read.append(self._door.online(self._scorer.model.card.service, asked))
            if any(read[-1].unknown):
                raise UnknownLoan(request.loan_id, 0)
            require_standing(request.moment, moment, read[-1].known_at[0])
            return read[-1].frame

        found = next_contact(self._door, self._scorer.model, self._values, request.loan_id, moment, features_of)
        refused = (
            found.refused.group_by("channel", "contact_point", "clause", maintain_order=True).len("slots").to_dicts()
        )
        offered, frame = (table.head(request.most).to_dicts() for table in (found.offered, found.inputs))
        if not offered:
            return NextContactResponse.model_validate({"slots": [], "refused": refused})
        numbers, texts = self._scorer.model.inputs(frame)
        inputs = Inputs(numbers, texts, [read[-1].known_at[0]] * len(frame), [read[-1].stale] * len(frame))
        contexts = [{"slot": slot | {"planned_at": slot["planned_at"].isoformat()}} for slot in offered]
        decisions = self._decided("next_contact", [request.loan_id] * len(frame), inputs, contexts)
        slots = [
            Slot.model_validate(slot | carried(request.loan_id, decision))
            for slot, decision in zip(offered, decisions, strict=True)
        ]
        return NextContactResponse.model_validate({"slots": slots, "refused": refused})

    def _decided(self, kind: str, loans: Sequence[str], inputs: Inputs,
                 contexts: Sequence[dict[str, Any]]) -> list[Decision]:  # fmt: skip
        scored = self._scorer.model.explain(inputs.numbers, inputs.texts)
        return self._scorer.decide(kind, loans, inputs, np.ones(len(loans)), scored, contexts)

    def _read(self, requests: Sequence[ContactRequest], moments: Sequence[datetime]) -> InputRows:
        return self._reader.read(
            {
                "loan_id": [request.loan_id for request in requests],
                "moment": [moment.timestamp() for moment in moments],
                "channel_asked": [request.channel for request in requests],
                "point_kind_asked": [request.point_kind for request in requests],
            }
        )

    @cached_property
    def _values(self) -> AttemptValue:
        """What reaching a debtor adds, as estimated when the model was trained."""
        return AttemptValue.from_card(self._scorer.model.card.attempt_value)
