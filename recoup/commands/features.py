"""Data in, and what was known when."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from features import home as homes
from recoup.door import Day, Out, Seed, Source, app, day_end, say


@app.command()
def ingest(file: Path, source: Source, feed: str | None = None) -> None:
    """Take a file into the lake."""
    from features.lake import Lake

    batch = Lake(homes.current()).ingest(file, source, feed)
    if batch.repeated:
        print(f"{file.name}: already in the lake, nothing changed")
    for name, count in batch.accepted.items():
        print(f"{name}: {count:,} accepted, {batch.rejected[name]:,} rejected")
        if batch.rejected[name]:
            print(f"  see {homes.current().lake / 'rejected' / name / batch.id}.parquet")


@app.command()
def simulate(
    out: Out,
    loans: int = 20_000,
    seed: Seed = 7,
    downturn: Annotated[
        str | None, typer.Option(help="a region, or all: times get worse half a year before the end")
    ] = None,
    secured: Annotated[int, typer.Option(help="corporate loans with collateral on the tape, and auctions")] = 0,
) -> None:
    """Write the feeds of a simulated world, and its hidden truth in a folder apart."""
    from features.world import simulate as world

    files = world(loans, seed, out, downturn=downturn, secured=secured, progress=say)
    for name, count in files.rows.items():
        print(f"{name}: {count:,} rows")


@app.command()
def materialize(until: Day = None) -> None:
    """Bring marts up to date and fill the online store with what is known by a day."""
    from features.store import FeatureDoor

    door = FeatureDoor(homes.current())
    say("marts")
    door.refresh()
    say("online store")
    door.materialize(day_end(until) or datetime.now(UTC))


@app.command()
def backup(file: Path) -> None:
    """Write the home to a new tar file, while it is in use."""
    from features.backup import backup as write

    print(f"{write(homes.current(), file):,} files of {homes.current().root} are in {file}")


@app.command()
def restore(file: Path) -> None:
    """Unpack a backup to where the home was."""
    from features.backup import restore as unpack

    print(f"{unpack(homes.current(), file):,} files are in {homes.current().root} again")
