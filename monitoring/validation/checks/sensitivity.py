"""Sensitivity and monotonicity: does the score move the way that business sense says?

Purpose: a reviewer, a debtor and a desk must not meet a loan that is worth more because it is older.

Mechanism: each input with an expected direction (`business_sense.yaml`) is moved over its deciles with all
else as it is, on out-of-time rows (individual conditional expectation); the mean curve's net rise is compared
with all of its ups and downs. Inputs that the model promises to be monotone in may not break it once.

Signs of high risk: a broken promise; an influential input whose curve runs against sense.

Strengths: asks the very version that would be served, input by input, on real rows.

Limitations: moves one input at a time, also to where it never stands with the others; an input that stands
for another can rightly run against what it would do alone.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from markupsafe import Markup

from monitoring.validation import drawing
from monitoring.validation.evidence import Evidence
from monitoring.validation.result import Plot, Result, Table, Verdict
from monitoring.validation.statistics import SEED

MATTERS = 0.02
"""Least range of an input's mean curve, over the mean score, at which running against sense is judged."""
AGAINST = -0.5
"""Net rise over all ups and downs, in the expected direction, from which on a curve runs against sense."""
AGAINST_RED = 3
"""So many inputs against sense are red; one is amber."""
_ROWS = 400
_SENSE = Path(__file__).parents[1] / "business_sense.yaml"


def run(evidence: Evidence) -> Result:
    """Judge promised monotonicity, and every expected direction."""
    package = evidence.package
    rows = evidence.frame.sample(min(_ROWS, evidence.frame.height), seed=SEED)
    promised = {name: way for name, way in evidence.learner.task.monotone.items() if name in rows.columns}
    broken = sum(_breaks(evidence, rows, name, way) for name, way in promised.items())
    base = float(package.scores(rows, threads=2).mean())
    found = []
    for name, expected in sense(package.card.name).items():
        if name in rows.columns and (curve := _curve(evidence, rows, name)):
            places, means = curve
            steps = np.diff(means)
            net = float(expected["way"] * steps.sum() / max(np.abs(steps).sum(), 1e-12))
            found.append((name, expected, float(np.ptp(means)) / base, net, places, means))
    found.sort(key=lambda one: -one[2])
    against = [one[0] for one in found if one[2] >= MATTERS and one[3] <= AGAINST]
    verdict = Verdict.RED if broken or len(against) >= AGAINST_RED else Verdict.AMBER if against else Verdict.GREEN
    return Result(
        verdict,
        f"{broken} steps break what is promised of {len(promised)} inputs; of {len(found)} inputs with an expected "
        f"direction {len(against)} run against it{': ' + ', '.join(against) if against else ''}.",
        {"broken_promises": int(broken), "judged": len(found), "against_sense": len(against)},
        f"Do not explain a score by {', '.join(against)} before it is understood why." if against else
        "Do not serve a model that breaks a promise it is documented to keep.",
        tables=[Table("Expected directions. 'Range' is the mean curve's over the mean score; 'net' is 1 where every "
                      "step goes the expected way and -1 where every step goes against it.",
                      ["input", "expected", "because", "range", "net"],
                      [[name, "up" if want["way"] > 0 else "down", want["because"], width, net]
                       for name, want, width, net, _, _ in found])],
        plots=[Plot(f"Mean score as {name} moves over its deciles: expected to go "
                    f"{'up' if want['way'] > 0 else 'down'}, because {want['because']}.",
                    _drawn(name, places, means))
               for name, want, _, _, places, means in found[:6]],
    )  # fmt: skip


@cache
def sense(model: str) -> dict[str, dict]:
    """Return the expected direction of a model's inputs: ``way`` (1 or -1) and ``because``."""
    return yaml.safe_load(_SENSE.read_text(encoding="utf-8"))[model]


def _curve(evidence: Evidence, rows: pl.DataFrame, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    known = evidence.frame[name].drop_nulls()
    places = np.unique(np.quantile(known, np.linspace(0.05, 0.95, 10))) if len(known) else np.array([])
    if len(places) < 2:
        return None
    return places, np.array([evidence.package.scores(_at(rows, name, place), threads=2).mean() for place in places])


def _breaks(evidence: Evidence, rows: pl.DataFrame, name: str, way: int) -> int:
    """Return how many steps of how many rows go against a promise."""
    places = np.unique(np.quantile(evidence.frame[name].drop_nulls(), np.linspace(0, 1, 10)))
    scores = np.array([evidence.package.scores(_at(rows, name, place), threads=2) for place in places])
    return int((way * np.diff(scores, axis=0) < 0).sum())


def _at(rows: pl.DataFrame, name: str, place: float) -> pl.DataFrame:
    return rows.with_columns(pl.lit(float(place)).alias(name))


def _drawn(name: str, places: np.ndarray, means: np.ndarray) -> Markup:
    def paint(axes: Any) -> None:
        axes.plot(places, means, color=drawing.BLUE, marker="o", markersize=3)
        axes.set(xlabel=name.replace("_", " "), ylim=(0, float(means.max()) * 1.15))

    return drawing.drawn(paint, width=3.9, height=2.6)
