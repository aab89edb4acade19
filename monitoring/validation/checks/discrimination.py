"""Discrimination: does the model put the better cases first, out of time?

Purpose: prices and contact plans follow the order of the scores.

Mechanism: order of realised outcomes by the scores (Gini for events, Spearman for rates) with a bootstrap
interval by debtor, and the share of the outcome that the best-scored share of rows holds (gains curve).

Signs of high risk: an interval that reaches zero, or an order no better than the simplest baseline's.

Strengths: independent of the level of the scores, so that a bad year does not hide a good order.

Limitations: says nothing of level; the thresholds are for recovery of unsecured debt and right-party contact,
where published orders are modest.
"""

from typing import Any

import numpy as np

from monitoring.validation import drawing
from monitoring.validation.evidence import Evidence
from monitoring.validation.result import Plot, Result, Table, above, worst
from monitoring.validation.statistics import interval

ORDER_AMBER, ORDER_RED = 0.20, 0.10
"""Least Gini or Spearman: R² of recovery benchmarks is 0.04 to 0.43, which is an order of 0.2 and more."""
LOWER_AMBER, LOWER_RED = 0.05, 0.0
"""Least lower end of its 95 % interval."""


def run(evidence: Evidence) -> Result:
    """Judge the order of the scores and how sure it is."""
    realised, scores = evidence.realised, evidence.scores
    order = evidence.order(realised, scores)
    low, high = interval(lambda rows: evidence.order(realised[rows], scores[rows]), evidence.cluster)
    verdict = worst(above(order, ORDER_AMBER, ORDER_RED), above(low, LOWER_AMBER, LOWER_RED))
    metric = evidence.order_metric
    sides: list[list[Any]] = [[name, *values.values()] for name, values in evidence.metrics.items()]
    return Result(
        verdict,
        f"Out of time the {metric} of {len(scores):,} rows is {order:.3f} (95 % interval {low:.3f} to {high:.3f}).",
        {metric.lower(): order, "lower": low, "upper": high},
        "Do not let the order of the scores decide by itself whom to work first.",
        tables=[Table("The model (first row) beside its baselines and challengers on the same rows.",
                      ["side", *next(iter(evidence.metrics.values()))], sides)],
        plots=[Plot("Share of what came in that the best-scored share of rows holds; the diagonal is no order at all, "
                    "the pale line the best there could be.",
                    drawing.drawn(lambda axes: _gains(axes, evidence)))],
    )  # fmt: skip


def _gains(axes, evidence: Evidence) -> None:
    for by, colour, label in ((evidence.realised, drawing.RULE, "best possible"),
                              (evidence.scores, drawing.BLUE, evidence.package.card.name)):  # fmt: skip
        order = np.argsort(-by, kind="stable")
        money = (evidence.realised * evidence.weight)[order].cumsum()
        owed = evidence.weight[order].cumsum()
        axes.plot(owed / owed[-1], money / max(money[-1], 1e-12), color=colour, linewidth=2, label=label)
    axes.plot([0, 1], [0, 1], color=drawing.SOFT, linewidth=1, linestyle="--")
    axes.set(xlabel="share of what was asked, best scores first", ylabel="share of what came")
    axes.legend(frameon=False)
