"""What moves a version's scores: over all rows, by segment, and for single loans, each plot with a sentence."""

from typing import Any

import numpy as np
import polars as pl

from monitoring.validation import drawing, slices
from monitoring.validation.evidence import Evidence
from monitoring.validation.result import Plot, Table
from monitoring.validation.statistics import SEED

_IMPORTANT = 15
_DEPENDENT = 6
_PAIRS = 3
_SEGMENTS = 6
_STEPS = 9
_MOST_DOTS = 2_000


def account(evidence: Evidence) -> dict[str, Any]:
    """Return the parts of the account: ``importance``, ``dependence``, ``interactions``, ``segments``, ``loans``."""
    strength = np.abs(evidence.explained.contributions).mean(axis=0)
    order = np.argsort(-strength, kind="stable")
    return {
        "importance": _importance(evidence, strength, order[:_IMPORTANT]),
        "dependence": [_dependence(evidence, int(place)) for place in order[:_DEPENDENT]],
        "interactions": _interactions(evidence),
        "segments": _segments(evidence, order[:_SEGMENTS]),
        "loans": [_waterfall(evidence, name, row) for name, row in _typical(evidence).items()],
    }


def _importance(evidence: Evidence, strength: np.ndarray, places: np.ndarray) -> Plot:
    names = [evidence.package.names[place] for place in places]
    share = strength[places[:3]].sum() / strength.sum()
    says = (
        f"Mean absolute contribution to the score of the {len(names)} inputs that matter most; "
        f"{', '.join(names[:3])} make {share:.0%} of all that inputs move."
    )
    paint = drawing.drawn(lambda axes: drawing.bars(axes, names, list(strength[places])), height=4.2)
    return Plot(says, paint)


def _dependence(evidence: Evidence, place: int) -> Plot:
    name = evidence.package.names[place]
    values, effects = evidence.frame[name], evidence.explained.contributions[:, place]
    if values.dtype == pl.String:
        return _by_level(name, values, effects)
    known = values.is_not_null().to_numpy()
    x, y = values.drop_nulls().to_numpy(), effects[known]
    lowest, highest = (y[x <= np.quantile(x, 0.1)].mean(), y[x >= np.quantile(x, 0.9)].mean())
    says = f"{_about(evidence, place)}: from its lowest to its highest tenth the contribution goes {lowest:+.4f} to "
    says += f"{highest:+.4f}" + (f"; unknown values add {effects[~known].mean():+.4f}." if (~known).any() else ".")

    def paint(axes: Any) -> None:
        shown = np.random.default_rng(SEED).permutation(len(x))[:_MOST_DOTS]
        axes.axhline(0, color=drawing.SOFT, linewidth=1)
        axes.scatter(x[shown], y[shown], s=5, color=drawing.BLUE, alpha=0.35, linewidths=0, rasterized=True)
        axes.set(xlabel=name.replace("_", " "), ylabel="contribution", xlim=np.quantile(x, [0.005, 0.995]) if np.ptp(
            np.quantile(x, [0.005, 0.995])) else None)  # fmt: skip

    return Plot(says, drawing.drawn(paint, width=3.9, height=2.8))


def _by_level(name: str, values: pl.Series, effects: np.ndarray) -> Plot:
    table = pl.DataFrame({"level": values, "effect": effects}).group_by("level").agg(pl.col("effect").mean(), pl.len())
    shown = table.sort("len", descending=True).head(12).sort("effect", descending=True)
    says = f"{name.replace('_', ' ')}: mean contribution by level, from {shown['level'][0]} "
    says += f"({shown['effect'][0]:+.4f}) down to {shown['level'][-1]} ({shown['effect'][-1]:+.4f})."
    levels, means = shown["level"].to_list(), shown["effect"].to_list()
    return Plot(says, drawing.drawn(lambda axes: drawing.bars(axes, levels, means), width=3.9, height=2.8))


def _interactions(evidence: Evidence) -> Table:
    """Return the pairs of inputs whose joint splits move scores most (CatBoost's interaction strength)."""
    names = evidence.package.names
    pairs = evidence.package.model.get_feature_importance(type="Interaction")[:10]
    rows: list[list[Any]] = [[names[int(a)], names[int(b)], float(share)] for a, b, share in pairs]
    told = f"; {rows[0][0]} with {rows[0][1]} is the strongest" if rows else ""
    return Table(f"Pairs of inputs that move scores together, in percent of all joint movement{told}.",
                 ["input", "with", "strength"], rows)  # fmt: skip


def _segments(evidence: Evidence, places: np.ndarray) -> Table:
    """Return the mean contribution of the strongest inputs, segment by segment."""
    effects = evidence.explained.contributions
    rows: list[list[Any]] = []
    for labels in slices.segments(evidence).get_columns():
        for label, mask in slices.parts(labels).items():
            mean = float(evidence.explained.scores[mask].mean())
            rows.append(
                [f"{labels.name} {label}", int(mask.sum()), mean, *map(float, effects[mask][:, places].mean(0))]
            )
    names = [evidence.package.names[place] for place in places]
    return Table("By segment: the mean score, and the mean contribution of the strongest inputs.",
                 ["segment", "rows", "mean score", *names], rows)  # fmt: skip


def _typical(evidence: Evidence) -> dict[str, int]:
    """Return a row of a low, a middle and a high score."""
    order = np.argsort(evidence.explained.scores, kind="stable")
    return {name: int(order[round(at * (len(order) - 1))]) for name, at in
            (("a low score", 0.05), ("a middling score", 0.5), ("a high score", 0.95))}  # fmt: skip


def _waterfall(evidence: Evidence, title: str, row: int) -> Plot:
    effects, names = evidence.explained.contributions[row], evidence.package.names
    base, score = float(evidence.explained.base[row]), float(evidence.explained.scores[row])
    places = np.argsort(-np.abs(effects), kind="stable")[:_STEPS]
    values = evidence.frame.row(row, named=True)
    steps = [(f"{names[at]} = {_shown(values[names[at]])}", float(effects[at])) for at in places]
    steps.append(("all other inputs", float(effects.sum() - sum(effect for _, effect in steps))))
    says = (
        f"A row with {title}: from the average of {base:.4f} to {score:.4f}, most of all by "
        f"{names[places[0]]} ({effects[places[0]]:+.4f})."
    )

    def paint(axes: Any) -> None:
        ends = base + np.cumsum([effect for _, effect in steps])
        for at, ((_, effect), end) in enumerate(zip(steps, ends, strict=True)):
            axes.barh(at, effect, left=end - effect, color=drawing.GREEN if effect > 0 else drawing.RED, height=0.7)
        axes.axvline(base, color=drawing.SOFT, linewidth=1, linestyle=":")
        axes.axvline(score, color=drawing.BLUE, linewidth=1)
        axes.use_sticky_edges = False
        axes.set_yticks(range(len(steps)), [name for name, _ in steps])
        axes.invert_yaxis()

    return Plot(says, drawing.drawn(paint, width=6.2, height=3.4))


def _about(evidence: Evidence, place: int) -> str:
    column = evidence.package.card.columns[place]
    return f"{column['name'].replace('_', ' ')} ({column['about']})"


def _shown(value: float | str | None) -> str:
    return "unknown" if value is None else value if isinstance(value, str) else f"{value:.6g}"
