"""Concept: do the model's reasons agree with what is true, where a truth is at hand?

Purpose: a model can be right for reasons that hold today and not tomorrow; its contributions are told to
people as reasons.

Mechanism: in a simulated world the true expectation of every row is known. The same learner is taught that
expectation instead of what luck made of it, on the same rows; its contributions are what the inputs truly say.
Compared are the order of the inputs by mean absolute contribution, the contributions themselves row by row,
weighted by their size, and the order of the scores with the true expectation.

Signs of high risk: contributions that correlate weakly or against; influential inputs that say nothing true.

Strengths: tests the explanation and not only the score.

Limitations: for simulated worlds only (`--truth`); says of real data only that the method finds reasons where
there are some.
"""

from dataclasses import replace

import numpy as np
import polars as pl
from scipy.stats import spearmanr

from monitoring.validation import drawing
from monitoring.validation.evidence import Evidence
from monitoring.validation.result import Plot, Result, Table, above, not_applicable, worst
from training.leaf_shap import LeafShap
from training.package import Explained, ModelPackage

CONTRIBUTIONS_AMBER, CONTRIBUTIONS_RED = 0.50, 0.20
"""Least correlation of contributions with the true ones, over all rows and inputs."""
TRUTH_AMBER, TRUTH_RED = 0.40, 0.15
"""Least rank correlation of scores with the true expectation out of time."""
_SHOWN = 12


def run(evidence: Evidence) -> Result:
    """Judge contributions against those of a model of the truth."""
    if evidence.truth is None:
        return not_applicable("No truth is at hand: name a simulated world's truth folder with --truth.")
    true = evidence.truth[evidence.mask]
    known = np.isfinite(true)
    order = float(spearmanr(true[known], evidence.scores[known]).statistic)
    taught = _taught(evidence)
    ours = evidence.tested.explain(evidence.frame, threads=2).contributions
    agree = float(np.corrcoef(ours.ravel(), taught.contributions.ravel())[0, 1])
    strength = [np.abs(found).mean(axis=0) for found in (ours, taught.contributions)]
    ranks = float(spearmanr(*strength).statistic)
    names = evidence.package.names
    places = np.argsort(-strength[0])[:_SHOWN]
    rows = [[names[at], float(strength[0][at]), float(strength[1][at]), _alike(ours, taught.contributions, at)]
            for at in places]  # fmt: skip
    verdict = worst(above(agree, CONTRIBUTIONS_AMBER, CONTRIBUTIONS_RED), above(order, TRUTH_AMBER, TRUTH_RED))
    return Result(
        verdict,
        f"Contributions correlate {agree:.2f} with those of a model taught the truth, importance ranks {ranks:.2f}, "
        f"and scores {order:.2f} with the true expectation.",
        {"contributions": agree, "importance_ranks": ranks, "scores_with_truth": order},
        "Do not give single contributions as reasons for a decision before more rows are known.",
        tables=[Table("The most influential inputs: mean absolute contribution of ours and of the model taught the "
                      "truth, and how the two correlate row by row.",
                      ["input", "ours", "true", "correlation"], rows)],
        plots=[Plot("Mean absolute contribution: ours (blue) beside the model taught the truth (grey).",
                    drawing.drawn(lambda axes: _paint(axes, rows), height=3.8))],
    )  # fmt: skip


def _taught(evidence: Evidence) -> Explained:
    """Return the test's explanations by the same learner, taught the true expectation."""
    assert evidence.truth is not None
    learner, card = evidence.learner, evidence.package.card
    part = evidence.parts.train & np.isfinite(evidence.truth)
    rows = learner.rows.with_columns(pl.Series("target", evidence.truth))
    task = learner.task
    if evidence.chances:  # a chance is no event: the same loss for shares
        task = replace(task, fixed={"loss_function": "CrossEntropy", "eval_metric": "CrossEntropy"})
    true = replace(learner, rows=rows, task=task)
    curve = true.curve(part)
    model = true.fit(part, card.parameters | {"design": "direct"}, curve, seeds=1)
    told = replace(card, curve=curve.to_card() if curve else {}, distribution={})
    return ModelPackage(model, LeafShap.build(model), told, pl.DataFrame()).explain(evidence.frame, threads=2)


def _alike(ours: np.ndarray, true: np.ndarray, at: int) -> float | None:
    if np.ptp(ours[:, at]) == 0 or np.ptp(true[:, at]) == 0:
        return None
    return float(np.corrcoef(ours[:, at], true[:, at])[0, 1])


def _paint(axes, rows: list) -> None:
    places = np.arange(len(rows))
    axes.barh(places - 0.2, [row[1] for row in rows], height=0.38, color=drawing.BLUE, label="ours")
    axes.barh(places + 0.2, [row[2] for row in rows], height=0.38, color=drawing.SOFT, label="true")
    axes.set_yticks(places, [row[0] for row in rows])
    axes.invert_yaxis()
    axes.legend(frameon=False)
