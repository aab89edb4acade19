"""What a model has to beat: no knowledge, and a linear model on the same inputs."""

import numpy as np
import polars as pl
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

_RAREST = 20
_MOST_LEVELS = 13
"""A number that takes so few values, such as a month or a weekday, is no quantity to a linear model."""


def constant(train_target: np.ndarray, rows: int) -> np.ndarray:
    """Return the training mean for every row."""
    return np.full(rows, train_target.mean())


def ridge(train: pl.DataFrame, target: np.ndarray, test: pl.DataFrame) -> np.ndarray:
    """Return ridge regression's predictions, shape (n,)."""
    return one_hot(train, Ridge(alpha=10.0)).fit(train.to_pandas(), target).predict(test.to_pandas())


def logistic(train: pl.DataFrame, target: np.ndarray, test: pl.DataFrame) -> np.ndarray:
    """Return logistic regression's chances, shape (n,)."""
    model = one_hot(train, LogisticRegression(max_iter=1000))
    return model.fit(train.to_pandas(), target).predict_proba(test.to_pandas())[:, 1]


def one_hot(train: pl.DataFrame, estimator: BaseEstimator) -> Pipeline:
    """Return a model that takes numbers only, behind what makes numbers of all inputs: levels as levels."""
    filled = [name for name in train.columns if train[name].null_count() < train.height]
    levels = [name for name in filled if train.schema[name] == pl.String or train[name].n_unique() <= _MOST_LEVELS]
    numbers = [name for name in filled if name not in levels]
    return make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), numbers),
            (OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=_RAREST), levels),
        ),
        estimator,
    )
