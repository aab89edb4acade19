"""The average recovery curve beside the vintages that it was learnt from."""

from pathlib import Path

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from training.curve import HorizonCurve
from training.outlook import ULTIMATE


def save(rows: pl.DataFrame, path: Path) -> Path:
    """Plot the curve of labelled rows, each vintage's own, and the one that unripe vintages would bend down.

    Parameters
    ----------
    rows : polars.DataFrame
        As `training.recovery.rows` gives them.
    path : Path
        PNG to write.
    """
    figure = Figure(figsize=(7, 5))
    axes = figure.subplots()
    for vintage in by_vintage(rows):
        axes.plot(*_points(vintage), color="lightsteelblue", linewidth=1)
    curve = HorizonCurve.fit(rows)
    last = curve.horizons[-1]
    beyond = np.linspace(last, max(ULTIMATE, last))
    axes.plot(*_points(curve), color="navy", marker="o", label="all vintages, each as far as it has lived")
    axes.plot(beyond, curve.at(beyond), color="navy", linestyle=":", label=f"extrapolated beyond {last:.0f} months")
    axes.plot(*_points(as_if_ripe(rows)), color="firebrick", linestyle="--", label="“nothing yet” taken for nothing")
    axes.plot([], [], color="lightsteelblue", label="a year of cut-off")
    axes.set(xlabel="months since cut-off", ylabel="share of what was owed", xlim=(0, None), ylim=(0, None))
    axes.set_title(f"recovery curve ({rows['entity'].n_unique():,} loans)")
    axes.legend()
    figure.savefig(path, dpi=110, bbox_inches="tight")
    return path


def by_vintage(rows: pl.DataFrame) -> list[HorizonCurve]:
    """Return each year's own curve, by the year in which loans came to us."""
    years = rows.with_columns(pl.col("moment").min().over("entity").dt.year().alias("year"))
    return [HorizonCurve.fit(vintage) for _, vintage in years.group_by("year", maintain_order=True)]


def as_if_ripe(rows: pl.DataFrame) -> HorizonCurve:
    """Return the biased curve of a reader who takes what has come in so far for all that ever will."""
    horizons = rows.select(pl.col("horizon_months_asked").unique().sort())
    loans = rows.filter(pl.col("moment") == pl.col("moment").min().over("entity"))
    filled = (
        loans.select("entity", "moment")
        .unique(maintain_order=True)
        .join(horizons, how="cross")
        .join(
            loans.select("entity", "horizon_months_asked", "target"), on=["entity", "horizon_months_asked"], how="left"
        )
        .with_columns(pl.col("target").forward_fill().over("entity", order_by="horizon_months_asked"))
    )
    return HorizonCurve.fit(filled)


def _points(curve: HorizonCurve) -> tuple[np.ndarray, np.ndarray]:
    return np.array([0.0, *curve.horizons]), np.array([0.0, *curve.shares])
