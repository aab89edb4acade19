"""Predictions of rows by models that have not seen them, for estimates that lean on such models."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from training.ensemble import MACHINE
from training.package import to_pool

_TREES = MACHINE | {"iterations": 80, "depth": 5, "learning_rate": 0.1, "l2_leaf_reg": 20}
_APART = 0.02


def cross_fitted(
    frame: pl.DataFrame, target: np.ndarray, fold: np.ndarray, seed: int, *,
    learn: np.ndarray | None = None, chance: bool = False, also: Sequence[pl.DataFrame] = (),
) -> list[np.ndarray]:  # fmt: skip
    """Return predictions of every row by a model of the other folds' rows.

    Parameters
    ----------
    frame : polars.DataFrame, shape (n, features)
        Numbers, and text for categories.
    target : ndarray, shape (n,)
    fold : ndarray of int, shape (n,)
        Rows of one entity share a fold.
    seed : int
    learn : ndarray of bool, shape (n,), optional
        Rows that models learn from; all where not given.
    chance : bool
        Whether the target is 0 or 1 and its chance is asked; else its mean.
    also : sequence of polars.DataFrame, shape (n, features) each
        The rows as they might have been; where given, they are predicted instead.

    Returns
    -------
    list of ndarray, shape (n,) each
        Of ``frame``, or of each of ``also``.
    """
    from catboost import CatBoostClassifier, CatBoostRegressor

    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    learn = np.ones(len(target), bool) if learn is None else learn
    asked_about = also or [frame]
    found = [np.empty(len(target)) for _ in asked_about]
    for here in np.unique(fold):
        asked, taught = fold == here, (fold != here) & learn
        if len(np.unique(target[taught])) < 2:
            for side in found:
                side[asked] = target[taught].mean() if taught.any() else target.mean()
            continue
        pool = to_pool(frame.filter(taught), texts, target[taught].astype(float))
        model = (CatBoostClassifier if chance else CatBoostRegressor)(**_TREES, random_seed=seed).fit(pool)
        for side, rows in zip(found, asked_about, strict=True):
            unseen = to_pool(rows.filter(asked), texts)
            side[asked] = model.predict_proba(unseen)[:, 1] if chance else model.predict(unseen)
    return found


def kept_apart(chance: np.ndarray) -> np.ndarray:
    """Return chances that are to be divided by, so far from 0 and 1 that no row weighs too much."""
    return np.clip(chance, _APART, 1 - _APART)
