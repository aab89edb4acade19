"""Data quality: are the inputs there, do they vary, and are they those that the model learnt from?

Purpose: a model is no better than its inputs; this tells how much of them is missing, constant, repeated or
of kinds never seen before the test.

Mechanism: shares of missing values before the test and in it, inputs that never vary, rows that repeat
another row in every input and the target, and test rows with a category that training had not seen.

Signs of high risk: an input that is there in training and gone in the test; many repeated rows; many
unseen categories.

Strengths: needs no model, and points at the feed that is to blame.

Limitations: tells that values are there, not that they are right; intake's own checks stand before it. Inputs
that move with the calendar alone, such as the book's own history while it is young, are not judged.
"""

import numpy as np
import polars as pl

from features.marts.columns import MISSING
from monitoring.validation import drawing
from monitoring.validation.evidence import Evidence
from monitoring.validation.result import Plot, Result, Table, below, worst
from serving.diligence import comparison

MISSING_MOVED_AMBER, MISSING_MOVED_RED = 0.15, 0.40
"""Change of an input's share of missing values from training to test."""
REPEATED_AMBER, REPEATED_RED = 0.01, 0.05
"""Share of rows that repeat another."""
UNSEEN_AMBER, UNSEEN_RED = 0.02, 0.10
"""Share of test rows with a category that training has not seen."""
_SHOWN = 12


def run(evidence: Evidence) -> Result:
    """Judge missing, constant, repeated and unseen inputs."""
    learner = evidence.learner
    before, after = learner.frame.filter(evidence.before), evidence.frame
    gone = pl.DataFrame(
        {"input": before.columns, "before": _missing(before), "after": _missing(after)}
    ).with_columns((pl.col("after") - pl.col("before")).abs().alias("moved"))  # fmt: skip
    by_calendar = [column["name"] for column in evidence.package.card.columns if comparison.moves_with_calendar(column)]
    judged = gone.filter(~pl.col("input").is_in(by_calendar)).sort("moved", "after", descending=True)
    worst_input, moved = judged["input"][0], float(judged["moved"].to_numpy()[0])
    rows = before.with_columns(learner.rows["target"].filter(evidence.before).alias("target"))
    repeated = 1 - rows.n_unique() / rows.height
    unseen = _unseen(before, after)
    constant = [name for name in before.columns if before[name].n_unique() == 1]
    verdict = worst(
        below(moved, MISSING_MOVED_AMBER, MISSING_MOVED_RED),
        below(repeated, REPEATED_AMBER, REPEATED_RED),
        below(unseen, UNSEEN_AMBER, UNSEEN_RED),
    )
    shown = judged.head(_SHOWN)
    return Result(
        verdict,
        f"{len(before.columns) - len(constant)} of {len(before.columns)} inputs vary; the share missing moved most "
        f"for {worst_input} (by {moved:.1%}), {repeated:.2%} of rows repeat another, {unseen:.1%} of test rows "
        "hold a category never seen before.",
        {"missing_moved": moved, "repeated": repeated, "unseen_category": unseen, "constant_inputs": len(constant)},
        f"Do not score books whose {worst_input} is filled differently from training.",
        tables=[Table("Inputs that never vary carry no information in this book.", ["constant input"],
                      [[name] for name in constant])] if constant else [],
        plots=[Plot(
            "Share of missing values in the test, of the inputs where it moved most from what training saw (line).",
            drawing.drawn(lambda axes: _paint(axes, shown), height=3.6),
        )],
    )  # fmt: skip


def _missing(frame: pl.DataFrame) -> list[float]:
    return [
        float(((values == MISSING) if values.dtype == pl.String else values.is_null()).to_numpy().mean())
        for values in frame.get_columns()
    ]


def _unseen(before: pl.DataFrame, after: pl.DataFrame) -> float:
    strange = np.zeros(after.height, bool)
    for name in after.columns:
        if after.schema[name] == pl.String:
            strange |= (~after[name].is_in(before[name].unique().to_list())).to_numpy()
    return float(strange.mean())


def _paint(axes, shown: pl.DataFrame) -> None:
    drawing.bars(axes, shown["input"].to_list(), shown["after"].to_list())
    axes.scatter(shown["before"], range(shown.height), marker="|", s=120, color=drawing.SOFT, zorder=3)
    axes.set_xlabel("share missing in the test; line: before it")
