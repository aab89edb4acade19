"""Robustness: what do noise in the inputs and a feed that falls silent do to the scores?

Purpose: values are rounded, mistyped and late; a score that jumps for a trifle cannot be relied on.

Mechanism: every number is moved by normal noise of a share of its spread, and the scores compared; every
group of inputs that comes from one mart is blanked in turn, but for what the question itself brings, and order
and level of the test's scores are measured again.

Signs of high risk: noise of a twentieth of the spread that changes the order; one silent feed that takes most
of the skill, or that moves the level without anybody noticing.

Strengths: names the feed on which the model leans.

Limitations: noise is independent from input to input; a feed that is wrong rather than silent is the
monitor's to find.
"""

import numpy as np
import polars as pl
from scipy.stats import spearmanr

from features.marts.columns import MISSING
from monitoring.validation import drawing
from monitoring.validation.evidence import Evidence
from monitoring.validation.result import Plot, Result, Table, above, below, worst
from monitoring.validation.statistics import SEED

NOISE = 0.05
"""Standard deviation of the noise over that of the input."""
RANK_AMBER, RANK_RED = 0.95, 0.85
"""Least rank correlation of scores with and without noise."""
LOST_AMBER, LOST_RED = 0.60, 0.90
"""Share of the order's skill that one silent feed may take."""
LEVEL_AMBER, LEVEL_RED = 0.50, 1.00
"""How far one silent feed may move the total (absolute logarithm)."""
_ASKED = {"horizon_months", "channel", "point_kind", "local_hour", "local_weekday", "day_of_month", "month_of_year"}
"""They come with the question, and are never silent."""


def run(evidence: Evidence) -> Result:
    """Judge noise and silent feeds."""
    rank = _under_noise(evidence)
    skill = evidence.order(evidence.realised, evidence.scores)
    silent = [_silent(evidence, view, names, skill) for view, names in _views(evidence).items()]
    gravest = max(silent, key=lambda row: row[2])
    shifted = max(silent, key=lambda row: abs(np.log(row[3])))
    verdict = worst(
        above(rank, RANK_AMBER, RANK_RED),
        below(gravest[2], LOST_AMBER, LOST_RED),
        below(abs(float(np.log(shifted[3]))), LEVEL_AMBER, LEVEL_RED),
    )
    return Result(
        verdict,
        f"Noise of {NOISE:.0%} of each input's spread leaves the ranks correlated {rank:.3f}; the feed that costs most "
        f"when silent is {gravest[0]} ({gravest[2]:.0%} of the skill), and the total moves most without {shifted[0]} "
        f"(times {shifted[3]:.2f}).",
        {"noise_rank": rank, "skill_lost": gravest[2], "level_without": shifted[3]},
        f"Refuse scores while {' or '.join(sorted({gravest[0], shifted[0]}))} is stale; see each answer's stale marks.",
        tables=[Table("Each mart silent in turn: what is left of the order, what share of the skill is lost, and the "
                      "total over what it was.",
                      ["silent mart", evidence.order_metric, "skill lost", "total over usual"], silent)],
        plots=[Plot("Share of the order's skill that is lost while a mart is silent.",
                    drawing.drawn(lambda axes: drawing.bars(axes, [row[0] for row in silent],
                                                            [row[2] for row in silent]), height=2.8))],
    )  # fmt: skip


def _under_noise(evidence: Evidence) -> float:
    rng = np.random.default_rng(SEED)
    noisy = evidence.frame.with_columns(
        (pl.col(column["name"]) + rng.normal(0, 1, evidence.frame.height) * NOISE * _spread(evidence, column["name"]))
        for column in evidence.package.card.columns
        if column["kind"] == "number" and column["name"] not in _ASKED
    )
    return float(spearmanr(evidence.scores, evidence.tested.scores(noisy, threads=2)).statistic)


def _spread(evidence: Evidence, name: str) -> float:
    spread = evidence.frame[name].std()
    return float(spread) if isinstance(spread, float) else 0.0


def _views(evidence: Evidence) -> dict[str, list[str]]:
    views: dict[str, list[str]] = {}
    for column in evidence.package.card.columns:
        if column["name"] not in _ASKED:
            views.setdefault(column["view"], []).append(column["name"])
    return views


def _silent(evidence: Evidence, view: str, names: list[str], skill: float) -> list:
    blank = [
        pl.lit(MISSING).alias(name)
        if evidence.frame.schema[name] == pl.String
        else pl.lit(None, pl.Float64).alias(name)
        for name in names
    ]
    scores = evidence.tested.scores(evidence.frame.with_columns(blank), threads=2)
    order = evidence.order(evidence.realised, scores)
    total = float((scores * evidence.weight).sum() / (evidence.scores * evidence.weight).sum())
    return [view, order, max(1 - order / skill, 0.0) if skill > 0 else 0.0, total]
