"""What is missing that would narrow the price most.

The worth of knowing a field is measured on the package's reference rows, where it is known: they are
scored with it and without it, all else that the tape lacks being hidden from both. The difference, as
a share of the mean score, is how far a loan's value moves once the field comes in; with mean m and
variance s2 over the reference, the value of the tape's loans that lack it, worth w_i each, moves by an
amount whose mean square is (m sum w_i)^2 + s2 sum w_i^2. The first part is a level that all of them
share, the second fades as loans are added. The package's intervals were learnt on loans that had the
field, so this uncertainty comes on top of them.

Only what is missing beyond our own book, and beyond chance, counts: there the model has learnt what a blank means.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from features.feeds import FEEDS
from serving.diligence.lineage import unknown_in
from serving.diligence.subject import Subject
from serving.pricing.absence import without

_ROWS = 4_000
_FEWEST = 100
_SEED = 7
_NORMAL = 1.645  # half of a 90 % interval in standard deviations
_MOSTLY = 0.5
_FEEDS = {"loans": "the tape", "borrowers": "a file of debtors"}


@dataclass(frozen=True)
class _Gap:
    """A field that the tape lacks in some loans."""

    feed: str
    field: str
    inputs: frozenset[str]
    rows: np.ndarray
    excess: float  # of the share missing over that in our own book
    ours: float


def missing(subject: Subject, lineage: dict[str, dict[str, list[str]]]) -> dict[str, Any]:
    """Rank what is missing by the uncertainty of the portfolio's value that knowing it would remove.

    Parameters
    ----------
    subject : Subject
    lineage : dict of str to dict
        By feed and field, the model inputs that rest on it.

    Returns
    -------
    dict
        ``gaps``: by field the loans and claim that lack it, ``missing`` and ``missing_in_ours`` (shares),
        ``typical_move`` (root mean square, share of a loan's value), ``level`` (money: by how much the
        portfolio would move if these loans were like ours), ``uncertainty`` (money: half of the 90 %
        interval that goes when it is known); ``never_known``: fields that our own book lacks too.
    """
    package = subject.package
    reference = package.reference.drop("score")
    reference = reference.sample(min(_ROWS, reference.height), seed=_SEED)
    blank = unknown_in(reference, package)
    gaps = _gaps(subject, blank, lineage)
    mostly = [gap for gap in gaps if len(gap.rows) > _MOSTLY * subject.loans.height]
    found, never = [], []
    for gap in gaps:
        hidden = {name for other in mostly if other != gap for name in other.inputs} - gap.inputs
        known = reference.filter(~blank.select(pl.all_horizontal(list(gap.inputs))).to_series())
        if known.height < _FEWEST:
            never.append({"field": gap.field, "from": _FEEDS[gap.feed]})
            continue
        with_it = package.scores(without(known, hidden, package), threads=2)
        without_it = package.scores(without(known, hidden | gap.inputs, package), threads=2)
        found.append(_worth(subject, gap, (with_it - without_it) / without_it.mean()))
    return {"gaps": sorted(found, key=lambda row: -row["uncertainty"]), "never_known": never}


def _gaps(subject: Subject, ours: pl.DataFrame, lineage: dict[str, dict[str, list[str]]]) -> list[_Gap]:
    tape = unknown_in(subject.inputs, subject.package)
    gaps = []
    for feed, by_field in lineage.items():
        for field, inputs in by_field.items():
            if not inputs:
                continue
            blank = pl.all_horizontal(inputs)
            rows = np.flatnonzero(tape.select(blank).to_series().to_numpy())
            share = float(ours.select(blank).to_series().to_numpy().mean())
            excess = len(rows) / tape.height - share
            chance = 2 * np.sqrt(share * (1 - share) * (1 / tape.height + 1 / ours.height))
            if excess > chance and excess * tape.height >= 1:
                gaps.append(_Gap(feed, field, frozenset(inputs), rows, excess * tape.height / len(rows), share))
    return gaps


def _worth(subject: Subject, gap: _Gap, moves: np.ndarray) -> dict[str, Any]:
    value = subject.worth[gap.rows]
    level = float(moves.mean() * value.sum() * gap.excess)
    own = moves.var() * (value**2).sum() * gap.excess
    uncertainty = _NORMAL * float(np.sqrt(level**2 + own))
    column = FEEDS[gap.feed].SCHEMA.columns[gap.field]
    return {
        "field": gap.field,
        "about": column.description,
        "eba": (column.metadata or {}).get("eba"),
        "from": _FEEDS[gap.feed],
        "whole": gap.field == "borrower_id",
        "inputs": sorted(gap.inputs),
        "loans": len(gap.rows),
        "claim": float(subject.loans["balance"].to_numpy()[gap.rows].sum()),
        "missing": len(gap.rows) / subject.loans.height,
        "missing_in_ours": gap.ours,
        "typical_move": float(np.sqrt((moves**2).mean())),
        "level": level,
        "uncertainty": uncertainty,
        "uncertainty_share": uncertainty / subject.price if subject.price > 0 else None,
    }
