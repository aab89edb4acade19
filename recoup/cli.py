"""The front door. No logic lives here: each command calls one function of a floor."""

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Optional

import typer

from features import home as homes
from features.errors import RecoupError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="Value, price and work portfolios of personal non-performing loans.")  # fmt: skip

Source = Annotated[str, typer.Option(help="a mapping's name, or the path of a YAML file")]
Out = Annotated[Path, typer.Option(help="folder for the results")]
Day = Annotated[Optional[str], typer.Option(metavar="DATE", help="a day, YYYY-MM-DD, in UTC")]
Seed = Annotated[int, typer.Option(help="the same seed gives the same result")]


def main() -> None:
    """Run a command; an error that the user can mend is one line and exit code 2."""
    try:
        app()
    except RecoupError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def say(line: str) -> None:
    """Show a step's progress on the error stream, so that results can be piped."""
    print(f"  {datetime.now():%H:%M:%S} {line}", file=sys.stderr, flush=True)


def day_end(day: str | None) -> datetime | None:
    """Return the last moment of a day given as text, or nothing.

    Raises
    ------
    RecoupError
        When the text is not a date.
    """
    if day is None:
        return None
    try:
        found = date.fromisoformat(day)
    except ValueError as error:
        raise RecoupError(f"{day!r} is not a date: write YYYY-MM-DD") from error
    return datetime(found.year, found.month, found.day, 23, 59, 59, tzinfo=UTC)


@app.command()
def ingest(file: Path, source: Source, feed: Optional[str] = None) -> None:
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
def train(model: str, source: Optional[str] = None, as_of: Day = None, trials: int = 12, seed: Seed = 7) -> None:
    """Tune, fit, evaluate, explain, track and register a model: recovery or contact."""
    from recoup.tables import metrics_table
    from training.train import TASKS
    from training.train import train as job

    if model not in TASKS:
        raise RecoupError(f"no model {model!r}: train one of {', '.join(TASKS)}")
    home = homes.current()
    trained, version = job(model, home, source=source, as_of=day_end(as_of), trials=trials, seed=seed, progress=say)
    print(metrics_table(trained.metrics))
    print(f"registered {version.label}, run {version.run_id}; plots in {home.reports / 'training' / model}")


@app.command()
def price(
    file: Path,
    source: Source,
    out: Out,
    assumptions: Annotated[Optional[Path], typer.Option(help="a YAML file of returns and costs")] = None,
) -> None:
    """Value a tape on offer."""
    from recoup.tables import portfolio_table
    from serving import tape, valuation

    priced = tape.price(homes.current(), file, source, out, valuation.assumptions(assumptions), say)
    print(portfolio_table(priced.portfolio))
    print(f"prices: {priced.prices}")
