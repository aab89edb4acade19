"""A portfolio as a distribution: recovery by horizon, value at the required return, what to bid, what can be lost.

Amounts are of one currency: a tape in several has a distribution for each, and they are never added.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from serving.pricing import scenarios, valuation
from serving.pricing.scenarios import Exposures
from serving.pricing.valuation import Assumptions, Valued

LOWER, UPPER = 0.05, 0.95
"""Ends of the 90 % interval."""
PROBABILITIES = np.round(np.arange(0.05, 1.0, 0.05), 2)


@dataclass(frozen=True)
class Worked:
    """Loans taken as one: what is owed, and the share of it that comes by each horizon, shape (1, k)."""

    owed: float
    horizons: tuple[float, ...]
    curve: np.ndarray
    auctioned: np.ndarray | None

    @classmethod
    def of(cls, valued: Valued, owed: np.ndarray, held: np.ndarray) -> "Worked":
        """Take those of n loans that are worth working, among ``held``, a mask of shape (n,)."""
        here = held & valued.worked
        total = float(owed[here].sum())

        def mean(curve: np.ndarray) -> np.ndarray:
            return (curve[here] * owed[here, None]).sum(axis=0, keepdims=True) / max(total, 1e-300)

        auctioned = None if valued.auctioned is None else mean(valued.auctioned)
        return cls(total, valued.horizons, mean(valued.curve), auctioned)

    def returns(self, prices: np.ndarray, given: Assumptions) -> np.ndarray:
        """Return the internal rate of return per year at prices, shape (m,), when cash comes as expected.

        NaN where there is none; see `valuation.return_at`.
        """
        if not self.owed:
            return np.full(len(prices), np.nan)
        curve = np.repeat(self.curve, len(prices), axis=0)
        auctioned = None if self.auctioned is None else np.repeat(self.auctioned, len(prices), axis=0)
        return valuation.return_at(prices, np.full(len(prices), self.owed), self.horizons, curve, given, auctioned)


@dataclass(frozen=True)
class Distribution:
    """A portfolio in one currency.

    Attributes
    ----------
    balance : float
        What is owed.
    horizons : tuple of float, length k
        Months ahead.
    expected : ndarray, shape (k,)
        Expected cash by each horizon.
    cash : ndarray, shape (scenarios, k)
        The same in each scenario.
    price : float
        Sum of the loans' prices: the expected present value of net cash from loans worth working.
    value : ndarray, shape (scenarios,)
        That present value in each scenario.
    worked : Worked
        The loans worth working.
    """

    balance: float
    horizons: tuple[float, ...]
    expected: np.ndarray
    cash: np.ndarray
    price: float
    value: np.ndarray
    worked: Worked


def distribute(valued: Valued, owed: np.ndarray, region: pl.Series, shapes: np.ndarray, factor: dict[str, float],
               count: int = scenarios.SCENARIOS) -> Distribution:  # fmt: skip
    """Draw a portfolio of n loans in one currency.

    Parameters
    ----------
    valued : Valued
    owed : ndarray, shape (n,)
    region : polars.Series, length n
        Of the debtors: loans in one region share its luck.
    shapes : ndarray, shape (groups, levels)
        See `training.package.ModelPackage.shapes`.
    factor : dict
        See `training.common_factor.estimate`; empty for loans that share nothing.
    count : int
        Scenarios.
    """
    cash, worked = valued.curve * owed[:, None], valued.worked
    money = np.column_stack([cash, np.where(worked, valued.worth, 0.0)])
    loans = Exposures(money, scenarios.numbered(region), valued.outlook.shape, shapes)
    totals = scenarios.simulate(loans, factor.get("national", 0.0), factor.get("regional", 0.0), count)
    return Distribution(
        float(owed.sum()), valued.horizons, cash.sum(axis=0), totals[:, :-1], float(valued.price.sum()),
        totals[:, -1] - valued.cost[worked].sum(), Worked.of(valued, owed, worked),
    )  # fmt: skip


def summary(portfolio: Distribution, given: Assumptions) -> dict[str, Any]:
    """Return what a desk reads, in plain numbers.

    Returns
    -------
    dict
        ``recovery``: by horizon the expected cash and its 90 % interval. ``value``: the same of the
        present value of net cash at the required return. ``value_at_risk``, ``expected_shortfall``:
        what is lost against the price in the worst scenarios, 5 % and 1 % of them. ``bid_curve``:
        by probability of reaching the required return the price that reaches it, and what that price
        returns when cash comes as expected.
    """
    balance, loss = portfolio.balance, portfolio.price - portfolio.value
    return {
        "scenarios": len(loss),
        "recovery": [
            {"months": int(months)} | _spread(portfolio.cash[:, place], portfolio.expected[place], balance)
            for place, months in enumerate(portfolio.horizons)
        ],
        "value": _spread(portfolio.value, portfolio.price, balance),
        "value_at_risk": {level: float(np.quantile(loss, part)) for level, part in (("95", 0.95), ("99", 0.99))},
        "expected_shortfall": {level: _beyond(loss, part) for level, part in (("95", 0.95), ("99", 0.99))},
        "bid_curve": _bids(portfolio, given),
    }


def table(portfolio: Distribution, currency: str) -> pl.DataFrame:
    """Return the scenarios: ``currency``, ``scenario``, cash by each horizon and ``value``."""
    cash = {f"cash_{int(months)}m": portfolio.cash[:, place] for place, months in enumerate(portfolio.horizons)}
    drawn = pl.DataFrame({"scenario": np.arange(len(portfolio.value))} | cash | {"value": portfolio.value})
    return drawn.insert_column(0, pl.Series("currency", [currency]).new_from_index(0, drawn.height))


def _bids(portfolio: Distribution, given: Assumptions) -> list[dict[str, float | None]]:
    prices = np.maximum(np.quantile(portfolio.value, 1 - PROBABILITIES), 0.0)
    returns = portfolio.worked.returns(prices, given)
    return [
        {
            "probability": float(probability),
            "price": float(price),
            "price_share": float(price / portfolio.balance),
            "expected_return": None if np.isnan(rate) else float(rate),
        }
        for probability, price, rate in zip(PROBABILITIES, prices, returns, strict=True)
    ]


def _spread(drawn: np.ndarray, expected: float, balance: float) -> dict[str, float]:
    money = {"expected": float(expected)} | dict(
        zip(("lower", "upper"), np.quantile(drawn, (LOWER, UPPER)).tolist(), strict=True)
    )
    return money | {f"{name}_share": amount / balance for name, amount in money.items()}


def _beyond(loss: np.ndarray, part: float) -> float:
    """Return the mean loss in the worst scenarios."""
    worst = np.sort(loss)[int(np.floor(part * len(loss))) :]
    return float(worst.mean())
