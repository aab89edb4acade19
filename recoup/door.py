"""What every command of the front door shares: the application, common options, progress."""

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from features.errors import RecoupError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="Value, price and work portfolios of personal non-performing loans.")  # fmt: skip

Source = Annotated[str, typer.Option(help="a mapping's name, or the path of a YAML file")]
Out = Annotated[Path, typer.Option(help="folder for the results")]
Day = Annotated[str | None, typer.Option(metavar="DATE", help="a day, YYYY-MM-DD, in UTC")]
Seed = Annotated[int, typer.Option(help="the same seed gives the same result")]


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
