"""From recovery rates over time to money: net cash, present value, price.

Cumulative recovery at the model's horizons is turned into cash between them, which is taken to
arrive evenly and is discounted from the middle of each interval at the required return.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from features.errors import RecoupError
from training.package import ModelPackage

DEFAULT = Path(__file__).parent / "assumptions.yaml"
ULTIMATE = 120.0
_CURVE = (6.0, 12.0, 24.0, 36.0, 60.0)


class Assumptions(BaseModel):
    """What a price rests on besides the model; see ``assumptions.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    required_return: float = Field(gt=-0.5, lt=10)
    collection_cost_share: float = Field(ge=0, lt=1)
    half_recovered_after: float = Field(gt=0)


@dataclass(frozen=True)
class Valued:
    """Values of n loans; rates are shares of what is owed, money is in each loan's currency.

    Attributes
    ----------
    rate, lower, upper : ndarray, shape (n,)
        Expected ultimate recovery rate and its 90 % interval.
    expected, npv, price : ndarray, shape (n,)
        Expected recovery; present value of net cash; what to pay, never below zero.
    curve : ndarray, shape (n, horizons)
        Cumulative recovery rate at `horizons` (months).
    """

    rate: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    expected: np.ndarray
    npv: np.ndarray
    price: np.ndarray
    curve: np.ndarray
    horizons: tuple[float, ...]

    def columns(self) -> dict[str, np.ndarray]:
        """Return the values of each loan under the names that prices are published by."""
        return {
            "recovery_rate": self.rate,
            "recovery_rate_lower": self.lower,
            "recovery_rate_upper": self.upper,
            "expected_recovery": self.expected,
            "npv": self.npv,
            "price": self.price,
        }


def assumptions(path: Path | None = None) -> Assumptions:
    """Read assumptions.

    Raises
    ------
    RecoupError
        When the file is missing or a value makes no sense.
    """
    path = path or DEFAULT
    try:
        return Assumptions.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise RecoupError(f"assumptions {path}: {error}") from error


def value(package: ModelPackage, frame: pl.DataFrame, owed: np.ndarray, given: Assumptions,
          rate: np.ndarray | None = None, threads: int = 1) -> Valued:  # fmt: skip
    """Value loans.

    Parameters
    ----------
    package : ModelPackage
        A recovery model.
    frame : polars.DataFrame, shape (n, features)
        Its inputs, at the ultimate horizon.
    owed : ndarray, shape (n,)
        What each debtor still owes, in the loan's currency.
    given : Assumptions
    rate : ndarray, shape (n,), optional
        The model's scores of ``frame``, where they are at hand.
    threads : int
    """
    rate = package.scores(frame, threads) if rate is None else rate
    horizons, curve = _curve(package, frame, rate, given, threads)
    lower, upper = package.interval(rate)
    npv = owed * present_value(horizons, curve, given)
    return Valued(rate, lower, upper, rate * owed, npv, np.maximum(npv, 0.0), curve, horizons)


def present_value(horizons: tuple[float, ...], curve: np.ndarray, given: Assumptions) -> np.ndarray:
    """Return the present value of net cash per unit owed, shape (n,).

    Examples
    --------
    >>> free = Assumptions(required_return=0.0, collection_cost_share=0.25, half_recovered_after=12)
    >>> present_value((12.0, 24.0), np.array([[0.1, 0.2]]), free).round(3).tolist()
    [0.15]
    """
    starts = np.array((0.0, *horizons[:-1]))
    middles = (starts + np.array(horizons)) / 2 / 12
    discount = (1 + given.required_return) ** -middles
    cash = np.diff(curve, axis=1, prepend=0.0) * (1 - given.collection_cost_share)
    return cash @ discount


def _curve(package: ModelPackage, frame: pl.DataFrame, rate: np.ndarray, given: Assumptions,
           threads: int) -> tuple[tuple[float, ...], np.ndarray]:  # fmt: skip
    """Return cumulative rates: the model's own, or the assumed timing of a model with one horizon."""
    if len(package.card.horizons) > 1:
        known = tuple(h for h in _CURVE if h <= max(package.card.horizons))
        ahead = [package.scores(frame.with_columns(pl.lit(h).alias("horizon_months")), threads) for h in known]
        return (*known, ULTIMATE), np.column_stack([*ahead, rate])
    horizons = (*_CURVE, ULTIMATE)
    share = 1 - 0.5 ** (np.array(horizons) / given.half_recovered_after)
    return horizons, np.outer(rate, share / share[-1])
