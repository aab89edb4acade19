"""Simulated worlds for the monitor: some in which nothing happens, others with one change planted in the feeds."""

import dataclasses
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from features.world import simulate
from monitoring import monitor
from monitoring.loop.retraining import registered
from monitoring.loop.year import SMALL
from monitoring.outcome import Outcome
from recoup.bench import book
from training import contact
from training.task import Task

AS_OF = datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC)
SINCE = "2025-03-01"
"""From here on planted changes hold; two months have passed since the models were trained."""
_LEAD = 10
"""Months before the end of the world that `SINCE` is."""
_UNTIL = datetime(2025, 7, 31, 23, 59, 59, tzinfo=UTC)
_CONTACT = dataclasses.replace(
    contact.TASK,
    search={"iterations": (100, 100), "depth": (4, 4), "learning_rate": (0.1, 0.1), "l2_leaf_reg": (5, 5),
            "rsm": (0.5, 0.5)},
)  # fmt: skip
TASKS = (_CONTACT, SMALL)
"""Small models of contact and recovery."""
_RECENT = pl.col("known_at") >= SINCE


def _scaled(column: str, factor: float) -> pl.Expr:
    changed = (pl.col(column).cast(pl.Float64) * factor).cast(pl.String)
    return pl.when(_RECENT).then(changed).otherwise(column).alias(column)


def _one_column(feeds: dict[str, pl.DataFrame]) -> None:
    feeds["loans"] = feeds["loans"].with_columns(_scaled("annual_income", 1.6))


def _mix_shift(feeds: dict[str, pl.DataFrame]) -> None:
    """Let three in four calls stay away: other channels are as they were."""
    call = (pl.col("channel") == "call") & (pl.col("attempt_id").hash(seed=1) % 4 > 0)
    feeds["contacts"] = feeds["contacts"].filter(~((pl.col("attempted_at") >= SINCE) & call))


def _unit_change(feeds: dict[str, pl.DataFrame]) -> None:
    feeds["loans"] = feeds["loans"].with_columns(_scaled("balance", 20.0))  # in cents intake would refuse them


def _feed_silent(feeds: dict[str, pl.DataFrame]) -> None:
    feeds["contacts"] = feeds["contacts"].filter(pl.col("attempted_at") < SINCE)


PLANTED: dict[str, tuple[str, Callable[[dict[str, pl.DataFrame]], None] | None]] = {
    "one_column": ("recovery", _one_column),
    "mix_shift": ("contact", _mix_shift),
    "unit_change": ("recovery", _unit_change),
    "feed_silent": ("contact", _feed_silent),
    "downturn": ("contact", None),
}
"""By change: the model that is watched, and what is done to the feeds; a downturn is the world's own."""
_NAMED = {
    "one_column": {"annual_income", "balance_to_income", "instalment_to_income"},
    "mix_shift": {"channel"},
    "unit_change": {"balance", "unpaid_share", "balance_to_income"},
    "feed_silent": {"rows"},
    "downturn": {"unemployment_rate", "employment_variation", "confidence_index", "house_price_index", "short_rate"},
}
"""By change: what an alert has to name for the change to be found."""


def unchanged(folder: Path, loans: int, seed: int, tasks: tuple[Task, ...]) -> Outcome:
    """Return what the monitor says of a year in which nothing happens, after models of the years before."""
    home = book.taken_in(simulate(loans, seed, folder / "world").feeds, folder / "home").home
    for task in tasks:
        registered(home, task, source=None, as_of=AS_OF, trials=1, seed=seed, progress=lambda line: None)
    return monitor(home, folder / "out", progress=lambda line: None)


def planted(name: str, root: Path, like: Path, loans: int, seed: int) -> dict[str, Any]:
    """Plant a change in a world that was otherwise the same, and watch by the same models.

    Parameters
    ----------
    name : str
        Of `PLANTED`.
    root : Path
        Where homes are made.
    like : Path
        The folder of the unchanged world; see `unchanged`.
    loans, seed : int
        Of that world.

    Returns
    -------
    dict
        ``found``, and ``chunks_to_find``: how many chunks, from the first that has changed rows, until an alert
        names what changed; none when it is not found. ``chunk``: how long one is.
    """
    model, change = PLANTED[name]
    folder = root / name
    if change is None:
        feeds = simulate(loans, seed, folder / "world", downturn="all", lead=_LEAD).feeds
    else:
        tables = {path.stem: pl.read_csv(path, infer_schema=False) for path in (like / "world" / "feeds").glob("*.csv")}
        change(tables)
        feeds = {feed: folder / f"{feed}.csv" for feed in tables}
        folder.mkdir()
        for feed, table in tables.items():
            table.write_csv(feeds[feed])
    home = book.taken_in(feeds, folder / "home").home
    shutil.copytree(like / "home" / "mlflow", home.mlflow)
    watched = monitor(home, folder / "out", until=_UNTIL, progress=lambda line: None).models[model]
    since = datetime.fromisoformat(SINCE).replace(tzinfo=UTC)
    after = [chunk for chunk in watched.chunks if chunk.end > since]
    named = (bool({found.column for found in chunk.alerts} & _NAMED[name]) for chunk in after)
    place = next((place for place, hit in enumerate(named, 1) if hit), None)
    length = "week" if model == "contact" else "month"
    return {"found": place is not None, "chunks_to_find": place, "chunk": length}


def false_alarms(outcomes: list[Outcome]) -> dict[str, dict[str, float]]:
    """Return, by model and what was asked of it, the share of chunks with an alert, and how many chunks there were."""
    told: dict[str, list[bool]] = {}
    for outcome in outcomes:
        for model, watched in outcome.models.items():
            for asked, _, findings in watched.observed():
                told.setdefault(f"{model} {asked}", []).append(any(found.alert for found in findings))
    return {name: {"rate": float(np.mean(alerts)), "chunks": len(alerts)} for name, alerts in told.items()}


def estimate_errors(outcomes: list[Outcome]) -> dict[str, float]:
    """Return the mean absolute error of each estimated metric, chunk by chunk, in the metric's own unit."""
    errors: dict[str, list[float]] = {}
    for outcome in outcomes:
        for watched in outcome.models.values():
            for measured in watched.performance:
                if measured.error is not None:
                    errors.setdefault(measured.metric, []).append(abs(measured.error))
    return {metric: float(np.mean(found)) for metric, found in errors.items()}
