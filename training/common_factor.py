"""What loans share: how far whole regions and the whole market miss their expectation together.

The residuals of two different loans have a product of mean zero unless something moves both, so the
mean product over pairs measures the variance of what they share, and no loan's own luck is in it: the
method of moments for crossed random effects (Henderson 1953, doi:10.2307/3001853), on realised less
expected recovery out of time. Pairs of one cohort in different regions share the market and the
model's error of level; pairs in one region share that region besides.

Few loans tell little, so that a measured variance counts by its credibility (Bühlmann 1967,
doi:10.1017/S0515036100008989) beside what is usual: of the market, and of the model's own level.
"""

import numpy as np
import polars as pl

from training.curve import HorizonCurve, steps
from training.learner import Learner

_USUAL = 0.05**2
"""Variance of a region's vintage around expectation where nothing is measured, and how far that may be off.

Half of it moves the whole market, half the region alone.
"""
_FORETOLD_ERROR = 0.5
_FEWEST = 200
"""Loans that make a horizon known."""
_SUMS = ("expected", "missed", "luck")


def learn(learner: Learner, test: np.ndarray, scores: pl.Series) -> dict[str, float]:
    """Return what loans share, by a model's scores of rows that it has not seen; see `estimate`.

    Parameters
    ----------
    learner : Learner
        Of a recovery model.
    test : ndarray of bool, shape (n,)
        The learner's rows that the model has not seen.
    scores : polars.Series
        Of those among them that are judged.
    """
    judged = learner.rows["judged"].to_numpy()
    unseen = learner.rows.filter(test & judged).select("region", cohort=pl.col("moment").dt.year(), realised="target")
    return estimate(unseen.with_columns(scores.alias("expected")), level_error(learner.rows))


def estimate(rows: pl.DataFrame, level: float) -> dict[str, float]:
    """Return the standard deviations of the factors' logarithms.

    Parameters
    ----------
    rows : polars.DataFrame
        A row a loan, not seen in training: ``region``, ``cohort`` (which loans met the same times),
        ``realised`` and ``expected`` (rates).
    level : float
        Standard error of the model's level, relative. What the market moves is never taken for less.

    Returns
    -------
    dict
        ``national``, ``regional``, ``level``.
    """
    loans = rows.select("cohort", "region", "expected", missed=pl.col("realised") - pl.col("expected"))
    loans = loans.with_columns(luck=pl.col("missed") ** 2)
    local = loans.group_by("cohort", "region").agg(pl.col(_SUMS).sum())
    whole = loans.group_by("cohort").agg(pl.col(_SUMS).sum())
    far, far_error = _mean_product(whole, local)
    near, near_error = _mean_product(local, loans)
    national = max(_credible(far, far_error, _USUAL / 2 + level**2), level**2)
    regional = _credible(near - far, float(np.hypot(near_error, far_error)), _USUAL / 2)
    return {
        "national": float(np.sqrt(np.log1p(national))),
        "regional": float(np.sqrt(np.log1p(regional))),
        "level": level,
    }


def level_error(rows: pl.DataFrame) -> float:
    """Return the relative standard error of the money that comes in, of a model that learnt it from these rows.

    What is known of a level is known from loans of every age, each for what it has lived through, as in
    `training.curve`; the error is that of the increments' money-weighted means, up to the longest horizon
    that is known. What a loan paid early and late may hang together, so that it counts as one. What few
    loans have lived is mostly foretold, and may be off by half of itself.

    Parameters
    ----------
    rows : polars.DataFrame
        ``entity``, ``moment``, ``horizon_months_asked``, ``target`` (rate) and ``weight`` (what was owed).
    """
    owed, horizon = pl.col("weight"), "horizon_months_asked"
    lived = steps(rows)
    known = lived.filter((pl.len().over(horizon) >= _FEWEST) | (pl.col(horizon) == pl.col(horizon).min()))
    known = known.with_columns(
        mean=((owed * pl.col("step")).sum() / owed.sum()).over(horizon),
        share=owed / owed.sum().over(horizon),
    )
    total = known.group_by(horizon).agg(pl.col("mean").first())["mean"].to_numpy().sum()
    moved = known.group_by("entity").agg(moved=(pl.col("share") * (pl.col("step") - pl.col("mean"))).sum())["moved"]
    curve = HorizonCurve.fit(rows)
    foretold = 1 - curve.at(known[horizon].to_numpy().max()) / curve.shares[-1]
    return float(np.hypot(np.sqrt((moved.to_numpy() ** 2).sum()) / total, _FORETOLD_ERROR * foretold))


def _mean_product(sums: pl.DataFrame, parts: pl.DataFrame) -> tuple[float, float]:
    """Return the mean product of relative residuals over pairs in one sum but not in one part, and its error."""
    expected, missed, luck = (
        float((sums[name].to_numpy() ** 2).sum() - (parts[name].to_numpy() ** 2).sum()) for name in _SUMS
    )
    if expected <= 0:
        return 0.0, np.inf
    return missed / expected, float(np.sqrt(2 * max(luck, 0.0))) / expected


def _credible(variance: float, error: float, usual: float) -> float:
    """Return a measured variance as far as it can be believed, and what is usual for the rest."""
    belief = _USUAL**2 / (_USUAL**2 + error**2)
    return belief * max(variance, 0.0) + (1 - belief) * usual
