"""Interval coverage: do 90 % intervals hold 90 % of outcomes, in every slice?

Purpose: what can be lost on a portfolio is drawn from these intervals.

Mechanism: share of out-of-time outcomes inside their intervals, overall and by grade, term, balance fifth,
vintage and horizon, each with a Wilson interval; a slice counts as short only where even its upper end lies
below what is claimed.

Signs of high risk: shortfall in the large balances, or in recent vintages.

Strengths: a claim that can be counted.

Limitations: a test of one period: a market that moves all loans at once can break coverage everywhere.
Coverage above 90 % is width that was not needed, and no danger.
"""

from typing import Any

import numpy as np

from monitoring.validation import drawing
from monitoring.validation.evidence import Evidence
from monitoring.validation.result import Plot, Result, Table, Verdict, above, not_applicable, worst
from training import coverage

ALL_AMBER, ALL_RED = 0.88, 0.80
"""Least share held overall."""
SLICE_RED = 0.75
"""A slice that is short beyond chance and below this is red; short beyond chance alone is amber."""
_CLAIMED = 0.90
_Z = 2.58
"""Of a two-sided 99 % interval: many slices are looked at."""


def run(evidence: Evidence) -> Result:
    """Judge the share of outcomes that intervals held."""
    if "upper" not in evidence.table.columns:
        return not_applicable("A chance has no interval: the event happens or it does not.")
    held = coverage.by_slice(evidence.table)
    sizes = _sizes(evidence)
    rows: list[list[Any]] = [[name, sizes[name], share, *_wilson(share, sizes[name])] for name, share in held.items()]
    short = [row for row in rows if row[0] != "all" and row[4] < _CLAIMED]
    overall = held["all"]
    grave = any(row[2] < SLICE_RED for row in short)
    verdict = worst(above(overall, ALL_AMBER, ALL_RED),
                    Verdict.RED if grave else Verdict.AMBER if short else Verdict.GREEN)  # fmt: skip
    least = min(rows, key=lambda row: row[2])
    named = ", ".join(str(row[0]) for row in short)
    return Result(
        verdict,
        f"90 % intervals held {overall:.1%} of {sizes['all']:,} outcomes, least in {least[0]} ({least[2]:.1%}); "
        f"{len(short)} of {len(rows) - 1} slices are short beyond chance.",
        {"covered": overall, "least": least[2], "short_slices": len(short)},
        f"Widen the intervals of {named or 'all loans'} before they bound a loss.",
        tables=[Table("Share held by slice, with its 99 % Wilson interval.",
                      ["slice", "rows", "held", "lower", "upper"], rows)],
        plots=[Plot("Share of outcomes held by slice, with intervals; the line is what is claimed.",
                    drawing.drawn(lambda axes: _paint(axes, rows), height=max(2.5, 0.24 * len(rows))))],
    )  # fmt: skip


def _sizes(evidence: Evidence) -> dict[str, int]:
    table = evidence.table
    sizes = {"all": table.height}
    for by in table.columns:
        if table.schema[by] == table.schema["grade" if "grade" in table.columns else "vintage"]:
            sizes |= {f"{by} {part}": count for part, count in table[by].value_counts().iter_rows()}
    return sizes


def _wilson(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's score interval (1927) of a share."""
    middle = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z * np.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2)) / (1 + _Z**2 / count)
    return float(middle - half), float(middle + half)


def _paint(axes, rows: list) -> None:
    colours = [drawing.RED if row[4] < _CLAIMED else drawing.BLUE for row in rows]
    drawing.ranges(axes, [row[0] for row in rows], [row[2] for row in rows], [row[3] for row in rows],
                   [row[4] for row in rows], colours, _CLAIMED)  # fmt: skip
