"""Is it still true?"""

from pathlib import Path
from typing import Annotated

import typer

from features import home as homes
from recoup.door import Day, Out, Seed, app, day_end, say

alerts = typer.Typer(invoke_without_command=True, help="What the monitor found and is not closed.")
app.add_typer(alerts, name="alerts")


@app.command()
def monitor(out: Out, since: Day = None, until: Day = None) -> None:
    """Judge each week and month since the models were trained; exit with 1 when an alert is open."""
    from monitoring import monitor as watch

    outcome = watch(homes.current(), out, since=day_end(since), until=day_end(until), progress=say)
    print(outcome.summary())
    if outcome.alerted:
        raise typer.Exit(1)


@alerts.callback()
def alerts_list(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="the closed ones too")] = False,
) -> None:
    """List the alerts that stand, the gravest first."""
    from monitoring.ledger import Ledger

    if context.invoked_subcommand is None:
        ledger = Ledger(homes.current())
        for alert in ledger.alerts if every else ledger.standing:
            print(alert.line())


@alerts.command("ack")
def alerts_ack(id: str, by: Annotated[str, typer.Option(help="who works on it")]) -> None:
    """Say that somebody works on an alert: it no longer fails `recoup monitor`."""
    from monitoring.ledger import opened

    with opened(homes.current()) as ledger:
        print(ledger.acknowledge(id, by).line())


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


@app.command()
def loop(
    model: str,
    out: Out,
    until: Day = None,
    because: Annotated[str, typer.Option(help="train now, and why; else an alert or the calendar asks")] = "",
    trials: Annotated[int, typer.Option(help="of the search; 0: the design and parameters in force")] = 0,
    approver: Annotated[str | None, typer.Option(help="who signs for a challenger without a green pack")] = None,
    reason: Annotated[str, typer.Option(help="why, beside --approver")] = "",
) -> None:
    """Take a turn of the loop: watch, judge the challenger on trial, train another where one is wanted."""
    from monitoring.loop import turn
    from training.approval import Approver

    signed = Approver(approver, reason) if approver is not None else None
    moment = day_end(until)
    turned = turn(
        homes.current(), model, out, moment, because=because, approver=signed, trials=trials, progress=say
    )  # fmt: skip
    print(turned.summary())


@app.command()
def year(out: Out, loans: int = 1_500, seed: Seed = 7) -> None:
    """Simulate a year with a downturn in month 6, and say what the loop was worth."""
    from monitoring.loop import page
    from monitoring.loop import year as simulated

    found = simulated.run(loans, seed, out, progress=say)
    print(page.table(found))
    print(f"page: {page.write(found, out)}")
