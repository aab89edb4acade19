"""The spread model: how high a loan's recovery may come, as a multiple of what is usual at its horizon.

One quantile regression on all horizons lived. Rates are put over their horizon's own quantile first, so
that young vintages, which show short horizons only, do not look more or less certain than old ones; the
model itself does not see the horizon, and answers once for all of them.
"""

from typing import Any

import numpy as np
import polars as pl
from catboost import CatBoost

from training.curve import HorizonCurve
from training.distribution import Distribution
from training.ensemble import MACHINE
from training.learner import Learner
from training.outlook import ULTIMATE
from training.package import to_pool

_QUANTILE = 0.85
"""Calibration adds the rest to 90 %; further out a quantile is too noisy to learn from few loans."""
_FOLDS = 5
_MOST_ROWS = 20_000
_PARAMETERS: dict[str, Any] = {
    "loss_function": f"Quantile:alpha={_QUANTILE}",
    "iterations": 300,
    "learning_rate": 0.05,
    "depth": 4,
    "l2_leaf_reg": 10,
    "rsm": 0.5,
    "boosting_type": "Plain",
    "ignored_features": ["horizon_months"],
}


def fit(learner: Learner, part: np.ndarray, curve: HorizonCurve) -> tuple[CatBoost, Distribution]:
    """Fit the spread model on a part of the rows, and calibrate what it says of loans out of fold.

    Parameters
    ----------
    learner : Learner
    part : ndarray of bool, shape (n,)
    curve : HorizonCurve
        Of the part.
    """
    rows, frame = learner.rows.filter(part), learner.frame.filter(part)
    asked, realised = (rows[name].to_numpy() for name in ("horizon_months_asked", "target"))
    first = _among(rows, pl.col("moment") == pl.col("moment").min().over("entity"))
    # one horizon of a loan tells little that its longest does not
    longest = pl.col("horizon_months_asked").max().over("entity", "moment")
    latest = _among(rows, pl.col("horizon_months_asked") == longest)
    horizons, scales = _scales(asked[first], realised[first], curve)
    relative = realised / scales[np.searchsorted(horizons, asked)]
    place = rows["entity"].hash(seed=learner.seed).to_numpy()
    taught, fold = latest & (place / 2**64 <= _MOST_ROWS / latest.sum()), place % _FOLDS

    def fitted(chosen: np.ndarray) -> CatBoost:
        pool = to_pool(frame.filter(chosen), learner.categories, relative[chosen])
        return CatBoost(MACHINE | _PARAMETERS | {"random_seed": learner.seed}).fit(pool)

    spread = np.ones(len(place))
    for held_out in np.unique(fold):
        apart = first & (fold == held_out)
        without = fitted(taught & (fold != held_out))
        spread[apart] = without.predict(to_pool(frame.filter(apart), learner.categories))
    return fitted(taught), Distribution.calibrate(horizons, scales, asked[first], spread[first], realised[first])


def _among(rows: pl.DataFrame, chosen: pl.Expr) -> np.ndarray:
    """Return a mask of the rows, shape (n,)."""
    return rows.select(chosen).to_series().to_numpy()


def _scales(asked: np.ndarray, realised: np.ndarray, curve: HorizonCurve) -> tuple[np.ndarray, np.ndarray]:
    """Return the horizons with the ultimate, and what is usual at each: the upper quantile of the rate.

    It is at least the mean, where next to nobody has paid yet; the ultimate's grows as the mean does.
    """
    lived = curve.horizons
    usual = np.array([np.quantile(realised[asked == horizon], _QUANTILE) for horizon in lived])
    scales = np.maximum.accumulate(np.maximum(usual, curve.shares))
    if lived[-1] >= ULTIMATE:
        return lived, scales
    growth = curve.at(np.array([ULTIMATE])) / curve.shares[-1]
    return np.append(lived, ULTIMATE), np.append(scales, scales[-1] * growth)
