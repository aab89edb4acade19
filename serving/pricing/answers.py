"""What the pricing service does, apart from HTTP: read features, value, journal, answer."""

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from typing import Any

import numpy as np

from features import online_home
from features.errors import RecoupError
from features.home import Home
from features.marts.columns import MISSING
from features.online_rows import RowReader
from features.services import NOBODY
from serving import turn
from serving.given import Given
from serving.journal import Journal
from serving.pricing import valuation
from serving.refusals import Unfit, UnknownLoan
from serving.schemas import AtHorizon, GivenRequest, PricedLoan, PriceRequest, PriceResponse, asked_moment
from serving.scoring import CHAMPION, Inputs, Scorer, carried, require_standing
from training.outlook import ULTIMATE, Outlook
from training.row_model import RowModel, RowScores

_FEW = 4
"""As many loans are soon answered."""


class Pricing:
    """Values of loans, in the online store or as the caller describes them."""

    def __init__(self, home: Home, model: RowModel, label: str, role: str = CHAMPION):
        self._scorer = Scorer(model, label, Journal(home), role)
        self._reader = RowReader(home, model.card.columns, ["asset:currency", "asset:collateral_type"])
        self._near = online_home.near(home)
        self._checked = Given(model)
        self._given = valuation.assumptions()
        self._assumptions = self._given.model_dump()
        self._places = [model.names.index(name) for name in ("balance", "collected_share")]

    def price(self, requests: Sequence[PriceRequest]) -> list[PriceResponse | RecoupError]:
        """Value the loans that each request asks for, in their order; each loan is a decision of its own.

        Refused with `UnknownLoan`: the store has never seen a loan; `TooEarly`: the moment is before what the store
        knows.

        Raises
        ------
        RecoupError
            When the store was never filled, or the journal cannot be written.
        """
        loans = [loan_id for request in requests for loan_id in request.loan_ids]
        moments = [asked_moment(request.moment) for request in requests]
        ends = accumulate(len(request.loan_ids) for request in requests)
        rows = [range(end - len(request.loan_ids), end) for request, end in zip(requests, ends, strict=True)]
        read = self._reader.read(
            {
                "loan_id": loans,
                "moment": [moment.timestamp() for moment, own in zip(moments, rows, strict=True) for _ in own],
                "horizon_months_asked": [ULTIMATE] * len(loans),
            }
        )
        owed = self._owed(read.numbers)

        def checked(number: int) -> range:
            for place, row in enumerate(rows[number]):
                if read.unknown[row]:
                    raise UnknownLoan(loans[row], place)
                require_standing(requests[number].moment, moments[number], read.known_at[row])
                if read.also["currency"][row] is None or not math.isfinite(owed[row]):
                    raise RecoupError(f"the online store has no currency, or no finite balance, of loan {loans[row]}")
            return rows[number]

        def answered(fit: list[range]) -> Iterator[PriceResponse]:
            kept = [row for own in fit for row in own]
            told = [(loans[row], read.also["currency"][row], read.also["collateral_type"][row]) for row in kept]
            priced = iter(self._priced("price", told, Inputs.read(read).of(kept), owed[kept]))
            return (PriceResponse.model_construct(loans=list(islice(priced, len(own)))) for own in fit)

        return turn.together(checked, answered, range(len(requests)))

    def price_given(self, requests: Sequence[GivenRequest]) -> list[PricedLoan | RecoupError]:
        """Value loans by the features that the callers send.

        Refused with `Unfit`: they are not the model's inputs.

        Raises
        ------
        RecoupError
            When the journal cannot be written.
        """

        def checked(request: GivenRequest) -> tuple[GivenRequest, Inputs, np.ndarray]:
            inputs = self._checked.inputs(request.features)
            owed = self._owed(inputs.numbers)
            if not np.isfinite(owed).all():
                raise Unfit({"balance": "what is owed, balance less collected_share, must be known and finite"})
            return request, inputs, owed

        def answered(fit: list[tuple[GivenRequest, Inputs, np.ndarray]]) -> list[PricedLoan]:
            sent, inputs, owed = zip(*fit, strict=True)
            told = [(request.reference, request.currency, None) for request in sent]
            return self._priced("price_given", told, Inputs.stacked(inputs), np.concatenate(owed))

        return turn.together(checked, answered, requests)

    def small(self, request: PriceRequest | GivenRequest) -> bool:
        """Tell whether a question is soon answered."""
        return len(request.subjects()) <= _FEW

    def near(self, request: PriceRequest | GivenRequest) -> bool:
        """Tell whether its answer waits for nobody."""
        return (self._near or isinstance(request, GivenRequest)) and not self._scorer.journal.waits

    def warm(self) -> None:
        """Read and value a loan that there is not, so that the first question finds all in place.

        Raises
        ------
        RecoupError
            When the store was never filled.
        """
        row = self._reader.read({"moment": [0.0], "horizon_months_asked": [ULTIMATE], "loan_id": [NOBODY]})
        self._valued(Inputs.read(row), np.zeros(1))

    def _priced(self, kind: str, told: Sequence[tuple[str, str | None, str | None]], inputs: Inputs,
                owed: np.ndarray) -> list[PricedLoan]:  # fmt: skip
        """Value loans and journal them: each told by its id, its currency and what secures it."""
        scored, values = self._valued(inputs, owed)
        contexts = [{"value": value, "assumptions": self._assumptions} for value in values]
        decisions = self._scorer.decide(kind, [loan_id for loan_id, *_ in told], inputs, owed, scored, contexts)
        # of these very types: validation would copy them
        return [
            PricedLoan.model_construct(
                currency=currency, collateral_type=None if secured == MISSING else secured, owed=of_loan, **value,
                **carried(loan_id, decision),
            )
            for (loan_id, currency, secured), of_loan, value, decision in zip(
                told, owed.tolist(), values, decisions, strict=True
            )
        ]  # fmt: skip

    def _valued(self, inputs: Inputs, owed: np.ndarray) -> tuple[RowScores, list[dict[str, Any]]]:
        """Return the scores of loans, and their values by the names that are answered."""
        scored = self._scorer.model.explain(inputs.numbers, inputs.texts)
        assert scored.outlook is not None, "a recovery model has an outlook"
        valued = valuation.value(scored.outlook, owed, self._given)
        columns = {name: column.tolist() for name, column in valued.columns().items()}
        columns["outlook"] = _outlooks(valued.outlook)
        return scored, [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def _owed(self, numbers: np.ndarray) -> np.ndarray:
        """Return what is still owed of each loan; not finite where that cannot be told."""
        balance, collected = numbers.take(self._places, axis=1).T
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused
            return np.maximum(balance * (1 - np.where(np.isnan(collected), 0.0, collected)), 0.0)


def _outlooks(outlook: Outlook) -> list[list[AtHorizon]]:
    months = list(map(int, outlook.horizons))
    sides = (side.tolist() for side in (outlook.curve, outlook.lower, outlook.upper))
    return [list(map(AtHorizon, months, *of_loan)) for of_loan in zip(*sides, strict=True)]
