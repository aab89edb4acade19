"""Weak spots: where, among slices that nobody named beforehand, is the model wrong?

Purpose: a portfolio may lie wholly inside a slice that the overall figures hide.

Mechanism: every band of every input, and every pair of bands of the most influential inputs, is a candidate.
Candidates are ranked by their error on one half of the debtors; the worst are tested on the other half, which
had no part in choosing them, and p-values are adjusted for their number (Holm).

Signs of high risk: a confirmed slice that holds a notable share of the rows and errs by half or more.

Strengths: looks where nobody asked, and does not believe what it found by looking.

Limitations: half of the rows only; slices of more than two inputs are not searched.
"""

from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import norm

from monitoring.validation import drawing
from monitoring.validation.evidence import Evidence
from monitoring.validation.result import Plot, Result, Table, Verdict
from monitoring.validation.statistics import SEED, expected_variance, holm

SIGNIFICANT, SIGNIFICANT_RED = 0.05, 0.01
"""Adjusted p-value below which a slice is confirmed, and below which it can be red."""
ERROR_RED = 0.50
"""Relative error from which a slice that is so certain is red."""
FEWEST = 40
"""Debtors that a slice needs in each half: of fewer, an error cannot be told from luck."""
CANDIDATES = 10
"""How many of the worst slices are tested."""
_PAIRED = 8
_BANDS = 4
_LEVELS = 8


@dataclass(frozen=True)
class Slice:
    """A part of the rows: its name, its rows (mask), and its standard errors in the half that chose it."""

    name: str
    rows: np.ndarray
    errors: float = 0.0


def run(evidence: Evidence) -> Result:
    """Search slices on one half and test the worst on the other."""
    explore = _half(evidence.cluster)
    whole = evidence.level(evidence.realised, evidence.scores, evidence.weight)
    fair = evidence.scores / whole
    residual = (evidence.realised - fair) * evidence.weight
    variance = expected_variance(evidence.realised, fair, evidence.cluster) * evidence.weight**2
    searched = [slice_ for slice_ in _slices(evidence) if _enough(evidence.cluster, slice_.rows, explore)]
    ranked = sorted(
        (Slice(one.name, one.rows, _errors(residual, variance, one.rows & explore)) for one in searched),
        key=lambda one: -abs(one.errors),
    )  # fmt: skip
    chosen = _distinct(ranked)[:CANDIDATES]
    confirmed_errors = np.array([_errors(residual, variance, one.rows & ~explore) for one in chosen])
    # the same side as when it was found: a one-sided test
    p = holm(norm.sf(confirmed_errors * np.sign([one.errors for one in chosen]))) if chosen else np.array([])
    table: list[list[Any]] = [
        [one.name, int(one.rows.sum()), _relative(evidence, residual, whole, one.rows & ~explore), float(value)]
        for one, value in zip(chosen, p, strict=True)
    ]
    confirmed = [row for row in table if row[3] < SIGNIFICANT]
    red = [row for row in confirmed if row[3] < SIGNIFICANT_RED and abs(row[2]) >= ERROR_RED]
    verdict = Verdict.RED if red else Verdict.AMBER if confirmed else Verdict.GREEN
    named = "; ".join(str(row[0]) for row in confirmed[:3])
    return Result(
        verdict,
        f"{len(searched):,} slices were searched on half of the debtors; of the {len(chosen)} worst, the other half "
        f"confirms {len(confirmed)}{': ' + named if confirmed else ''}.",
        {"searched": len(searched), "tested": len(chosen), "confirmed": len(confirmed)},
        f"Price and plan apart, or hold back, where {named}.",
        tables=[Table("The worst slices found on one half, as the other half sees them: relative error (above zero "
                      "more came than was foretold) and adjusted p-value.",
                      ["slice", "rows", "relative error", "adjusted p"], table)],
        plots=[Plot("Relative error of these slices in the half that did not choose them; red where confirmed.",
                    drawing.drawn(lambda axes: _paint(axes, table), width=8, height=3.4))] if table else [],
    )  # fmt: skip


def _half(cluster: np.ndarray) -> np.ndarray:
    """Return the rows (mask) of a half of the debtors."""
    return (pl.Series(cluster).hash(seed=SEED) % 2 == 0).to_numpy()


def _enough(cluster: np.ndarray, rows: np.ndarray, explore: np.ndarray) -> bool:
    return min(len(np.unique(cluster[rows & half])) for half in (explore, ~explore)) >= FEWEST and not rows.all()


def _slices(evidence: Evidence) -> list[Slice]:
    bands = {name: _bands(evidence.frame[name]) for name in evidence.frame.columns}
    strength = np.abs(evidence.explained.contributions).mean(axis=0)
    influential = [evidence.package.names[place] for place in np.argsort(-strength)[:_PAIRED]]
    single = [one for found in bands.values() for one in found]
    pairs = [
        Slice(f"{a.name} and {b.name}", a.rows & b.rows)
        for first, second in combinations(influential, 2)
        for a in bands[first]
        for b in bands[second]
    ]
    return single + pairs


def _bands(values: pl.Series) -> list[Slice]:
    if values.dtype == pl.String:
        levels = values.value_counts(sort=True)[values.name].to_list()[:_LEVELS]
        return [Slice(f"{values.name} is {level}", (values == level).to_numpy()) for level in levels]
    known = values.drop_nulls()
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _BANDS + 1))) if len(known) else np.array([])
    numbers, unknown = values.to_numpy(), values.is_null().to_numpy()
    found = [Slice(f"{values.name} is unknown", unknown)] if unknown.any() else []
    for low, high in pairwise(edges):
        last = high == edges[-1]
        inside = (numbers >= low) & ((numbers <= high) if last else (numbers < high))
        found.append(Slice(f"{values.name} from {low:,.4g} to {high:,.4g}", inside))
    return found


def _distinct(ranked: list[Slice]) -> list[Slice]:
    """Drop slices that are mostly one that was kept before them."""
    kept: list[Slice] = []
    for one in ranked[: 10 * CANDIDATES]:
        if all((one.rows & other.rows).sum() < 0.7 * (one.rows | other.rows).sum() for other in kept):
            kept.append(one)
    return kept


def _errors(residual: np.ndarray, variance: np.ndarray, rows: np.ndarray) -> float:
    error = float(np.sqrt(variance[rows].sum()))
    return float(residual[rows].sum()) / error if error > 0 else 0.0


def _relative(evidence: Evidence, residual: np.ndarray, whole: float, rows: np.ndarray) -> float:
    foretold = float((evidence.scores[rows] * evidence.weight[rows]).sum()) / whole
    return float(residual[rows].sum()) / foretold if foretold > 0 else 0.0


def _paint(axes, table: list) -> None:
    colours = [drawing.RED if row[3] < SIGNIFICANT else drawing.BLUE for row in table]
    drawing.bars(axes, [row[0] for row in table], [row[2] for row in table], colours)
    axes.axvline(0, color=drawing.SOFT, linewidth=1)
