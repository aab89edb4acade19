"""Writes a run's files: Evidently's reports, our own outcome, and a picture of it."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from monitoring.drift import Comparison
from monitoring.outcome import Outcome, Watched

_BARS = 15


def write(outcome: Outcome, comparisons: dict[str, Comparison], out: Path) -> None:
    """Write ``<model>.html``, ``<model>.json``, ``monitor.png`` and, last, ``monitor.json``.

    Each file is written aside and moved into place whole; a model that was not compared leaves no
    report of an earlier run behind.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".monitor-") as scratch:
        aside = Path(scratch)
        for model, comparison in comparisons.items():
            comparison.save(aside / f"{model}.html", aside / f"{model}.json")
        if comparisons:
            _plot([outcome.models[model] for model in comparisons], aside / "monitor.png")
        summary = json.dumps(_content(outcome), indent=1, default=str)
        (aside / "monitor.json").write_text(summary, encoding="utf-8")
        written = sorted(aside.iterdir(), key=lambda file: file.name == "monitor.json")
        models = [*outcome.models, *outcome.skipped]
        ours = {"monitor.png", *(f"{model}.{ending}" for model in models for ending in ("html", "json"))}
        for name in ours - {file.name for file in written}:
            (out / name).unlink(missing_ok=True)
        for file in written:
            file.replace(out / file.name)


def _content(outcome: Outcome) -> dict[str, object]:
    return {
        "alerted": outcome.alerted,
        "alerts": [asdict(alert) for alert in outcome.alerts],
        "models": {name: asdict(watched) for name, watched in outcome.models.items()},
        "skipped": outcome.skipped,
    }


def _plot(models: list[Watched], path: Path) -> None:
    """Draw, for each model, the columns that came nearest to their thresholds or went over."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 0.8 + 4.2 * len(models)), layout="constrained")
    places = figure.subplots(len(models), squeeze=False)[:, 0]
    for axes, watched in zip(places, models, strict=True):
        shown = watched.columns[:_BARS][::-1]
        labels = [" ".join(filter(None, (found.column, found.test, found.within))) for found in shown]
        colours = ["firebrick" if found.alert else "steelblue" for found in shown]
        axes.barh(labels, [found.ratio for found in shown], color=colours)
        axes.set(xscale="log", xlim=(0.1, 1.2 * max(1.0, shown[-1].ratio)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        axes.axvline(1.0, color="black", linewidth=1)
        axes.set_xlabel("value over threshold (an alert from 1)")
        axes.set_title(
            f"{watched.version}: {watched.compared:,} rows from {watched.since:%Y-%m-%d} "
            f"to {watched.until:%Y-%m-%d}, {len(watched.alerts)} alerts"
        )
        axes.tick_params(labelsize=8)
    figure.savefig(path, dpi=110)
