"""Other methods on the same rows, each in a form that suits it: what the chosen model is measured against.

Parameters are those of shallow, slow learners with much shrinkage, which is what thin tails over few rows
ask for; none was tuned on a test. Libraries are imported at use.
"""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from training.baselines import one_hot
from training.ensemble import MACHINE

_NIL = 0.01
"""A rate up to it counts as nothing paid."""
_TREES = 200
_SEED = 7


def forest(train: pl.DataFrame, target: np.ndarray, test: pl.DataFrame) -> np.ndarray:
    """Return a random forest's predictions, shape (n,)."""
    from sklearn.ensemble import RandomForestRegressor

    model = RandomForestRegressor(300, min_samples_leaf=20, max_features=0.33, n_jobs=2, random_state=_SEED)
    fitted = one_hot(train, model).fit(train.to_pandas(), target)
    return fitted.predict(test.to_pandas())


def lightgbm(train: pl.DataFrame, target: np.ndarray, test: pl.DataFrame) -> np.ndarray:
    """Return LightGBM's predictions, shape (n,); categories as such."""
    from lightgbm import LGBMRegressor

    known, asked = _leveled(train, test)
    return np.asarray(LGBMRegressor(**_lightgbm()).fit(known, target).predict(asked))


def lightgbm_chance(train: pl.DataFrame, target: np.ndarray, test: pl.DataFrame) -> np.ndarray:
    """Return LightGBM's chances, shape (n,)."""
    from lightgbm import LGBMClassifier

    known, asked = _leveled(train, test)
    return np.asarray(LGBMClassifier(**_lightgbm()).fit(known, target).predict_proba(asked))[:, 1]


def xgboost(train: pl.DataFrame, target: np.ndarray, test: pl.DataFrame) -> np.ndarray:
    """Return XGBoost's predictions, shape (n,); categories as such."""
    from xgboost import XGBRegressor

    known, asked = _leveled(train, test)
    return XGBRegressor(**_xgboost()).fit(known, target).predict(asked)


def xgboost_chance(train: pl.DataFrame, target: np.ndarray, test: pl.DataFrame) -> np.ndarray:
    """Return XGBoost's chances, shape (n,)."""
    from xgboost import XGBClassifier

    known, asked = _leveled(train, test)
    return XGBClassifier(**_xgboost()).fit(known, target).predict_proba(asked)[:, 1]


def cubist(train: pl.DataFrame, target: np.ndarray, test: pl.DataFrame) -> np.ndarray:
    """Return Cubist's predictions, shape (n,): committees of rules with linear models."""
    from cubist import Cubist

    known, asked = (
        frame.assign(**{name: frame[name].astype(object) for name in frame.select_dtypes("category")})
        for frame in _leveled(train, test)
    )
    return np.asarray(Cubist(n_committees=10, random_state=_SEED).fit(known, pd.Series(target)).predict(asked))


def hurdle(train: pl.DataFrame, target: np.ndarray, test: pl.DataFrame) -> np.ndarray:
    """Return a two-stage model's predictions, shape (n,): the chance to pay at all, times how much then.

    Both stages are CatBoost's. The product of two sums of trees is no sum of trees (docs/adr/0010).
    """
    from catboost import CatBoostClassifier, CatBoostRegressor

    known, asked = _leveled(train, test)
    parameters: dict[str, Any] = MACHINE | {
        "iterations": 250, "depth": 4, "learning_rate": 0.03, "l2_leaf_reg": 20, "rsm": 0.5, "random_seed": _SEED,
        "cat_features": list(known.select_dtypes("category")),
    }  # fmt: skip
    known, asked = (
        frame.assign(**{name: frame[name].astype(str) for name in parameters["cat_features"]})
        for frame in (known, asked)
    )
    pays = target > _NIL
    chance = CatBoostClassifier(**parameters).fit(known, pays).predict_proba(asked)[:, 1]
    size = CatBoostRegressor(**parameters).fit(known[pays], target[pays]).predict(asked)
    return chance * size + (1 - chance) * target[~pays].mean()


RECOVERY = {
    "forest": forest, "lightgbm": lightgbm, "xgboost": xgboost, "cubist": cubist, "hurdle": hurdle,
}  # fmt: skip
CONTACT = {"lightgbm": lightgbm_chance, "xgboost": xgboost_chance}


def _lightgbm() -> dict[str, Any]:
    return {
        "n_estimators": _TREES, "learning_rate": 0.03, "num_leaves": 12, "min_child_samples": 40,
        "colsample_bytree": 0.5, "subsample": 0.7, "subsample_freq": 1, "reg_lambda": 10.0, "n_jobs": 1,
        "verbose": -1, "random_state": _SEED,
    }  # fmt: skip


def _xgboost() -> dict[str, Any]:
    return {
        "n_estimators": _TREES, "learning_rate": 0.03, "max_depth": 4, "min_child_weight": 30,
        "colsample_bytree": 0.5, "subsample": 0.7, "reg_lambda": 10.0, "n_jobs": 1, "random_state": _SEED,
        "enable_categorical": True,
    }  # fmt: skip


def _leveled(train: pl.DataFrame, test: pl.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return both frames with categories of the training rows' levels, without columns that say nothing."""
    said = [name for name in train.columns if train[name].n_unique() > 1]
    known, asked = train.select(said).to_pandas(), test.select(said).to_pandas()
    for name in said:
        if train.schema[name] == pl.String:
            levels = pd.CategoricalDtype(sorted(train[name].unique()))
            known[name], asked[name] = known[name].astype(levels), asked[name].astype(levels)
    return known, asked
