"""What the pricing service does, apart from HTTP: read features, value, journal, answer."""

import math
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from features import online_home
from features.errors import RecoupError
from features.home import Home
from features.marts.columns import MISSING
from features.online_row import RowReader
from features.services import NOBODY
from serving.given import Given
from serving.journal import Journal
from serving.pricing import valuation
from serving.refusals import Unfit, UnknownLoan
from serving.schemas import AtHorizon, GivenRequest, PricedLoan, PriceRequest, PriceResponse, asked_moment
from serving.scoring import CHAMPION, Inputs, Scorer, carried, require_standing
from training.outlook import ULTIMATE, Outlook
from training.row_model import RowModel

_FEW = 4
"""As many loans are answered sooner than a thread begins."""


class Pricing:
    """Values of loans, in the online store or as the caller describes them."""

    def __init__(self, home: Home, model: RowModel, label: str, role: str = CHAMPION):
        self._scorer = Scorer(model, label, Journal(home), role)
        self._reader = RowReader(home, model.card.columns, ["asset:currency", "asset:collateral_type"])
        self._near = online_home.near(home) and not self._scorer.journal.waits
        self._checked = Given(model)
        self._given = valuation.assumptions()
        self._assumptions = self._given.model_dump()
        self._places = [model.names.index(name) for name in ("balance", "collected_share")]

    def price(self, request: PriceRequest) -> PriceResponse:
        """Value the loans asked, in their order; each is a decision of its own.

        Raises
        ------
        UnknownLoan
            When the store has never seen a loan.
        TooEarly
            When the moment is before what the store knows.
        RecoupError
            When the store was never filled, or the journal cannot be written.
        """
        moment = asked_moment(request.moment)
        asked = {"moment": moment.timestamp(), "horizon_months_asked": ULTIMATE}
        rows = [self._reader.read(asked | {"loan_id": loan_id}) for loan_id in request.loan_ids]
        for place, (loan_id, row) in enumerate(zip(request.loan_ids, rows, strict=True)):
            if row.unknown:
                raise UnknownLoan(loan_id, place)
            require_standing(request.moment, moment, row.known_at)
        with self._scorer.journal.together():
            priced = [
                self._priced(
                    "price", loan_id, row.also["currency"], _known(row.also["collateral_type"]), Inputs.read(row)
                )
                for loan_id, row in zip(request.loan_ids, rows, strict=True)
            ]
        return PriceResponse.model_construct(loans=priced)

    def price_given(self, request: GivenRequest) -> PricedLoan:
        """Value a loan by the features that the caller sends.

        Raises
        ------
        Unfit
            When they are not the model's inputs.
        RecoupError
            When the journal cannot be written.
        """
        inputs = self._checked.inputs(request.features)
        if not math.isfinite(self._owed(inputs)):
            raise Unfit({"balance": "what is owed, balance less collected_share, must be known and finite"})
        return self._priced("price_given", request.reference, request.currency, None, inputs)

    def at_once(self, request: PriceRequest | GivenRequest) -> bool:
        """Tell whether a question is answered sooner than a thread begins."""
        return self._near and len(request.subjects()) <= _FEW

    def together(self) -> AbstractContextManager[None]:
        """Give a block in which this thread answers several questions; see `Scorer.together`."""
        return self._scorer.together(self._reader)

    def warm(self) -> None:
        """Read and value a loan that there is not, so that the first question finds all in place.

        Raises
        ------
        RecoupError
            When the store was never filled.
        """
        row = self._reader.read({"moment": 0.0, "horizon_months_asked": ULTIMATE, "loan_id": NOBODY})
        scored = self._scorer.model.explain(row.numbers, row.texts)
        assert scored.outlook is not None
        valuation.value(scored.outlook, np.zeros(1), self._given)

    def _priced(self, kind: str, loan_id: str, currency: str | None, collateral: str | None,
                inputs: Inputs) -> PricedLoan:  # fmt: skip
        """Value one loan and journal it."""
        if currency is None:
            raise RecoupError(f"the online store has no currency of the loan {loan_id}: nothing can be said in money")
        scored = self._scorer.model.explain(inputs.numbers, inputs.texts)
        assert scored.outlook is not None, "a recovery model has an outlook"
        owed = self._owed(inputs)
        valued = valuation.value(scored.outlook, np.array([owed]), self._given)
        value: dict[str, Any] = {name: column.item() for name, column in valued.columns().items()}
        value["outlook"] = _outlook(valued.outlook)
        context = {"value": value, "assumptions": self._assumptions}
        decision = self._scorer.decide(kind, loan_id, inputs, owed, scored, context)
        # of these very types: validation would copy them
        return PricedLoan.model_construct(
            currency=currency, collateral_type=collateral, owed=owed, **value, **carried(loan_id, decision)
        )

    def _owed(self, inputs: Inputs) -> float:
        """Return what is still owed; NaN where the balance is unknown."""
        balance, collected = inputs.numbers.take(self._places).tolist()
        return max(balance * (1 - (collected if collected == collected else 0.0)), 0.0)


def _known(category: str | None) -> str | None:
    return None if category == MISSING else category


def _outlook(outlook: Outlook) -> list[AtHorizon]:
    sides = (side[0].tolist() for side in (outlook.curve, outlook.lower, outlook.upper))
    return [
        AtHorizon(int(months), rate, lower, upper)
        for months, rate, lower, upper in zip(outlook.horizons, *sides, strict=True)
    ]
