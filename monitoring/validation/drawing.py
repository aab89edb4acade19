"""Plots as inline SVG in the house's colours; clouds of dots are one picture inside it."""

import io
from collections.abc import Callable
from typing import Any

from markupsafe import Markup

BLUE, SOFT, RULE, AMBER, RED, GREEN = "#2b6cb0", "#5d6b7a", "#dde3ea", "#b7791f", "#b23a48", "#2f855a"
COLOURS = {"green": GREEN, "amber": AMBER, "red": RED}
_STYLE: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "recoup", "font.family": "sans-serif", "font.size": 9,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": SOFT, "axes.labelcolor": SOFT,
    "xtick.color": SOFT, "ytick.color": SOFT, "axes.grid": True, "grid.color": RULE, "axes.axisbelow": True,
}  # fmt: skip


def drawn(paint: Callable[[Any], object], width: float = 6.2, height: float = 3.4) -> Markup:
    """Return a plot.

    Parameters
    ----------
    paint : callable
        Given the axes to draw on (Matplotlib).
    width, height : float
        Inches, of which a page of the report is twelve wide.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        paint(figure.subplots())
        return written(figure)


def written(figure: Any) -> Markup:
    """Return a Matplotlib figure as SVG without the XML head."""
    held = io.StringIO()
    figure.savefig(held, format="svg", dpi=110, metadata={"Date": None})
    content = held.getvalue()
    return Markup(content[content.index("<svg") :])  # Matplotlib escapes what it is given


def bars(axes: Any, labels: list[str], values: list[float], colours: list[str] | str = BLUE) -> None:
    """Draw horizontal bars, the first on top."""
    places = range(len(labels))
    axes.barh(places, values, color=colours, height=0.7)
    axes.set_yticks(places, [label if len(label) <= 42 else f"{label[:41]}…" for label in labels])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)


def ranges(axes: Any, labels: list[str], middles: list[float], lows: list[float], highs: list[float],
           colours: list[str], even: float) -> None:  # fmt: skip
    """Draw figures with their intervals, the first on top, beside the line on which all would be well."""
    places = range(len(labels))
    axes.axvline(even, color=SOFT, linewidth=1)
    axes.hlines(places, lows, highs, colors=colours, linewidth=3, alpha=0.35)
    axes.scatter(middles, places, c=colours, s=22, zorder=3)
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
