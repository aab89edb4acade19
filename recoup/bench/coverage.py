"""Does a portfolio's 90 % interval hold what came in? Counted in simulated worlds, whose truth is known.

A model is trained in one world and values portfolios of others: other people, other loans, another path
of every region's economy. A portfolio is a year's loans of a world, priced as of each loan's cut-off and
followed for as long as the model has seen loans, five years at most.
"""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from features.progress import Progress
from features.world import load_truth, simulate
from recoup.bench import book
from serving.pricing import portfolio, valuation
from training import job, recovery
from training.package import ModelPackage

_UNTIL = datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)
_FOLLOWED = 60.0
_FEEDS = ("loans", "borrowers", "payments", "litigation", "market")
"""What is known of a loan at its cut-off; nobody was contacted yet."""


def held(folder: Path, progress: Progress, *, models: int, worlds: int, loans: int, seed: int) -> pl.DataFrame:
    """Value portfolios and compare them with what came in.

    Parameters
    ----------
    folder : Path
        An empty folder for worlds and models.
    progress : callable
    models : int
        Worlds in which a model is trained.
    worlds : int
        Other worlds that each model values, five portfolios in each.
    loans : int
        In every world.
    seed : int
        Of the first world; no two worlds have the same.

    Returns
    -------
    polars.DataFrame
        A row a portfolio: ``model``, ``world``, ``year``, ``balance``, ``realised``, ``expected``,
        ``lower``, ``upper`` (cash) and ``held``.
    """
    valued = []
    for model in range(models):
        progress(f"a model of {loans:,} loans of world {model + 1} of {models}")
        package = _trained(folder / f"model_{model}", loans, seed + model)
        for world in range(worlds):
            number = seed + models + model * worlds + world
            found = portfolios(folder / f"world_{number}", loans, number, package)
            valued.append(found.select(pl.lit(model).alias("model"), pl.lit(number).alias("world"), pl.all()))
        so_far = pl.concat(valued)["held"]
        progress(f"{so_far.sum()} intervals of {len(so_far)} held")
    return pl.concat(valued)


def _trained(folder: Path, loans: int, seed: int) -> ModelPackage:
    world = simulate(loans, seed, folder / "world")
    door = book.taken_in(world.feeds, folder / "home")
    return job.run(
        door.home, recovery.TASK, source=None, as_of=_UNTIL, trials=1, seed=seed, study="coverage",
        progress=lambda line: None,
    ).package  # fmt: skip


def portfolios(folder: Path, loans: int, seed: int, package: ModelPackage) -> pl.DataFrame:
    """Simulate a world and value each year's loans by a model of another; see `held`."""
    world = simulate(loans, seed, folder / "world")
    door = book.taken_in({feed: world.feeds[feed] for feed in _FEEDS}, folder / "home")
    door.refresh()
    rows = recovery.charged_off(door.lake, "canonical", _UNTIL).rename({"cutoff": "moment"})
    rows = rows.with_columns(pl.lit(valuation.ULTIMATE).alias("horizon_months_asked"))
    truth = load_truth(world.truth).loans.select("loan_id", "^realised_[0-9]+$", year=pl.col("cohort") // 12)
    rows = rows.join(truth, on="loan_id", maintain_order="left")
    owed = rows["balance"].to_numpy()
    valued = valuation.value(package.outlook(door.frame(package.card.service, rows), threads=2), owed,
                             valuation.assumptions())  # fmt: skip
    return pl.DataFrame(
        [_interval(rows.filter(here), valued.of(here.to_numpy()), package)
         for year in range(5) if (here := rows["year"] == year).any()]
    )  # fmt: skip


def _interval(rows: pl.DataFrame, valued: valuation.Valued, package: ModelPackage) -> dict[str, float | bool]:
    owed = rows["balance"].to_numpy()
    drawn = portfolio.distribute(valued, owed, rows["region"], package.shapes, package.card.common_factor)
    months = max(months for months in drawn.horizons if months <= _FOLLOWED)
    followed = drawn.horizons.index(months)
    lower, upper = np.quantile(drawn.cash[:, followed], (portfolio.LOWER, portfolio.UPPER)).tolist()
    realised = float((rows[f"realised_{int(months)}"].to_numpy() * owed).sum())
    return {
        "year": rows["year"][0],
        "balance": drawn.balance,
        "realised": realised,
        "expected": float(drawn.expected[followed]),
        "lower": lower,
        "upper": upper,
        "held": lower <= realised <= upper,
    }
