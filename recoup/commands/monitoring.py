"""Is it still true?"""

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
