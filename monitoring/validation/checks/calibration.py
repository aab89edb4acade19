"""Calibration: is what the model foretells what comes, on the whole and along the scores?

Purpose: a price is a level, and so is the number of contacts that a day brings.

Mechanism: total foretold over total that came, with a bootstrap interval by debtor; the slope of outcomes on
scores; and mean outcome against mean score by tenth of the score.

Signs of high risk: an interval of the ratio that lies far from 1; a slope far below 1, which is overfitting.

Strengths: in the unit that a desk pays in.

Limitations: all loans of a test share its years' luck, which no bootstrap over debtors sees: the interval is
too narrow where the market moved. The common factor on the model's card says by how much.
"""

import numpy as np

from monitoring.validation import drawing
from monitoring.validation.evidence import Evidence
from monitoring.validation.result import Plot, Result, below, worst
from monitoring.validation.statistics import interval, off_level

LEVEL_AMBER, LEVEL_RED = 0.15, 0.40
"""Distance of the logarithm of foretold over realised from zero, by the nearest end of its 95 % interval."""
SLOPE_AMBER, SLOPE_RED = 0.30, 0.60
"""Distance of the slope from 1, likewise."""
_TENTHS = 10


def run(evidence: Evidence) -> Result:
    """Judge the level of the scores and their slope."""
    realised, scores, weight = evidence.realised, evidence.scores, evidence.weight
    level = evidence.level(realised, scores, weight)
    low, high = interval(lambda rows: evidence.level(realised[rows], scores[rows], weight[rows]), evidence.cluster)
    slope = _slope(realised, scores)
    ends = interval(lambda rows: _slope(realised[rows], scores[rows]), evidence.cluster)
    tilted = max(ends[0] - 1, 1 - ends[1], 0.0)
    verdict = worst(below(off_level(low, high), LEVEL_AMBER, LEVEL_RED), below(tilted, SLOPE_AMBER, SLOPE_RED))
    return Result(
        verdict,
        f"Foretold over realised is {level:.2f} (95 % interval {low:.2f} to {high:.2f}); outcomes rise by {slope:.2f} "
        f"(interval {ends[0]:.2f} to {ends[1]:.2f}) where scores rise by 1.",
        {"predicted_over_actual": level, "lower": low, "upper": high, "slope": slope},
        f"Divide totals by {level:.2f} until further outcomes are known, and do not bid on the level alone.",
        plots=[Plot("Mean outcome against mean score by tenth of the score; on the line the two agree.",
                    drawing.drawn(lambda axes: _tenths(axes, realised, scores)))],
    )  # fmt: skip


def _slope(realised: np.ndarray, scores: np.ndarray) -> float:
    spread = float(np.var(scores))
    return float(np.cov(realised, scores, bias=True)[0, 1]) / spread if spread > 0 else float("nan")


def _tenths(axes, realised: np.ndarray, scores: np.ndarray) -> None:
    tenths = [rows for rows in np.array_split(np.argsort(scores, kind="stable"), _TENTHS) if len(rows)]
    foretold, came = ([values[rows].mean() for rows in tenths] for values in (scores, realised))
    error = [1.96 * realised[rows].std() / np.sqrt(len(rows)) for rows in tenths]
    top = max(*foretold, *came) * 1.1
    axes.plot([0, top], [0, top], color=drawing.SOFT, linewidth=1)
    axes.errorbar(foretold, came, error, color=drawing.BLUE, marker="o", linewidth=1.4)
    axes.set(xlabel="mean score", ylabel="mean outcome", xlim=(0, top), ylim=(0, None))
