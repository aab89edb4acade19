"""Fairness: are people of an age band, a region or a sex treated worse than their outcomes warrant?

Purpose: a score that decides whom to press and what to offer must not misjudge a group of people.

Mechanism: by group of each attribute where it is known: foretold over realised, beside that of all, with a
bootstrap interval by debtor; order within the group; and the share of the group among the fifth of scores
ranked highest, over that of the group treated most (the four-fifths rule). Then what mitigation costs: scores
brought to each group's own level, and equal shares of every group in the top fifth, against what is lost in
order and in money.

Signs of high risk: a group's level off by a quarter or more beyond chance.

Strengths: with intervals, so that small groups do not cry wolf, and with the price of doing something.

Limitations: only attributes on file; equal levels, equal order and equal shares cannot all hold at once where
outcomes differ (Kleinberg, Mullainathan and Raghavan 2016, arXiv:1609.05807): the level is judged, the rest is
shown. Sex is no input of either model.
"""

from typing import Any

import numpy as np
import polars as pl

from monitoring.validation import drawing, slices
from monitoring.validation.evidence import Evidence
from monitoring.validation.result import Plot, Result, Table, below, not_applicable
from monitoring.validation.statistics import intervals, off_level

OFF_AMBER, OFF_RED = 0.10, 0.30
"""How far the nearest end of a group's 95 % interval may lie from all people's level (absolute logarithm)."""
FOUR_FIFTHS = 0.80
"""Of the group treated most; shown, since what being treated more means differs from use to use."""
_TOP = 0.2


def run(evidence: Evidence) -> Result:
    """Judge the level of every group, and price its mitigation."""
    known = [name for name in evidence.people.columns if slices.parts(evidence.people[name])]
    unknown = [name for name in evidence.people.columns if name not in known]
    silence = f"Unknown in this book, and so not tested: {', '.join(unknown)}." if unknown else ""
    if not known:
        return not_applicable(silence)
    rows = [row for name in known for row in _judged(evidence, name)]
    off = {row[0]: off_level(row[3], row[4]) for row in rows}
    gravest = max(off, key=lambda name: off[name])
    costs: list[list[Any]] = [[name, *_mitigation(evidence, evidence.people[name])] for name in known]
    wrong = [name for name, distance in off.items() if distance > OFF_AMBER]
    return Result(
        below(off[gravest], OFF_AMBER, OFF_RED),
        f"Of {len(rows)} groups by {', '.join(known)}, {len(wrong)} are off by more than chance"
        f"{': ' + ', '.join(wrong) if wrong else ''}. {silence}".rstrip(),
        {"groups": len(rows), "wrong_groups": len(wrong), "gravest": off[gravest],
         "unknown_attributes": len(unknown)},
        f"Have a person review decisions about {', '.join(wrong) or 'these groups'}. {silence}".rstrip(),
        tables=[
            Table("By group: rows, its level over all people's with the 95 % interval (above 1 the model expects too "
                  "much of the group), order within it, and its share among the top fifth of scores over that of the "
                  f"group with the largest ({FOUR_FIFTHS:.0%} is the four-fifths rule).",
                  ["group", "rows", "level", "lower", "upper", evidence.order_metric, "share in the top fifth"], rows),
            Table("What mitigation costs: the order lost when every group is brought to its own level, and what the "
                  "top fifth brings when every group has its equal share of it, over what it brings now.",
                  ["attribute", "order lost", "top fifth's outcome, of what it is now"], costs),
        ],
        plots=[Plot("Level of each group over that of all people, with 95 % bootstrap intervals.",
                    drawing.drawn(lambda axes: _paint(axes, rows, off), height=max(2.4, 0.24 * len(rows))))],
    )  # fmt: skip


def _judged(evidence: Evidence, name: str) -> list[list[Any]]:
    """Return a row of figures for every group of an attribute."""
    realised, scores, weight = evidence.realised, evidence.scores, evidence.weight
    groups = slices.parts(evidence.people[name])
    code = np.full(len(scores), len(groups))
    for place, mask in enumerate(groups.values()):
        code[mask] = place
    foretold, came = scores * weight, realised * weight

    def levels(rows: np.ndarray) -> np.ndarray:
        """Of each group over that of all people; the last is of those whose group is not known."""
        told, got = (np.bincount(code[rows], values[rows], len(groups) + 1) for values in (foretold, came))
        ratio = np.divide(told, got, out=np.full(len(told), np.nan), where=got > 0)
        return (ratio * got.sum() / told.sum())[:-1]

    middle = levels(np.arange(len(scores)))
    low, high = intervals(levels, evidence.cluster)
    top = _top(scores)
    shares = [top[mask].mean() for mask in groups.values()]
    return [
        [f"{name} {group}", int(mask.sum()), float(middle[place]), float(low[place]), float(high[place]),
         evidence.order(realised[mask], scores[mask]), float(shares[place] / max(*shares, 1e-12))]
        for place, (group, mask) in enumerate(groups.items())
    ]  # fmt: skip


def _top(scores: np.ndarray, share: float = _TOP) -> np.ndarray:
    """Return the rows (mask) with the highest scores."""
    chosen = np.zeros(len(scores), bool)
    chosen[np.argsort(-scores, kind="stable")[: max(1, round(share * len(scores)))]] = True
    return chosen


def _mitigation(evidence: Evidence, labels: pl.Series) -> tuple[float, float]:
    realised, scores, weight = evidence.realised, evidence.scores, evidence.weight
    whole = evidence.level(realised, scores, weight)
    levelled, equal = scores.copy(), np.zeros(len(scores), bool)
    rest = np.ones(len(scores), bool)
    for rows in slices.parts(labels).values():
        level = evidence.level(realised[rows], scores[rows], weight[rows])
        if np.isfinite(level):
            levelled[rows] = np.clip(scores[rows] * whole / level, 0, 1)
        equal[np.flatnonzero(rows)[_top(scores[rows])]] = True
        rest &= ~rows
    if rest.any():
        equal[np.flatnonzero(rest)[_top(scores[rest])]] = True
    brought = [float((realised * weight)[rows].sum() / weight[rows].sum()) for rows in (_top(scores), equal)]
    lost = evidence.order(realised, scores) - evidence.order(realised, levelled)
    return lost, brought[1] / brought[0] if brought[0] > 0 else float("nan")


def _paint(axes, rows: list, off: dict[str, float]) -> None:
    colours = [
        drawing.RED if off[row[0]] > OFF_RED else drawing.AMBER if off[row[0]] > OFF_AMBER else drawing.BLUE
        for row in rows
    ]
    drawing.ranges(axes, [row[0] for row in rows], [row[2] for row in rows], [row[3] for row in rows],
                   [row[4] for row in rows], colours, 1.0)  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
