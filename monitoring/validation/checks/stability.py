"""Stability over time: do later rows look like earlier ones, and does the order survive a refit?

Purpose: a model whose inputs wander, or that ranks differently when it is taught half a year less, will be
wrong soon and without a sound.

Mechanism: population stability index (Siddiqi 2006) of the score and of each input, from the rows that came to
us first to the last quarter, all asked about the same horizon; rank correlation of the test's scores with those
of the same model taught only the older three quarters of what lies before the test; order of outcomes in
consecutive parts of the test.

Signs of high risk: an index above 0.25 that the calendar does not explain; a rank correlation below 0.6.

Strengths: says where to look before outcomes are known.

Limitations: the index grows where rows are few; inputs that move with the calendar alone (years, indices, the
book's own history) are shown and not judged.
"""

from dataclasses import replace

import numpy as np
import polars as pl
from scipy.stats import spearmanr

from monitoring.validation import drawing
from monitoring.validation.evidence import Evidence
from monitoring.validation.result import Plot, Result, Table, above, below, worst
from serving.diligence import comparison

PSI_AMBER, PSI_RED = 0.10, 0.25
"""Of the score, beyond what chance alone gives; the usual marks of credit scorecards."""
INPUT_AMBER, INPUT_RED = 0.25, 1.0
"""Of the input that moved most, likewise."""
RANK_AMBER, RANK_RED = 0.80, 0.60
"""Least correlation of ranks with the model taught less."""
LATER = 0.25
"""Share of rows that count as later."""
_PARTS = 4
_SHOWN = 12


def run(evidence: Evidence) -> Result:
    """Judge the score's and the inputs' shift, and how ranks hold."""
    earlier, later = _by_arrival(evidence)
    raw_index, by_chance = comparison.stability(earlier["score"].to_numpy(), later["score"].to_numpy())
    psi = max(raw_index - by_chance, 0.0)
    against = replace(evidence.package, reference=earlier)
    told = comparison.compare(against, later, {"by_column": {}, "share": 0.0})["inputs"]
    moved = [[row["input"], row["psi"] - row["by_chance"], bool(row["calendar"])] for row in told if row["psi"]]
    judged = max((row for row in moved if not row[2]), key=lambda row: row[1])
    rank = _rank_stability(evidence)
    parts = _order_in_parts(evidence)
    verdict = worst(
        below(psi, PSI_AMBER, PSI_RED), below(judged[1], INPUT_AMBER, INPUT_RED), above(rank, RANK_AMBER, RANK_RED)
    )
    shown = sorted(moved, key=lambda row: -row[1])[:_SHOWN]
    return Result(
        verdict,
        f"The score's stability index is {psi:.2f}, that of the input that moved most ({judged[0]}) {judged[1]:.2f}; "
        f"ranks correlate {rank:.2f} with the model taught less; {evidence.order_metric} runs from {min(parts):.2f} to "
        f"{max(parts):.2f} over {len(parts)} parts of the test.",
        {"score_psi": psi, "largest_input_psi": judged[1], "rank_stability": rank, "least_order": min(parts)},
        f"Watch {judged[0]} and retrain sooner than planned; compare scores of different versions only by rank.",
        tables=[Table(f"{evidence.order_metric} in consecutive parts of the test, in time order.",
                      [f"part {place + 1}" for place in range(len(parts))], [list(parts)])],
        plots=[Plot("Stability index of the inputs that moved most, less what chance gives; pale bars move with the "
                    "calendar by themselves. Lines: 0.1 and 0.25.",
                    drawing.drawn(lambda axes: _paint(axes, shown), height=3.6))],
    )  # fmt: skip


def _by_arrival(evidence: Evidence) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return inputs and scores of the judged rows that came first, and of the last quarter."""
    learner, horizons = evidence.learner, evidence.package.card.horizons
    judged = learner.rows["judged"]
    frame, rows = learner.frame.filter(judged), learner.rows.filter(judged)
    if horizons:
        frame = frame.with_columns(horizon_months=pl.lit(max(horizons)))
    frame = frame.with_columns(pl.Series("score", evidence.package.scores(frame, threads=2)))
    came = rows["moment" if rows["moment"].n_unique() > 1 else "order"].to_numpy()
    last = came > np.sort(came)[int(len(came) * (1 - LATER))]
    return frame.filter(~last), frame.filter(last)


def _rank_stability(evidence: Evidence) -> float:
    learner, part = evidence.learner, evidence.parts.fit
    curve = learner.curve(part)
    model = learner.fit(part, evidence.package.card.parameters, curve, seeds=1)
    less = learner.scores(model, evidence.mask, curve)
    return float(spearmanr(less, evidence.scores).statistic) if np.ptp(less) > 0 else 0.0


def _order_in_parts(evidence: Evidence) -> list[float]:
    parts = np.array_split(np.argsort(evidence.rows["order"].to_numpy(), kind="stable"), _PARTS)
    found = [evidence.order(evidence.realised[rows], evidence.scores[rows]) for rows in parts]
    return [value for value in found if np.isfinite(value)]


def _paint(axes, shown: list) -> None:
    colours = [drawing.RULE if calendar else drawing.BLUE for _, _, calendar in shown]
    drawing.bars(axes, [row[0] for row in shown], [max(row[1], 0.0) for row in shown], colours)
    for mark in (0.1, 0.25):
        axes.axvline(mark, color=drawing.SOFT, linewidth=1, linestyle=":")
