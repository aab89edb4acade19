"""A simulated year with a downturn in month 6: what the loop notices, trains and decides, and what that is worth.

Twelve times a month's facts arrive, the loans that came with it are bid for by the version in force, and the loop
takes its turn. Beside it stands the first version, never retrained. The truth says what the loans were worth.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

import polars as pl

from features.errors import RecoupError
from features.home import Home
from features.lake import Lake
from features.progress import Progress
from features.store import FeatureDoor
from features.world import load_truth, simulate
from monitoring.loop.loss import Bids, bids
from monitoring.loop.retraining import registered
from monitoring.loop.turn import Turned, turn
from training import recovery, registry
from training.approval import Approver
from training.task import Task

MONTHS = 12
DOWNTURN = 6
"""The month in which unemployment rises by four points everywhere; 1 is the first."""
UNTIL = date(2025, 12, 31)
POLICY = Approver(
    "the simulated year's policy",
    "small models of a small book: what is not green in the pack is accepted, cash since the training decides",
)
SMALL: Task = dataclasses.replace(
    recovery.TASK,
    designs=("direct",),
    search={"iterations": (120, 120), "depth": (3, 3), "learning_rate": (0.05, 0.05), "l2_leaf_reg": (20, 20),
            "rsm": (0.5, 0.5)},
)  # fmt: skip
"""The recovery model, with fewer trees than one would have: a year trains it many times."""


@dataclass(frozen=True)
class Month:
    """One month of the year.

    Attributes
    ----------
    number : int
        From 1.
    end : datetime
        UTC.
    version : str
        In force when the month's loans were bid for.
    bids : Bids
    turned : Turned
        The loop's turn at its end.
    """

    number: int
    end: datetime
    version: str
    bids: Bids
    turned: Turned


@dataclass(frozen=True)
class Year:
    """A year, month by month; see `avoided`."""

    loans: int
    seed: int
    downturn: int | None
    months: list[Month]

    @property
    def loss(self) -> float:
        """Money by which the bids missed what the loans were worth, month by month, with the loop."""
        return sum(month.bids.loss for month in self.months)

    @property
    def loss_never(self) -> float:
        """The same of the first version, never retrained."""
        return sum(month.bids.loss_never for month in self.months)

    @property
    def avoided(self) -> float:
        """Money that the loop saved; below zero where it cost some."""
        return self.loss_never - self.loss

    @property
    def share(self) -> float:
        """Of the loss without the loop."""
        return self.avoided / self.loss_never


def run(loans: int, seed: int, out: Path, *, months: int = MONTHS, downturn: int | None = DOWNTURN,
        progress: Progress = print) -> Year:  # fmt: skip
    """Simulate a year and let the loop work.

    Parameters
    ----------
    loans : int
        In the book at the end of the year; one in sixty comes each month.
    seed : int
        Of world and models.
    out : Path
        A folder that is not there or empty: world, home and the monitor's reports are put there.
    months : int
        Of the year; fewer for a short one.
    downturn : int, optional
        Month in which it begins; none: the world stays as it is.
    progress : callable
        Told a line per step.

    Raises
    ------
    RecoupError
        When ``out`` holds anything.
    """
    if out.exists() and any(out.iterdir()):
        raise RecoupError(f"{out} is not empty: a simulated year needs a folder of its own")
    if not 1 <= (downturn or 1) <= months <= MONTHS:
        raise RecoupError(f"a year has at most {MONTHS} months and its downturn begins in one of them: got {downturn}")
    lead, where = (months + 1 - downturn, "all") if downturn else (months, None)
    world = simulate(loans, seed, out / "world", until=UNTIL, downturn=where, lead=lead)
    home, truth = Home(out / "home"), load_truth(world.truth)
    ends = _ends(months)
    door, arrivals = FeatureDoor(home), _arrivals(world.feeds, ends, out / "arrived")
    _take_in(door.lake, next(arrivals))
    first = registered(home, SMALL, source=None, as_of=ends[0], trials=1, seed=seed, progress=progress)
    past: list[Month] = []
    for number, (since, until) in enumerate(pairwise(ends), 1):
        in_force = registry.load(home, first.name)
        _take_in(door.lake, next(arrivals))
        door.refresh()
        bid = bids(door, truth, in_force.package, first.package, since, until)
        progress(f"month {number}: {bid.loans} loans bid for by {in_force.label}")
        turned = turn(home, first.name, out / "monitor", until, approver=POLICY, seed=seed, progress=progress)
        past.append(Month(number, until, in_force.label, bid, turned))
    return Year(loans, seed, downturn, past)


def _ends(months: int) -> list[datetime]:
    """Return the last moments of the month before the year and of each month in it."""
    last = datetime(UNTIL.year, UNTIL.month, UNTIL.day, tzinfo=UTC)
    first = pl.Series([last]).dt.offset_by(f"-{months}mo")
    days = [first.dt.offset_by(f"{month}mo").dt.month_end().item() for month in range(months + 1)]
    return [day.replace(hour=23, minute=59, second=59) for day in days]


def _arrivals(feeds: dict[str, Path], ends: list[datetime], folder: Path) -> Iterator[dict[str, Path]]:
    """Yield, for the past and then each month, files of what became known in it."""
    tables = {feed: pl.read_csv(path, infer_schema=False) for feed, path in feeds.items()}
    edges = ["", *(f"{end:%Y-%m-%dT%H:%M:%SZ}" for end in ends)]
    for since, until in pairwise(edges):
        files = {}
        for feed, table in tables.items():
            part = table.filter(pl.col("known_at") > since, pl.col("known_at") <= until)
            if part.height:
                files[feed] = folder / until[:10] / f"{feed}.csv"
                files[feed].parent.mkdir(parents=True, exist_ok=True)
                part.write_csv(files[feed])
        yield files


def _take_in(lake: Lake, files: dict[str, Path]) -> None:
    for feed, path in files.items():
        lake.ingest(path, "canonical", feed)
