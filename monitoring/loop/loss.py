"""What a model's bids miss, in money, where the truth is known: a simulated world's.

A bid is what the month's loans are worth by the model: cash expected within five years, after fees and costs, at
the required return. The truth's bid is the same sum over the cash that the loans' traits and the market, with all
that is still to come, lead to. Between the two lies money: paid too much, or loans not won.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from features.store import FeatureDoor
from features.world import Truth, expected_recovery
from serving.pricing import valuation
from training import recovery
from training.outlook import HORIZONS
from training.package import ModelPackage


@dataclass(frozen=True)
class Bids:
    """Bids for the loans that came in a month (currency).

    Attributes
    ----------
    loans : int
    owed : float
    worth : float
        By the truth.
    bid, bid_never : float
        By the version in force, and by the one that was never retrained.
    """

    loans: int
    owed: float
    worth: float
    bid: float
    bid_never: float

    @property
    def loss(self) -> float:
        """By how much the version in force missed what the loans were worth."""
        return abs(self.bid - self.worth)

    @property
    def loss_never(self) -> float:
        """By how much the other did."""
        return abs(self.bid_never - self.worth)


def bids(door: FeatureDoor, truth: Truth, in_force: ModelPackage, never: ModelPackage,
         since: datetime, until: datetime) -> Bids:  # fmt: skip
    """Return bids for the loans that came after one moment and not after another (UTC).

    Parameters
    ----------
    door : FeatureDoor
        With marts that are up to date.
    truth : Truth
        Of the world that the lake's feeds are of.
    in_force, never : ModelPackage
    since, until : datetime
    """
    loans = recovery.charged_off(door.lake, in_force.card.source, until).filter(pl.col("cutoff") > since)
    asked = loans.with_columns(pl.col("cutoff").alias("moment"), pl.lit(0.0).alias("horizon_months_asked"))
    frame, owed = door.frame(in_force.card.service, asked), loans["balance"].to_numpy()
    known = np.column_stack([expected_recovery(truth, loans, months) for months in HORIZONS])
    curves = [known, *(_curve(package, frame) for package in (in_force, never))]
    worth, bid, bid_never = (_worth(owed, curve) for curve in curves)
    return Bids(loans.height, float(owed.sum()), worth, bid, bid_never)


def _curve(package: ModelPackage, frame: pl.DataFrame) -> np.ndarray:
    """Return expected recovery at the horizons that the truth knows too, shape (n, k)."""
    return np.column_stack(
        [package.scores(frame.with_columns(horizon_months=pl.lit(float(months)))) for months in HORIZONS]
    )


def _worth(owed: np.ndarray, curve: np.ndarray) -> float:
    """Return what to pay for loans; one that is not worth its cost is not worked."""
    given = valuation.assumptions()
    value = valuation.present_value(tuple(float(months) for months in HORIZONS), curve, given) - given.upfront
    return float((owed * np.maximum(value, 0.0)).sum())
