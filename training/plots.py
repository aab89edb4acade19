"""Plots that go with a trained model."""

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from matplotlib.figure import Figure

from training import curve_plot

if TYPE_CHECKING:
    from training.job import Trained

_SHOWN_ROWS = 2_000


def save(trained: "Trained", folder: Path) -> list[Path]:
    """Write the plots: calibration, SHAP summary, what the model was measured against, and the average curve.

    Returns
    -------
    list of Path
        PNG files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plots = [
        calibration(trained, folder / "calibration.png"),
        shap_summary(trained, folder / "shap_summary.png"),
        comparison(trained, folder / "comparison.png"),
    ]
    if len(trained.package.card.horizons) > 1:  # one total by loan draws no curve
        plots.append(curve_plot.save(trained.rows, folder / "curve.png"))
    return plots


def calibration(trained: "Trained", path: Path) -> Path:
    """Plot mean score against mean outcome by tenth of the score, on the out-of-time test."""
    figure = Figure(figsize=(6, 5))
    axes = figure.subplots()
    tenths = (
        trained.test.sort("score")
        .with_row_index("place")
        .with_columns((pl.col("place") * 10 // pl.len()).alias("tenth"))
        .group_by("tenth", maintain_order=True)
        .agg(pl.col("score", "realised").mean())
    )
    top = 1.05 * float(tenths.select("score", "realised").to_numpy().max())
    axes.plot([0, top], [0, top], color="grey", linewidth=1, label="perfect")
    axes.plot(tenths["score"], tenths["realised"], marker="o", label="tenths of the score")
    axes.set(xlabel="mean score", ylabel="mean outcome", xlim=(0, top), ylim=(0, top))
    axes.set_title(f"{trained.package.card.name}: calibration out of time ({trained.test.height:,} rows)")
    axes.legend()
    return _written(figure, path)


def shap_summary(trained: "Trained", path: Path) -> Path:
    """Plot the contributions of the inputs that matter most, one dot a row."""
    import matplotlib.pyplot as plt
    import shap

    package = trained.package
    rows = package.reference.drop("score").head(_SHOWN_ROWS)
    explained = package.explain(rows)
    values = rows.select(pl.col(pl.String).cast(pl.Categorical).to_physical(), pl.exclude(pl.String))
    shap.plots.beeswarm(
        shap.Explanation(
            values=explained.contributions,
            base_values=explained.base,
            data=values.select(package.names).cast(pl.Float64).to_numpy(),
            feature_names=package.names,
        ),
        max_display=15,
        show=False,
        group_remaining_features=False,
    )
    figure = plt.gcf()
    figure.suptitle(f"{package.card.name}: what moves the score, and which way")
    plt.close(figure)
    return _written(figure, path)


def comparison(trained: "Trained", path: Path) -> Path:
    """Plot every metric of the model and of all it was measured against, on the same out-of-time rows."""
    sides = list(trained.metrics)[::-1]
    names = list(trained.metrics[sides[0]])
    figure = Figure(figsize=(2.6 * len(names), 1 + 0.35 * len(sides)))
    panels = figure.subplots(1, len(names), sharey=True)
    colours = ["tab:blue" if side == trained.package.card.name else "silver" for side in sides]
    for axes, name in zip(panels, names, strict=True):
        bars = axes.barh(sides, [trained.metrics[side][name] for side in sides], color=colours)
        axes.bar_label(bars, fmt="%.3f", padding=2, fontsize=7)
        axes.margins(x=0.25)
        axes.set_title(name.replace("_", " "), fontsize=9)
    figure.suptitle(f"{trained.package.card.name}: out of time ({trained.test.height:,} rows)", y=1.05)
    return _written(figure, path)


def _written(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=110, bbox_inches="tight")
    return path
