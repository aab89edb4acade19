"""What the pricing service does, apart from HTTP: read features, value, journal, answer."""

from typing import Any

import numpy as np
import polars as pl

from features.home import Home
from features.online import NOBODY
from features.store import FeatureDoor, OnlineRows
from serving.journal import Journal
from serving.pricing import valuation
from serving.schemas import PricedLoan, PriceRequest, PriceResponse, asked_moment
from serving.scoring import CHAMPION, Scorer, carried, require_known
from training.outlook import ULTIMATE, Outlook
from training.package import ModelPackage


class Pricing:
    """Values of loans that are in the online store."""

    def __init__(self, home: Home, package: ModelPackage, label: str, role: str = CHAMPION):
        self._door = FeatureDoor(home)
        self._scorer = Scorer(package, label, Journal(home), role)
        self._given = valuation.assumptions()

    def price(self, request: PriceRequest) -> PriceResponse:
        """Value the loans asked, in their order; each is a decision of its own.

        Raises
        ------
        UnknownLoan
            When the store has never seen a loan.
        RecoupError
            When the store was never filled, or the journal cannot be written.
        """
        rows = self._read(request)
        package = self._scorer.package
        explained = package.explain(rows.frame)
        share = 1 - rows.frame["collected_share"].fill_null(0.0)
        owed = (rows.frame["balance"] * share).clip(0.0).to_numpy()
        valued = valuation.value(package.outlook(rows.frame), owed, self._given, explained.scores)
        answers = []
        for row, loan_id in enumerate(request.loan_ids):
            value: dict[str, Any] = {name: float(column[row]) for name, column in valued.columns().items()}
            value |= {"outlook": _outlook(valued.outlook, row)}
            context = {"value": value, "assumptions": self._given.model_dump()}
            decision = self._scorer.decide("price", loan_id, rows, row, float(owed[row]), explained, context)
            answers.append(
                PricedLoan.model_validate(
                    {"currency": rows.also["currency"][row], "owed": float(owed[row])}
                    | value
                    | carried(loan_id, decision)
                )
            )
        return PriceResponse(loans=answers)

    def warm(self) -> None:
        """Read and value a loan that there is not, so that the first question finds all in place.

        Raises
        ------
        RecoupError
            When the store was never filled.
        """
        rows = self._rows(PriceRequest(loan_ids=[NOBODY], moment=None))
        package = self._scorer.package
        explained = package.explain(rows.frame)
        valuation.value(package.outlook(rows.frame), np.zeros(1), self._given, explained.scores)
        assert package.fingerprint

    def _read(self, request: PriceRequest) -> OnlineRows:
        rows = self._rows(request)
        require_known(request.loan_ids, rows)
        return rows

    def _rows(self, request: PriceRequest) -> OnlineRows:
        asked = pl.DataFrame({"loan_id": request.loan_ids}).with_columns(
            pl.lit(asked_moment(request.moment)).alias("moment"),
            pl.lit(ULTIMATE).alias("horizon_months_asked"),
        )
        return self._door.online(self._scorer.package.card.service, asked, also=["asset:currency"])


def _outlook(outlook: Outlook, row: int) -> list[dict[str, float]]:
    return [
        {"months": int(months), "rate": float(rate), "lower": float(lower), "upper": float(upper)}
        for months, rate, lower, upper in zip(
            outlook.horizons, outlook.curve[row], outlook.lower[row], outlook.upper[row], strict=True
        )
    ]
