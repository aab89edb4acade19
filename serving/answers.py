"""What the scoring services do, apart from HTTP: read features, score, journal, answer."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from features.home import Home
from features.store import FeatureDoor, OnlineRows
from serving import valuation
from serving.journal import Journal
from serving.schemas import ContactChance, ContactRequest, PricedLoan, PriceRequest, PriceResponse, ReasonCode
from serving.scoring import Decision, Scorer, require_known
from serving.valuation import ULTIMATE
from training.package import ModelPackage


class Pricing:
    """Values of loans that are in the online store."""

    def __init__(self, home: Home, package: ModelPackage, label: str):
        self._door = FeatureDoor(home)
        self._scorer = Scorer(package, label, Journal(home))
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
        valued = valuation.value(package, rows.frame, owed, self._given, explained.scores)
        answers = []
        for row, loan_id in enumerate(request.loan_ids):
            value = {name: float(column[row]) for name, column in valued.columns().items()}
            context = {"value": value, "assumptions": self._given.model_dump()}
            decision = self._scorer.decide("price", loan_id, rows, row, float(owed[row]), explained, context)
            answers.append(
                PricedLoan(
                    currency=rows.also["currency"][row],
                    owed=float(owed[row]),
                    **value,
                    **_carried(loan_id, decision),
                )
            )
        return PriceResponse(loans=answers)

    def _read(self, request: PriceRequest) -> OnlineRows:
        asked = pl.DataFrame({"loan_id": request.loan_ids}).with_columns(
            pl.lit(request.moment or datetime.now(UTC)).dt.convert_time_zone("UTC").alias("moment"),
            pl.lit(ULTIMATE).alias("horizon_months_asked"),
        )
        rows = self._door.online(self._scorer.package.card.service, asked, also=["asset:currency"])
        require_known(request.loan_ids, rows)
        return rows


class Contacting:
    """Chances of reaching debtors that are in the online store."""

    def __init__(self, home: Home, package: ModelPackage, label: str):
        self._door = FeatureDoor(home)
        self._scorer = Scorer(package, label, Journal(home))

    def chance(self, request: ContactRequest) -> ContactChance:
        """Return the chance that one attempt reaches the debtor in person.

        Raises
        ------
        UnknownLoan
            When the store has never seen the loan.
        RecoupError
            When the store was never filled, or the journal cannot be written.
        """
        asked = pl.DataFrame({"loan_id": [request.loan_id]}).with_columns(
            pl.lit(request.moment or datetime.now(UTC)).dt.convert_time_zone("UTC").alias("moment"),
            pl.lit(request.channel).alias("channel_asked"),
            pl.lit(request.point_kind).alias("point_kind_asked"),
        )
        rows = self._door.online(self._scorer.package.card.service, asked)
        require_known([request.loan_id], rows)
        explained = self._scorer.package.explain(rows.frame)
        context = {"channel": request.channel, "point_kind": request.point_kind}
        decision = self._scorer.decide("contact", request.loan_id, rows, 0, 1.0, explained, context)
        return ContactChance(
            channel=request.channel, chance=decision.score, **_carried(request.loan_id, decision)
        )


def _carried(loan_id: str, decision: Decision) -> dict[str, Any]:
    """Return what every answer carries."""
    return {
        "decision_id": decision.decision_id,
        "loan_id": loan_id,
        "model_version": decision.model_version,
        "base_effect": decision.base_effect,
        "reasons": [ReasonCode(**vars(reason)) for reason in decision.reasons],
        "other_effect": decision.other_effect,
        "features_known_at": decision.known_at,
        "stale": decision.stale,
    }
