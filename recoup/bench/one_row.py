"""Exact reasons in process, one row and a million, against CatBoost and shap."""

import time

import numpy as np
import polars as pl
import shap
from catboost import Pool

from features.errors import RecoupError
from features.progress import Progress
from recoup.bench.pairs import ratio
from serving.scoring import REASONS
from training.package import ModelPackage

_ROWS, _TIMES = 100, 10
_MANY = 1_000_000
_TOLERANCE = 1e-9


def measure(package: ModelPackage, progress: Progress) -> dict[str, float]:
    """Return `explained_vs_plain`, `shap_vs_treeexplainer` and `bulk_shap_vs_catboost` with both sides' seconds.

    ``explained_vs_plain``: a score with its five largest contributions over CatBoost's own score of the same
    row, alone, as one gets it (a pool of one row, one thread); ``.own``: over our score without them.
    The contributions that are timed are compared with the peer's, within 1e-9.

    Raises
    ------
    RecoupError
        When contributions differ.
    """
    frame = package.reference.head(_ROWS).with_columns(horizon_months=pl.lit(package.card.distribution["horizons"][-1]))
    given = [package.rows.inputs([row]) for row in frame.iter_rows(named=True)]
    plain = [[np.nan if value is None else value for value in row] for row in frame.iter_rows()]
    categories = package.model.get_cat_feature_indices()
    rows, trees = package.rows, package.rows.trees

    def own() -> None:
        for numbers, texts in given * _TIMES:
            rows.score(numbers, texts)

    def explained() -> None:
        for numbers, texts in given * _TIMES:
            rows.reasons(numbers, texts, REASONS)

    def bare() -> None:
        for row in plain * _TIMES:
            package.model.predict(Pool([row], cat_features=categories), thread_count=1)

    progress("one row in process: a score, and why")
    over_plain, over_own = ratio(explained, bare), ratio(explained, own)
    explainer = shap.TreeExplainer(package.model)
    pools = [Pool([row], cat_features=categories) for row in plain[:20]]

    def theirs() -> None:
        for pool in pools:
            explainer.shap_values(pool)

    def ours() -> None:
        for numbers, texts in given[: len(pools)]:
            trees.explain(trees.questions.leaves(numbers, texts))

    for pool, (numbers, texts) in zip(pools, given, strict=False):
        found, _ = trees.explain(trees.questions.leaves(numbers, texts))
        _require_equal(found, np.asarray(explainer.shap_values(pool)))
    one = ratio(theirs, ours)
    return {
        "explained_vs_plain": over_plain["ratio"],
        "explained_vs_plain.seconds": over_plain["seconds"] / len(given) / _TIMES,
        "explained_vs_plain.peer_seconds": over_plain["peer_seconds"] / len(given) / _TIMES,
        "explained_vs_plain.own": over_own["ratio"],
        "shap_vs_treeexplainer": one["ratio"],
        "shap_vs_treeexplainer.seconds": one["peer_seconds"] / len(pools),
        "shap_vs_treeexplainer.peer_seconds": one["seconds"] / len(pools),
    } | _bulk(package, progress)


def _bulk(package: ModelPackage, progress: Progress) -> dict[str, float]:
    """Time every contribution of many rows, once: both sides take a time in proportion to the rows."""
    progress(f"contributions of {_MANY:,} rows")
    frame = package.reference
    many = pl.concat([frame] * -(-_MANY // frame.height)).head(_MANY)
    pool = package.pool(many)
    package.shap.contributions(package.model, pool.slice(np.arange(10_000)), threads=2)  # compiled once a machine
    start = time.perf_counter()
    ours, _ = package.shap.contributions(package.model, pool, threads=2)
    middle = time.perf_counter()
    theirs = package.model.get_feature_importance(pool, type="ShapValues", thread_count=2)
    end = time.perf_counter()
    for first in range(0, _MANY, 100_000):
        part = slice(first, first + 100_000)
        _require_equal(ours[part], theirs[part, :-1])
    return {
        "bulk_shap_vs_catboost": (end - middle) / (middle - start),
        "bulk_shap_vs_catboost.seconds": middle - start,
        "bulk_shap_vs_catboost.peer_seconds": end - middle,
    }


def _require_equal(ours: np.ndarray, theirs: np.ndarray) -> None:
    gap = np.abs(ours - theirs).max()
    if not gap <= _TOLERANCE:
        raise RecoupError(f"contributions differ by {gap:.3g}")
