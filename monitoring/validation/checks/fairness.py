"""Fairness: are people of an age band, a region or a sex treated worse than their outcomes warrant?

Purpose: a score that decides whom to press and what to offer must not misjudge a group of people.

Mechanism: by group of each attribute where it is known: foretold over realised, beside that of all, with
bootstrap intervals by debtor that hold all groups at once; order within the group; and the share of the group
among the fifth of scores ranked highest, over that of the group treated most (the four-fifths rule). Groups too
small to judge alone are judged together, by name, until they are enough. Then what mitigation costs: scores
brought to each group's own level, and equal shares of every group in the top fifth, against what is lost in
order and in money.

Signs of high risk: a group's level off by a quarter or more beyond chance.

Strengths: with intervals, so that neither small groups nor many of them cry wolf, and with the price of doing
something.

Limitations: only attributes on file; what is wrong with one small group may hide in those judged with it; equal
levels, equal order and equal shares cannot all hold at once where outcomes differ (Kleinberg, Mullainathan and
Raghavan 2016, arXiv:1609.05807): the level is judged, the rest is shown. Sex is no input of either model.
"""

from typing import Any

import numpy as np
import polars as pl

from monitoring.validation import drawing, slices
from monitoring.validation.evidence import Evidence
from monitoring.validation.result import Plot, Result, Table, below, not_applicable
from monitoring.validation.statistics import off_level, simultaneous

OFF_AMBER, OFF_RED = 0.10, 0.30
"""How far the nearest end of a group's interval may lie from all people's level (absolute logarithm)."""
FOUR_FIFTHS = 0.80
"""Of the group treated most; shown, since what being treated more means differs from use to use."""
_TOP = 0.2
Groups = dict[str, np.ndarray]


def run(evidence: Evidence) -> Result:
    """Judge the level of every group, and price its mitigation."""
    found = {name: groups(evidence.people[name]) for name in evidence.people.columns}
    known = {name: parted for name, parted in found.items() if len(parted) > 1}
    unknown = [name for name in found if name not in known]
    silence = f"Not known, or of too few people to compare, and so not tested: {', '.join(unknown)}." if unknown else ""
    if not known:
        return not_applicable(silence)
    rows = _judged(evidence, known)
    off = {row[0]: off_level(row[3], row[4]) for row in rows}
    gravest = max(off, key=lambda name: off[name])
    costs: list[list[Any]] = [[name, *_mitigation(evidence, parted)] for name, parted in known.items()]
    wrong = [name for name, distance in off.items() if distance > OFF_AMBER]
    return Result(
        below(off[gravest], OFF_AMBER, OFF_RED),
        f"Of {len(rows)} groups by {', '.join(known)}, {len(wrong)} are off by more than chance"
        f"{': ' + ', '.join(wrong) if wrong else ''}. {silence}".rstrip(),
        {"groups": len(rows), "wrong_groups": len(wrong), "gravest": off[gravest],
         "unknown_attributes": len(unknown)},
        f"Have a person review decisions about {', '.join(wrong) or 'these groups'}. {silence}".rstrip(),
        tables=[
            Table("By group: rows, its level over all people's with the 95 % interval for all groups at once (above 1 "
                  "the model expects too much of the group), order within it, and its share among the top fifth of "
                  f"scores over that of the group with the largest ({FOUR_FIFTHS:.0%} is the four-fifths rule). Groups "
                  f"of fewer than {slices.FEWEST} rows stand together in one line.",
                  ["group", "rows", "level", "lower", "upper", evidence.order_metric, "share in the top fifth"], rows),
            Table("What mitigation costs: the order lost when every group is brought to its own level, and what the "
                  "top fifth brings when every group has its equal share of it, over what it brings now.",
                  ["attribute", "order lost", "top fifth's outcome, of what it is now"], costs),
        ],
        plots=[Plot("Level of each group over that of all people, with 95 % bootstrap intervals.",
                    drawing.drawn(lambda axes: _paint(axes, rows, off), height=max(2.4, 0.24 * len(rows))))],
    )  # fmt: skip


def groups(labels: pl.Series) -> Groups:
    """Return the rows (mask) of each group; small ones are put together in the order of their names.

    Examples
    --------
    >>> labels = pl.Series(["north"] * 70 + ["east"] * 40 + ["west"] * 30 + ["south"] * 5 + [None])
    >>> {name: int(rows.sum()) for name, rows in groups(labels).items()}
    {'north': 70, 'east, south, west': 75}
    """
    found = slices.parts(labels)
    rows = dict(labels.drop_nulls().value_counts().iter_rows())
    together: list[list[str]] = [[]]
    for label in sorted(rows.keys() - found.keys()):
        together[-1].append(label)
        if sum(rows[one] for one in together[-1]) >= slices.FEWEST:
            together.append([])
    left_over = together.pop()  # too few to stand alone: they go with those before them
    if together:
        together[-1] += left_over
    return found | {", ".join(part): labels.is_in(part).fill_null(False).to_numpy() for part in together}


def _judged(evidence: Evidence, known: dict[str, Groups]) -> list[list[Any]]:
    """Return a row of figures for every group of every attribute."""
    realised, scores = evidence.realised, evidence.scores
    foretold, came = scores * evidence.weight, realised * evidence.weight
    codes = [(_code(parted), len(parted)) for parted in known.values()]

    def levels(rows: np.ndarray) -> np.ndarray:
        """Of each group over that of all people; the last of an attribute, whose group is not known, is left out."""
        told, got = (
            np.concatenate([np.bincount(code[rows], values[rows], count + 1)[:-1] for code, count in codes])
            for values in (foretold, came)
        )
        ratio = np.divide(told, got, out=np.full(len(told), np.nan), where=got > 0)
        return ratio * came[rows].sum() / foretold[rows].sum()

    middle = levels(np.arange(len(scores)))
    low, high = simultaneous(levels, evidence.cluster)
    top = _top(scores)
    found: list[list[Any]] = []
    for name, parted in known.items():
        most = max(max(top[mask].mean() for mask in parted.values()), 1e-12)
        for group, mask in parted.items():
            place = len(found)
            order = evidence.order(realised[mask], scores[mask])
            found.append([f"{name} {group}", int(mask.sum()), float(middle[place]), float(low[place]),
                          float(high[place]), order, float(top[mask].mean() / most)])  # fmt: skip
    return found


def _code(parted: Groups) -> np.ndarray:
    """Return the place of each row's group, shape (n,); one more for those of none."""
    code = np.full(len(next(iter(parted.values()))), len(parted))
    for place, mask in enumerate(parted.values()):
        code[mask] = place
    return code


def _top(scores: np.ndarray, share: float = _TOP) -> np.ndarray:
    """Return the rows (mask) with the highest scores."""
    chosen = np.zeros(len(scores), bool)
    chosen[np.argsort(-scores, kind="stable")[: max(1, round(share * len(scores)))]] = True
    return chosen


def _mitigation(evidence: Evidence, parted: Groups) -> tuple[float, float]:
    realised, scores, weight = evidence.realised, evidence.scores, evidence.weight
    whole = evidence.level(realised, scores, weight)
    levelled, equal = scores.copy(), np.zeros(len(scores), bool)
    rest = np.ones(len(scores), bool)
    for rows in parted.values():
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
