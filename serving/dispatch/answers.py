"""What the dispatch service does, apart from HTTP: read features, score, judge, journal, answer."""

from dataclasses import replace
from datetime import date, datetime

import polars as pl

from features.home import Home
from features.online import NOBODY
from features.store import FeatureDoor, OnlineRows
from serving.dispatch import attempt_value
from serving.dispatch.attempt_value import AttemptValue
from serving.dispatch.next_contact import next_contact
from serving.journal import Journal
from serving.schemas import (
    ContactChance,
    ContactRequest,
    NextContactRequest,
    NextContactResponse,
    Slot,
    asked_moment,
)
from serving.scoring import CHAMPION, Scorer, carried, require_known
from training.package import ModelPackage


class Contacting:
    """Chances of reaching debtors that are in the online store."""

    def __init__(self, home: Home, package: ModelPackage, label: str, role: str = CHAMPION):
        self._door = FeatureDoor(home)
        self._scorer = Scorer(package, label, Journal(home), role)
        self._estimated: tuple[date, AttemptValue] | None = None

    def warm(self) -> None:
        """Read and score an attempt on a loan that there is not, so that the first question finds all in place.

        Raises
        ------
        RecoupError
            When the store was never filled.
        """
        package = self._scorer.package
        package.explain(self._rows(ContactRequest.model_validate({"loan_id": NOBODY})).frame)
        assert package.fingerprint

    def chance(self, request: ContactRequest) -> ContactChance:
        """Return the chance that one attempt reaches the debtor in person.

        Raises
        ------
        UnknownLoan
            When the store has never seen the loan.
        RecoupError
            When the store was never filled, or the journal cannot be written.
        """
        rows = self._rows(request)
        require_known([request.loan_id], rows)
        explained = self._scorer.package.explain(rows.frame)
        context = {"channel": request.channel, "point_kind": request.point_kind}
        decision = self._scorer.decide("contact", request.loan_id, rows, 0, 1.0, explained, context)
        return ContactChance(channel=request.channel, chance=decision.score, **carried(request.loan_id, decision))

    def next_contact(self, request: NextContactRequest) -> NextContactResponse:
        """Return the best lawful attempts on a debt in the next 24 hours, each a decision of its own.

        Raises
        ------
        UnknownLoan
            When the store has never seen the loan.
        NoCase
            When the loan is not charged off yet, or no case any more.
        RecoupError
            When the journal cannot be written.
        """
        moment = asked_moment(request.moment)
        read: list[OnlineRows] = []

        def features_of(asked: pl.DataFrame) -> pl.DataFrame:
            read.append(self._door.online(self._scorer.package.card.service, asked))
            require_known(asked["loan_id"].to_list(), read[-1])
            return read[-1].frame

        found = next_contact(
            self._door, self._scorer.package, self._values(moment), request.loan_id, moment, features_of
        )
        refused = found.refused.group_by("channel", "clause", maintain_order=True).len("slots").to_dicts()
        slots = []
        if not found.offered.is_empty():
            offered = found.offered.head(request.most)
            inputs = found.inputs.head(request.most)
            rows = replace(read[-1], frame=inputs, known_at=read[-1].known_at[:1] * inputs.height)
            explained = self._scorer.package.explain(inputs)
            for row, slot in enumerate(offered.to_dicts()):
                context = {"slot": slot | {"planned_at": slot["planned_at"].isoformat()}}
                decision = self._scorer.decide("next_contact", request.loan_id, rows, row, 1.0, explained, context)
                slots.append(Slot.model_validate(slot | carried(request.loan_id, decision)))
        return NextContactResponse.model_validate({"slots": slots, "refused": refused})

    def _rows(self, request: ContactRequest) -> OnlineRows:
        asked = pl.DataFrame({"loan_id": [request.loan_id]}).with_columns(
            pl.lit(asked_moment(request.moment)).alias("moment"),
            pl.lit(request.channel).alias("channel_asked"),
            pl.lit(request.point_kind).alias("point_kind_asked"),
        )
        return self._door.online(self._scorer.package.card.service, asked)

    def _values(self, moment: datetime) -> AttemptValue:
        """Return what an attempt adds, estimated once a day from what the lake holds."""
        if self._estimated is None or self._estimated[0] != moment.date():
            self._estimated = (moment.date(), attempt_value.estimate(self._door.lake, moment))
        return self._estimated[1]
