"""Benchmark: is another method better on the same rows?

Purpose: independent challenge. A model that a simpler or a usual method beats has to be defended.

Mechanism: the task's baselines (mean, linear) and challengers (forest, LightGBM, XGBoost, Cubist, two-stage,
as far as the task has them) are fitted on what lies before the test and measured on the same out-of-time
rows. Sides are compared by the utility by which the design was chosen, and metric by metric.

Signs of high risk: the linear baseline is better; several challengers are better by far.

Strengths: same rows, same split, same metrics; no side was tuned on the test.

Limitations: one test period, so that small differences are luck; challengers have fixed, sensible parameters.
"""

from monitoring.validation import drawing
from monitoring.validation.evidence import Evidence
from monitoring.validation.result import Plot, Result, Table, Verdict

MARGIN = 0.05
"""Share of the model's utility by which another side has to be better before it counts."""
MARGIN_RED = 0.20
_SIMPLE = ("mean", "ridge", "logistic")


def run(evidence: Evidence) -> Result:
    """Judge the model beside all other sides."""
    name, utility = evidence.package.card.name, evidence.learner.task.utility
    worth = {side: utility(metrics) for side, metrics in evidence.metrics.items()}
    ours = worth.pop(name)
    ahead = {side: (value - ours) / abs(ours) for side, value in worth.items()}
    best = max(ahead, key=lambda side: ahead[side])
    better = [side for side, lead in ahead.items() if lead > MARGIN]
    grave = ahead[best] > MARGIN_RED or any(side in _SIMPLE for side in better)
    verdict = Verdict.RED if grave else Verdict.AMBER if better else Verdict.GREEN
    metrics = list(evidence.metrics[name])
    return Result(
        verdict,
        f"Of {len(ahead)} other methods {len(better)} are better by more than {MARGIN:.0%} of the model's utility; the "
        f"best of them is {best} ({ahead[best]:+.1%}).",
        {"utility": ours, "best_other": worth[best], "better": len(better)},
        f"Say why {best} is not used, or use it.",
        tables=[Table("Every side on the same out-of-time rows; utility is what designs are chosen by.",
                      ["side", "utility", *metrics],
                      [[side, utility(found), *(found[metric] for metric in metrics)]
                       for side, found in evidence.metrics.items()])],
        plots=[Plot("Utility of each side out of time; ours is the dark bar.",
                    drawing.drawn(lambda axes: drawing.bars(axes, [name, *worth], [ours, *worth.values()],
                                                            [drawing.BLUE] + [drawing.RULE] * len(worth)),
                                  height=2.8))],
    )  # fmt: skip
