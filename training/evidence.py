"""The model and what it has to beat, measured on the same rows, which none of them has seen."""

import numpy as np
import polars as pl

from training import baselines, coverage
from training.learner import Learner
from training.package import ModelPackage


def measure(
    learner: Learner, tested: ModelPackage, train: np.ndarray, test: np.ndarray, challengers: bool = False
) -> tuple[dict[str, dict[str, float]], pl.DataFrame]:
    """Measure a model and its baselines.

    Parameters
    ----------
    learner : Learner
    tested : ModelPackage
        Fitted on ``train`` or on what it was drawn from.
    train, test : ndarray of bool, shape (n,)
        Rows before the test, and of it; only the judged ones are measured.
    challengers : bool
        Whether the task's challengers are fitted too, and not its baselines alone.

    Returns
    -------
    metrics : dict of str to dict
        By side: the model, the mean, the task's baselines.
    table : polars.DataFrame
        ``realised``, ``score``, ``weight`` and, where the model has intervals, ``lower``, ``upper`` and
        `training.coverage.slices`.
    """
    task = learner.task
    target, weight, judged = (learner.rows[name].to_numpy() for name in ("target", "weight", "judged"))
    mean = _mean(learner, train, test & judged)
    train, test = train & judged, test & judged
    inputs, unseen = learner.frame.filter(train), learner.frame.filter(test)
    scores = tested.scores(unseen, threads=2)
    sides = {task.name: scores, "mean": mean}
    others = {**task.baselines, **(task.challengers if challengers else {})}
    sides |= {name: np.clip(side(inputs, target[train], unseen), 0.0, 1.0) for name, side in others.items()}
    table = pl.DataFrame({"realised": target[test], "score": scores, "weight": weight[test]})
    if tested.spread:
        lower, upper = tested.interval(unseen, scores, threads=2)
        slices = coverage.slices(unseen, learner.rows.filter(test))
        table = table.with_columns(slices, lower=lower, upper=upper)
    return {name: task.metrics(target[test], side, weight[test]) for name, side in sides.items()}, table


def _mean(learner: Learner, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return the knowledge-free baseline: the past's mean, at the row's own horizon where there is one."""
    curve = learner.curve(train)
    if curve is None:
        return baselines.constant(learner.rows["target"].to_numpy()[train], test.sum())
    return learner.average(test, curve)
