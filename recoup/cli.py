"""The front door. No logic lives here: each command calls one function of a floor."""

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from features import home as homes
from features.errors import RecoupError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="Value, price and work portfolios of personal non-performing loans.")  # fmt: skip

key = typer.Typer(no_args_is_help=True, help="Keys that the services answer to.")
app.add_typer(key, name="key")

Source = Annotated[str, typer.Option(help="a mapping's name, or the path of a YAML file")]
Out = Annotated[Path, typer.Option(help="folder for the results")]
Day = Annotated[str | None, typer.Option(metavar="DATE", help="a day, YYYY-MM-DD, in UTC")]
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
def price(
    file: Path,
    source: Source,
    out: Out,
    assumptions: Annotated[Path | None, typer.Option(help="a YAML file of returns and costs")] = None,
    clearing: Annotated[Path | None, typer.Option(help="a CSV file of recent prices by segment")] = None,
    stresses: Annotated[Path | None, typer.Option(help="a YAML file of named stresses")] = None,
) -> None:
    """Value a tape on offer."""
    from recoup.tables import portfolio_table
    from serving.pricing import clearing as market
    from serving.pricing import stress, tape, valuation

    given, sales = valuation.assumptions(assumptions), market.read(clearing) if clearing else None
    priced = tape.price(homes.current(), file, source, out, given, say, sales, stress.read(stresses))
    print(portfolio_table(priced.portfolio))
    print(f"prices: {priced.prices}")


@app.command()
def diligence(
    file: Path,
    source: Source,
    out: Out,
    assumptions: Annotated[Path | None, typer.Option(help="a YAML file of returns and costs")] = None,
) -> None:
    """Examine a tape on offer: one report for a buyer."""
    from serving.diligence.job import diligence as examine
    from serving.pricing import valuation

    print(f"report: {examine(homes.current(), file, source, out, valuation.assumptions(assumptions), say)}")


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
def dispatch(
    date: Annotated[str, typer.Option(help="the day to plan, YYYY-MM-DD")],
    out: Out,
    capacities: Annotated[Path | None, typer.Option(help="a YAML file of capacities")] = None,
) -> None:
    """Plan a day's contacts."""
    from serving.dispatch.plan import plan

    end = day_end(date)
    assert end is not None
    print(plan(homes.current(), end.date(), out, capacities=capacities, progress=say).summary())


@app.command()
def build() -> None:
    """Build the two Bentos from the models in force."""
    from serving import bento
    from training import registry

    home = homes.current()
    for name in bento.SERVICES:
        tag = bento.build(home, registry.load(home, name))
        print(f"{tag}: {bento.path(home, tag)}")


@app.command()
def serve(pricing_port: int = 3000, dispatch_port: int = 3001) -> None:
    """Serve both scoring services until interrupted."""
    from serving.server import serve_all

    serve_all(homes.current(), {"recovery": pricing_port, "contact": dispatch_port}, say)


@key.command("create")
def key_create(
    scope: Annotated[list[str], typer.Option(help="what it opens: price, dispatch, explain, admin; repeat for more")],
    expires: Day = None,
) -> None:
    """Make a key, good to the end of a day; it is shown once and kept nowhere."""
    from serving.auth import KeyRing

    made, shown = KeyRing(homes.current()).make(scope, day_end(expires))
    say(
        f"key {made.id} opens {', '.join(made.scopes)}, {f'until the end of {expires}' if expires else 'until revoked'}"
    )
    print(shown)


@key.command("list")
def key_list() -> None:
    """List the keys that were made, without their secrets."""
    from serving.auth import KeyRing

    for made in KeyRing(homes.current()).made():
        until = f"until {made.expires_at[:10]}" if made.expires_at else "until revoked"
        print(f"{made.id}  {','.join(made.scopes)}  made {made.made_at[:10]}, good {until}")


@key.command("revoke")
def key_revoke(key_id: str) -> None:
    """End a key; the services refuse it from the next request on."""
    from serving.auth import KeyRing

    KeyRing(homes.current()).revoke(key_id)
    print(f"key {key_id} is revoked")


@app.command()
def explain(loan_id: str, moment: Day = None) -> None:
    """Say and plot why a loan is worth what it is."""
    from serving.explain import explain as why

    text, plot = why(homes.current(), loan_id, day_end(moment))
    print(text)
    print(f"plot: {plot}")


@app.command()
def replay(decision_id: str) -> None:
    """Make a decision again from the journal, and say whether it is the same to the last bit."""
    from serving.replay import rebuild

    print(rebuild(homes.current(), decision_id))


@app.command()
def monitor(out: Out, since: Day = None, until: Day = None) -> None:
    """Compare recent inputs and scores with the training reference; exit with 1 on an alert."""
    from monitoring import monitor as watch

    outcome = watch(homes.current(), out, since=day_end(since), until=day_end(until), progress=say)
    print(outcome.summary())
    if outcome.alerted:
        raise typer.Exit(1)


@app.command()
def demo(loans: int = 20_000, seed: Seed = 7) -> None:
    """Run the whole road on a simulated portfolio."""
    from recoup.demo import run

    print(run(homes.current(), loans, seed, say))


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="which bench")] = "road",
    json: Annotated[Path | None, typer.Option(help="file for the figures")] = None,
) -> None:
    """Measure speed as ratios against peers, all sides in one run."""
    from recoup.bench import run

    print(run(name, json, say))
