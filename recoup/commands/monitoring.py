"""Is it still true?"""

from pathlib import Path
from typing import Annotated

import typer

from features import home as homes
from recoup.door import Day, Out, app, day_end, say


@app.command()
def monitor(out: Out, since: Day = None, until: Day = None) -> None:
    """Compare recent inputs and scores with the training reference; exit with 1 on an alert."""
    from monitoring import monitor as watch

    outcome = watch(homes.current(), out, since=day_end(since), until=day_end(until), progress=say)
    print(outcome.summary())
    if outcome.alerted:
        raise typer.Exit(1)


@app.command()
def validate(
    model: str,
    version: Annotated[str, typer.Option(help="a version's number, or an alias")] = "champion",
    truth: Annotated[Path | None, typer.Option(help="the truth folder of a simulated world")] = None,
) -> None:
    """Make a version's model-risk pack: every check, its evidence, and a verdict; exit with 1 when it is red."""
    from monitoring.validation import validate as examine

    pack = examine(homes.current(), model, version, truth=truth, progress=say)
    print(pack.summary())
    print(f"pack: {pack.html}")
    if pack.content["verdict"] == "red":
        raise typer.Exit(1)
