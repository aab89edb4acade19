"""Plots of a monitoring run: columns by chunks, estimates and what became of them, cash and its causes."""

from typing import Any

import numpy as np
from markupsafe import Markup

from monitoring.money import Vintage
from monitoring.outcome import Watched
from monitoring.performance import LOG_LOSS, Measured
from monitoring.validation.drawing import AMBER, BLUE, GREEN, RED, SOFT, drawn, written

_COLUMNS = 24
_FARTHEST = 2.0


def overview(models: dict[str, Watched]) -> Any:
    """Return a figure with a heat map for each model."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 0.6 + 5.4 * len(models)), layout="constrained")
    for axes, watched in zip(figure.subplots(len(models), squeeze=False)[:, 0], models.values(), strict=True):
        _heat(axes, watched)
        axes.set_title(watched.version, loc="left", fontsize=11)
    return figure


def heat_map(watched: Watched) -> Markup:
    """Return columns by chunks: how far each lay from the reference, in thresholds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 1.2 + 0.19 * len(_shown(watched)[0])), layout="constrained")
    _heat(figure.subplots(), watched)
    return written(figure)


def estimates(measured: list[Measured]) -> Markup:
    """Return estimated and realised values of a metric, chunk by chunk."""

    def paint(axes: Any) -> None:
        ripe = [one for one in measured if one.realised is not None]
        axes.plot([one.start for one in measured], [one.estimated for one in measured], color=BLUE, label="estimated")
        axes.plot([one.start for one in ripe], [one.realised for one in ripe], "o-", color=AMBER, ms=3,
                  label="realised")  # fmt: skip
        wide = [one for one in ripe if one.finding and one.finding.alert]
        axes.plot([one.start for one in wide], [one.realised for one in wide], "o", color=RED, label="alert")
        axes.set_ylabel(measured[0].metric + (", nats" if measured[0].metric == LOG_LOSS else ""))
        axes.tick_params(axis="x", rotation=30)
        axes.legend(frameon=False, fontsize=8)

    return drawn(paint)


def cash(vintages: list[Vintage]) -> Markup:
    """Return, for each vintage, what lies between plan and cash."""

    def paint(axes: Any) -> None:
        ripe = [one for one in vintages if one.causes]
        places, above, below = np.arange(len(ripe)), np.zeros(len(ripe)), np.zeros(len(ripe))
        for part, colour in (("mix", SOFT), ("foreseen", GREEN), ("behaviour", RED), ("model", BLUE)):
            money = np.array([getattr(one.causes, part) for one in ripe])
            axes.bar(places, money, bottom=np.where(money >= 0, above, below), color=colour, label=part, width=0.6)
            above, below = above + np.maximum(money, 0), below + np.minimum(money, 0)
        axes.axhline(0, color=SOFT, linewidth=1)
        axes.set_xticks(places, [f"{one.start:%Y-%m}\n{one.months} months" for one in ripe])
        axes.set_ylabel("cash less plan, currency")
        axes.legend(frameon=False, fontsize=8)

    return drawn(paint)


def _shown(watched: Watched) -> tuple[list[str], np.ndarray]:
    """Return the columns that strayed farthest, and how far by chunk: value over threshold (columns, chunks)."""
    ratios: dict[str, np.ndarray] = {}
    for place, chunk in enumerate(watched.chunks):
        for found in chunk.comparison.findings:
            row = ratios.setdefault(found.column, np.full(len(watched.chunks), np.nan))
            row[place] = np.fmax(row[place], found.ratio)
    names = sorted(ratios, key=lambda name: -np.nanmax(ratios[name]))[:_COLUMNS]
    return names, np.array([ratios[name] for name in names]).reshape(len(names), len(watched.chunks))


def _heat(axes: Any, watched: Watched) -> None:
    names, ratios = _shown(watched)
    if not names:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "nothing was tested yet", ha="center")
        return
    axes.grid(visible=False)
    image = axes.imshow(ratios, aspect="auto", cmap="RdYlBu_r", vmin=0, vmax=_FARTHEST)
    rows, columns = np.nonzero(ratios >= 1)
    axes.scatter(columns, rows, marker="x", s=14, color="black", linewidths=0.9)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    every = max(1, len(watched.chunks) // 13)
    places = range(0, len(watched.chunks), every)
    axes.set_xticks(places, [f"{watched.chunks[place].start:%Y-%m-%d}" for place in places], fontsize=8)
    bar = axes.figure.colorbar(image, ax=axes, pad=0.01, fraction=0.03, extend="max")
    bar.set_label("distance over threshold (x: alert)", fontsize=8)
