"""Models, and the evidence for them."""

from typing import Annotated

import typer

from features import home as homes
from features.errors import RecoupError
from recoup.door import Day, Seed, app, day_end, say


@app.command()
def train(
    model: str,
    source: str | None = None,
    as_of: Day = None,
    trials: int = 12,
    seed: Seed = 7,
    challengers: Annotated[bool, typer.Option("--challengers", help="measure other methods on the same split")] = False,
) -> None:
    """Tune, fit, evaluate, explain, track and register a model: recovery or contact."""
    from recoup.tables import coverage_table, metrics_table
    from training.train import TASKS
    from training.train import train as job

    if model not in TASKS:
        raise RecoupError(f"no model {model!r}: train one of {', '.join(TASKS)}")
    home = homes.current()
    trained, version = job(
        model,
        home,
        source=source,
        as_of=day_end(as_of),
        trials=trials,
        seed=seed,
        challengers=challengers,
        progress=say,
    )
    print(metrics_table(trained.metrics))
    if coverage := version.package.card.coverage:
        print(coverage_table(coverage))
    print(f"registered {version.label}, run {version.run_id}; plots in {home.reports / 'training' / model}")


@app.command()
def promote(
    model: str,
    version: str,
    alias: Annotated[str, typer.Option(help="champion answers, challenger is tried beside it")] = "champion",
    approver: Annotated[str | None, typer.Option(help="who signs for a champion without a green pack")] = None,
    reason: Annotated[str, typer.Option(help="why, beside --approver")] = "",
) -> None:
    """Move an alias of a model to a version; services that follow the alias change to it."""
    from training import registry
    from training.approval import Approver

    signed = Approver(approver, reason) if approver is not None else None
    print(f"{alias} is {registry.promote(homes.current(), model, version, alias, signed).label}")
