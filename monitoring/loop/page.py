"""A simulated year on one HTML page, with its figures as JSON."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from markupsafe import Markup

from features.files import replace
from monitoring.loop.gate import PATIENCE
from monitoring.loop.trial import Trial
from monitoring.loop.turn import EVERY
from monitoring.loop.year import Month, Year
from monitoring.validation import drawing
from serving.diligence.page import environment

_TEMPLATES = Path(__file__).parent / "templates"
_ALERTS = 3


def write(year: Year, out: Path) -> Path:
    """Write ``year.json`` and ``year.html``, and return the page's path."""
    content = figures(year)
    page = environment(_TEMPLATES).get_template("year.html.j2")
    rendered = page.render(content | {"plot": _plot(year), "every": EVERY, "patience": PATIENCE})
    replace(out / "year.json", json.dumps(content, indent=1).encode())
    replace(out / "year.html", rendered.encode())
    return out / "year.html"


def figures(year: Year) -> dict[str, Any]:
    """Return what the page says, as plain values; money in the world's currency."""
    return {
        "loans": year.loans,
        "seed": year.seed,
        "downturn": year.downturn,
        "loss": year.loss,
        "loss_never": year.loss_never,
        "avoided": year.avoided,
        "share": year.share,
        "signed": sorted({lack for month in year.months if (trial := month.turned.decided) for lack in trial.lacking
                          if trial.state == "in force"}),
        "months": [_told(month) for month in year.months],
    }  # fmt: skip


def table(year: Year) -> str:
    """Return the year as text: a line a month, and what it comes to."""
    head = f"{'month':<8}{'in force':<12}{'worth':>10}{'bid':>10}{'never':>10}{'loss':>10}{'never':>10}  the loop"
    lines = [head]
    for month in year.months:
        told, bids = _told(month), month.bids
        money = "".join(f"{amount:>10,.0f}" for amount in
                        (bids.worth, bids.bid, bids.bid_never, bids.loss, bids.loss_never))  # fmt: skip
        lines.append(f"{month.number:<8}{month.version:<12}{money}  {'; '.join(told['did'])}")
    return "\n".join([*lines, "", conclusion(year)])


def conclusion(year: Year) -> str:
    """Return in a sentence what the loop was worth."""
    verb = "avoided" if year.avoided >= 0 else "added"
    return (
        f"The bids missed what the loans were worth by {year.loss:,.0f} with the loop and by {year.loss_never:,.0f} "
        f"with the first model alone: the loop {verb} {abs(year.avoided):,.0f} ({abs(year.share):.0%} of the loss)."
    )


def _told(month: Month) -> dict[str, Any]:
    alerts = [alert for alert in month.turned.watched.alerts if alert.state == "open"]
    decided, retrained = month.turned.decided, month.turned.retrained
    named = [f"{alert.model} {alert.column} {alert.test}" for alert in alerts]
    return {
        "number": month.number,
        "end": f"{month.end:%Y-%m-%d}",
        "version": month.version,
        "bids": asdict(month.bids) | {"loss": month.bids.loss, "loss_never": month.bids.loss_never},
        "alerts": named,
        "decided": _trial(decided),
        "retrained": _trial(retrained),
        "did": [
            *([_standing(named)] if named else []),
            *([f"{decided.label} {decided.state}"] if decided else []),
            *([f"{retrained.label} trained ({retrained.because})"] if retrained else []),
        ],
    }


def _standing(named: list[str]) -> str:
    told = f"{len(named)} alert{'s stand' if len(named) > 1 else ' stands'}: {', '.join(named[:_ALERTS])}"
    return told + (f" and {len(named) - _ALERTS} more" if len(named) > _ALERTS else "")


def _trial(trial: Trial | None) -> dict[str, Any] | None:
    """Return what the page says of a trial: its evidence is in the home."""
    if trial is None:
        return None
    kept = ("because", "state", "reason", "level", "lacking", "champion")
    return {"label": trial.label} | {name: getattr(trial, name) for name in kept}


def _plot(year: Year) -> Markup:
    return drawing.drawn(lambda axes: _paint(axes, year), width=9.5, height=3.8)


def _paint(axes: Any, year: Year) -> None:
    numbers = [month.number for month in year.months]
    axes.plot(numbers, [month.bids.worth for month in year.months], color=drawing.SOFT, linestyle=":", label="worth")
    axes.plot(numbers, [month.bids.bid_never for month in year.months], color=drawing.RED, label="bid, never retrained")
    axes.plot(numbers, [month.bids.bid for month in year.months], color=drawing.BLUE, label="bid, with the loop")
    if year.downturn:
        axes.axvspan(year.downturn - 0.5, numbers[-1] + 0.5, color=drawing.RULE, alpha=0.5, zorder=0)
    marks = {"trained": (drawing.AMBER, "^"), "in force": (drawing.GREEN, "o"), "refused": (drawing.RED, "x")}
    for what, (colour, marker) in marks.items():
        at = [month for month in year.months if what in _events(month)]
        if at:
            axes.scatter([month.number for month in at], [month.bids.bid for month in at], color=colour, marker=marker,
                         s=46, zorder=3, label=f"challenger {what}")  # fmt: skip
    axes.set_xlabel("month")
    axes.set_ylabel("money for the month's loans")
    axes.set_xticks(numbers)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8, ncols=3, frameon=False)


def _events(month: Month) -> list[str]:
    decided = month.turned.decided
    return [*(["trained"] if month.turned.retrained else []), *([decided.state] if decided else [])]
