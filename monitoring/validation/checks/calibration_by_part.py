"""Calibration by segment and by vintage: does the level hold in every part that a reader would ask for?

Purpose: errors of parts cancel in a total, and a portfolio on offer may be one of the parts.

Mechanism: foretold less realised in each segment and each vintage of enough rows, less what the whole test is
off by, over the standard error that rows of such scores have on the whole (rows of one debtor move together);
p-values adjusted for their number (Holm).

Signs of high risk: a part whose error is large and cannot be chance after the adjustment.

Strengths: names the part; many looks do not make false alarms.

Limitations: small parts can be far off without being found; the intervals do not hold what a whole vintage
shares in luck.
"""

import numpy as np
from scipy.stats import norm

from monitoring.validation import drawing, slices
from monitoring.validation.evidence import Evidence
from monitoring.validation.result import Plot, Result, Table, Verdict
from monitoring.validation.statistics import expected_variance, holm

SIGNIFICANT = 0.05
"""Adjusted p-value below which a part's error is no chance."""
RATIO_RED = 0.50
"""Relative error of a part, beyond that of the whole, that makes a significant one red."""
_SHOWN = 14


def run(evidence: Evidence) -> Result:
    """Judge every segment and vintage that has enough rows."""
    dimensions = [*slices.segments(evidence).get_columns(), slices.vintages(evidence)]
    whole = evidence.level(evidence.realised, evidence.scores, evidence.weight)
    fair = evidence.scores / whole
    variance = expected_variance(evidence.realised, fair, evidence.cluster) * evidence.weight**2
    found = [
        (f"{labels.name} {label}", rows, *_error(evidence, fair, variance, rows))
        for labels in dimensions
        for label, rows in slices.parts(labels).items()
    ]
    adjusted = holm(np.array([2 * norm.sf(abs(z)) for *_, z in found]))
    table = [
        [name, int(rows.sum()), _ratio(evidence, rows), off, p]
        for (name, rows, off, _), p in zip(found, adjusted, strict=True)
    ]
    wrong = [row for row in table if row[4] < SIGNIFICANT]
    red = [row for row in wrong if abs(row[3]) > RATIO_RED]
    verdict = Verdict.RED if red else Verdict.AMBER if wrong else Verdict.GREEN
    named = ", ".join(str(row[0]) for row in wrong[:3])
    shown = sorted(table, key=lambda row: (row[4], -abs(row[3])))[:_SHOWN]
    return Result(
        verdict,
        f"Of {len(table)} segments and vintages {len(wrong)} are off by more than chance"
        f"{f' ({named})' if wrong else ''}, beside what the whole test is off by.",
        {"parts": len(table), "wrong_parts": len(wrong), "whole": whole},
        f"Check the level apart in {named}." if wrong else "",
        tables=[Table("The parts most off: foretold over realised, the error relative to what was foretold after the "
                      "whole test's own error is taken out, and the p-value adjusted for all parts.",
                      ["part", "rows", "foretold over realised", "relative error", "adjusted p"], shown)],
        plots=[Plot("Relative error of the parts most off, with 95 % intervals; coloured where it is no chance.",
                    drawing.drawn(lambda axes: _paint(axes, evidence, shown, {one[0]: one for one in found}),
                                  height=4.2))],
    )  # fmt: skip


def _error(evidence: Evidence, fair: np.ndarray, variance: np.ndarray, rows: np.ndarray) -> tuple[float, float]:
    """Return a part's relative error beyond that of the whole, and how many standard errors it is."""
    excess = float(((fair - evidence.realised) * evidence.weight)[rows].sum())
    foretold, error = float((fair * evidence.weight)[rows].sum()), float(np.sqrt(variance[rows].sum()))
    return (excess / foretold, excess / error) if error > 0 and foretold > 0 else (0.0, 0.0)


def _ratio(evidence: Evidence, rows: np.ndarray) -> float:
    return evidence.level(evidence.realised[rows], evidence.scores[rows], evidence.weight[rows])


def _paint(axes, evidence: Evidence, shown: list, found: dict) -> None:
    names = [row[0] for row in shown]
    off = [row[3] for row in shown]
    half = [abs(1.96 * off_ / found[name][3]) if found[name][3] else 0.0 for name, off_ in zip(names, off, strict=True)]
    colours = [
        drawing.BLUE if row[4] >= SIGNIFICANT else drawing.RED if abs(row[3]) > RATIO_RED else drawing.AMBER
        for row in shown
    ]
    lows, highs = ([o + sign * h for o, h in zip(off, half, strict=True)] for sign in (-1, 1))
    drawing.ranges(axes, names, off, lows, highs, colours, 0.0)
    axes.set_xlabel("foretold too much →")
