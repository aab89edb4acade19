"""What the dispatch service does, apart from HTTP: read features, score, judge, journal, answer."""

from contextlib import AbstractContextManager
from datetime import datetime
from functools import cached_property

import polars as pl

from features import online_home
from features.home import Home
from features.online_row import OnlineRow, RowReader
from features.services import NOBODY
from features.store import FeatureDoor, OnlineRows
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
from serving.scoring import CHAMPION, Inputs, Scorer, carried, require_standing
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
        row = self._row(ContactRequest.model_validate({"loan_id": NOBODY}), asked_moment(None))
        self._scorer.model.explain(row.numbers, row.texts)

    def at_once(self, request: ContactRequest | NextContactRequest) -> bool:
        """Tell whether a question is answered sooner than a thread begins."""
        return self._near and isinstance(request, ContactRequest)

    def together(self) -> AbstractContextManager[None]:
        """Give a block in which this thread answers several questions; see `Scorer.together`."""
        return self._scorer.together(self._reader)

    def chance(self, request: ContactRequest) -> ContactChance:
        """Return the chance that one attempt reaches the debtor in person.

        Raises
        ------
        UnknownLoan
            When the store has never seen the loan.
        TooEarly
            When the moment is before what the store knows.
        RecoupError
            When the store was never filled, or the journal cannot be written.
        """
        moment = asked_moment(request.moment)
        row = self._row(request, moment)
        if row.unknown:
            raise UnknownLoan(request.loan_id, 0)
        require_standing(request.moment, moment, row.known_at)
        scored = self._scorer.model.explain(row.numbers, row.texts)
        context = {"channel": request.channel, "point_kind": request.point_kind}
        decision = self._scorer.decide("contact", request.loan_id, Inputs.read(row), 1.0, scored, context)
        answered = carried(request.loan_id, decision)
        return ContactChance.model_construct(channel=request.channel, chance=decision.score, **answered)

    def next_contact(self, request: NextContactRequest) -> NextContactResponse:
        """Return the best lawful attempts on a debt in the next 24 hours, each a decision of its own.

        Raises
        ------
        UnknownLoan
            When the store has never seen the loan.
        TooEarly
            When the moment is before what the store knows.
        NoCase
            When the loan is not charged off yet, or no case any more.
        RecoupError
            When the journal cannot be written.
        """
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
        slots: list[Slot] = []
        if found.offered.is_empty():
            return NextContactResponse.model_validate({"slots": slots, "refused": refused})
        offered, frame = (table.head(request.most).to_dicts() for table in (found.offered, found.inputs))
        with self._scorer.journal.together():
            for slot, values in zip(offered, frame, strict=True):
                inputs = Inputs(*self._scorer.model.inputs(values), read[-1].known_at[0], read[-1].stale)
                scored = self._scorer.model.explain(inputs.numbers, inputs.texts)
                context = {"slot": slot | {"planned_at": slot["planned_at"].isoformat()}}
                decision = self._scorer.decide("next_contact", request.loan_id, inputs, 1.0, scored, context)
                slots.append(Slot.model_validate(slot | carried(request.loan_id, decision)))
        return NextContactResponse.model_validate({"slots": slots, "refused": refused})

    def _row(self, request: ContactRequest, moment: datetime) -> OnlineRow:
        return self._reader.read(
            {
                "loan_id": request.loan_id,
                "moment": moment.timestamp(),
                "channel_asked": request.channel,
                "point_kind_asked": request.point_kind,
            }
        )

    @cached_property
    def _values(self) -> AttemptValue:
        """What reaching a debtor adds, as estimated when the model was trained."""
        return AttemptValue.from_card(self._scorer.model.card.attempt_value)
