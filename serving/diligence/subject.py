"""What due diligence looks at: the loans of one currency with all that is known and expected of them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from serving.diligence.spread import Luck, Spread
from serving.pricing.offer import Offer
from serving.pricing.tape import PricedTape
from serving.pricing.valuation import Valued
from training.package import ModelPackage

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Subject:
    """Loans in one currency, row by row.

    Attributes
    ----------
    loans : polars.DataFrame, shape (n, ...)
        The tape's canonical columns and those of ``prices.parquet``.
    inputs : polars.DataFrame, shape (n, features)
        Model inputs.
    secured : ndarray of bool, shape (n,)
        Loans whose recovery is, in part, that of their collateral.
    valued : Valued
        Of these loans.
    luck : Luck
        How recoveries spread around their expectations, and what they share.
    totals : dict
        What ``portfolio.json`` says of the currency.
    """

    loans: pl.DataFrame
    inputs: pl.DataFrame
    secured: np.ndarray
    package: ModelPackage
    valued: Valued
    luck: Luck
    totals: dict[str, Any]

    @property
    def currency(self) -> str:
        """ISO 4217 code of all money."""
        return self.totals["currency"]

    @property
    def claim(self) -> float:
        """All that is owed, in the currency."""
        return self.totals["balance"]

    @property
    def price(self) -> float:
        """Sum of the loans' prices, in the currency."""
        return self.totals["price"]

    @cached_property
    def worth(self) -> np.ndarray:
        """Present value of each loan's net cash before cost at purchase; nothing for loans that are not worked."""
        return np.where(self.valued.worked, self.valued.worth, 0.0)

    def recovery_spread(self, chosen: np.ndarray) -> Spread:
        """Return the spread of the total recovered on chosen loans."""
        return self.luck.total(self.valued.expected, chosen)

    def worth_spread(self, chosen: np.ndarray) -> Spread:
        """Return the spread of chosen loans' worth at the required return; its mean is their price."""
        cost = np.where(self.valued.worked, self.valued.cost, 0.0)[chosen].sum()
        return self.luck.total(self.worth, chosen).less(float(cost))


def by_currency(offer: Offer, priced: PricedTape) -> list[Subject]:
    """Part a tape by currency: money of two is never added."""
    prices = pl.read_parquet(priced.prices)
    joined = pl.concat([offer.loans, prices.drop("loan_id", "currency", "balance")], how="horizontal")
    package = offer.champion.package
    secured = np.zeros(joined.height, dtype=bool)
    if offer.collateral:
        secured[offer.collateral.rows] = True
    subjects = []
    for totals in priced.portfolio["by_currency"]:
        held = (joined["currency"] == totals["currency"]).to_numpy()
        loans, valued = joined.filter(held), priced.valued.of(held)
        luck = Luck.of(priced.shapes, valued.outlook.shape, loans["region"], package.card.common_factor)
        subjects.append(Subject(loans, offer.frame.filter(held), secured[held], package, valued, luck, totals))
    return subjects
