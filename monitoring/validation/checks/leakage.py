"""Leakage: does an input know the answer, or a test row stand in training?

Purpose: a model that was shown the outcome looks excellent in validation and fails in use.

Mechanism: no entity and no identical row may lie on both sides of the split; no input may order the outcomes
nearly as well by itself as a perfect model would; and a model taught the same rows with targets dealt out at
random must have no skill out of time.

Signs of high risk: a single input whose order of the outcomes is close to perfect; skill on random targets.

Strengths: finds leaks through the split, through a column and through the pipeline.

Limitations: a leak that helps a little hides among honest inputs; facts learnt after a row's moment are kept
out by the store's as-of joins, which have tests of their own.
"""

from dataclasses import replace

import numpy as np
import polars as pl

from monitoring.validation import drawing
from monitoring.validation.evidence import Evidence
from monitoring.validation.result import Plot, Result, below, worst
from monitoring.validation.statistics import SEED

SINGLE_AMBER, SINGLE_RED = 0.60, 0.80
"""How well one input alone may order the outcomes (absolute Gini or Spearman)."""
SHUFFLED_AMBER, SHUFFLED_RED = 3.0, 5.0
"""Skill of a model taught random targets, in standard errors from none."""
_SHOWN = 12
_TREES = 60


def run(evidence: Evidence) -> Result:
    """Judge the split, every input by itself, and a model of random targets."""
    learner, parts = evidence.learner, evidence.parts
    entity = learner.rows["entity"]
    shared = len(set(entity.filter(parts.train)) & set(entity.filter(parts.test)))
    twins = evidence.frame.hash_rows().is_in(learner.frame.filter(evidence.before).hash_rows().implode()).sum()
    alone = sorted(((_alone(evidence, name), name) for name in evidence.frame.columns), reverse=True)
    shuffled = _shuffled(evidence)
    strongest, name = alone[0]
    verdict = worst(
        below(float(shared), 0, 0),
        below(strongest, SINGLE_AMBER, SINGLE_RED),
        below(shuffled, SHUFFLED_AMBER, SHUFFLED_RED),
    )
    shown = alone[:_SHOWN]
    return Result(
        verdict,
        f"{shared} entities and {twins} identical rows lie on both sides of the split; the strongest single input, "
        f"{name}, orders outcomes with {strongest:.2f}; a model of random targets is {shuffled:.1f} standard errors "
        "from no skill.",
        {"shared_entities": shared, "identical_rows": int(twins), "strongest_input": strongest,
         "random_target_errors": shuffled},
        f"Do not use the model before it is known how {name} is filled, and when.",
        plots=[Plot(
            f"How well each input alone orders the test's outcomes ({evidence.order_metric}, absolute): a bar near 1 "
            "would be an input that knows the answer.",
            drawing.drawn(lambda axes: _paint(axes, shown), height=3.6),
        )],
    )  # fmt: skip


def _alone(evidence: Evidence, name: str) -> float:
    """Return the absolute order of outcomes by one input; a category stands for its mean before the test."""
    values = evidence.frame[name]
    if values.dtype == pl.String:
        before = evidence.learner.frame.filter(evidence.before).select(
            name, target=evidence.learner.rows["target"].filter(evidence.before)
        )
        means = dict(before.group_by(name).agg(pl.col("target").mean()).iter_rows())
        values = values.replace_strict(means, default=None, return_dtype=pl.Float64)
    known = values.is_not_null().to_numpy()
    if known.sum() < 2:
        return 0.0
    found = evidence.order(evidence.realised[known], values.drop_nulls().to_numpy())
    return 0.0 if np.isnan(found) else abs(found) * float(known.mean())


def _shuffled(evidence: Evidence) -> float:
    """Return how many standard errors a model of random targets lies from no skill."""
    learner = evidence.learner
    dealt = learner.rows["target"].sample(fraction=1.0, shuffle=True, seed=SEED)
    random = replace(learner, rows=learner.rows.with_columns(dealt.alias("target")))
    parameters = evidence.package.card.parameters | {"design": "direct", "iterations": _TREES}
    curve = random.curve(evidence.parts.train)
    model = random.fit(evidence.parts.train, parameters, curve, seeds=1)
    scores = random.scores(model, evidence.mask, curve)
    target = dealt.filter(evidence.mask).to_numpy()
    skill = evidence.order(target, scores)
    events, others = target.sum(), (1 - target).sum()
    # of a Gini: Hanley and McNeil 1982, without skill; of Spearman's correlation: 1 / sqrt(n - 1)
    error = np.sqrt((events + others + 1) / (3 * events * others)) if evidence.chances else (len(target) - 1) ** -0.5
    return abs(skill) / float(error)


def _paint(axes, shown: list[tuple[float, str]]) -> None:
    colours = [
        drawing.RED if value > SINGLE_RED else drawing.AMBER if value > SINGLE_AMBER else drawing.BLUE
        for value, _ in shown
    ]
    drawing.bars(axes, [name for _, name in shown], [value for value, _ in shown], colours)
    axes.set_xlim(0, 1)
