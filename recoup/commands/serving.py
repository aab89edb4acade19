"""Prices, plans, scores and their reasons."""

from pathlib import Path
from typing import Annotated

import typer

from features import home as homes
from recoup.door import Day, Out, Source, app, day_end, say


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
def dispatch(
    date: Annotated[str, typer.Option(help="the day to plan, YYYY-MM-DD")],
    out: Out,
    capacities: Annotated[Path | None, typer.Option(help="a YAML file of capacities")] = None,
    placed: Annotated[Path | None, typer.Option(help="a CSV file of the debts that are with agencies")] = None,
) -> None:
    """Plan a day's contacts, placements and filings."""
    from serving.dispatch.plan import plan

    end = day_end(date)
    assert end is not None
    print(plan(homes.current(), end.date(), out, capacities=capacities, placed=placed, progress=say).summary())


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
def serve(
    pricing_port: int = 3000,
    dispatch_port: int = 3001,
    monitor_port: Annotated[int | None, typer.Option(help="show what `recoup monitor` found in Evidently's UI")] = None,
) -> None:
    """Serve both scoring services until interrupted."""
    from serving.server import serve_all

    ports = {"recovery": pricing_port, "contact": dispatch_port}
    if monitor_port is None:
        serve_all(homes.current(), ports, say)
        return
    from monitoring.ui import shown

    with shown(homes.current(), monitor_port, say):
        serve_all(homes.current(), ports, say)


@app.command()
def explain(
    loan_id: str,
    moment: Day = None,
    letter: Annotated[bool, typer.Option("--letter", help="for the debtor, in plain words")] = False,
    language: Annotated[str, typer.Option(help="of the letter: en or zh")] = "en",
) -> None:
    """Say and plot why a loan is worth what it is, or tell it to the debtor."""
    from serving import explain as why

    if letter:
        print(why.letter(homes.current(), loan_id, day_end(moment), language))
        return
    text, plot = why.explain(homes.current(), loan_id, day_end(moment))
    print(text)
    print(f"plot: {plot}")


@app.command()
def replay(
    decision_id: str,
    page: Annotated[Path | None, typer.Option(help="an HTML file: all that the decision rests on")] = None,
) -> None:
    """Make a decision again from the journal, and say whether it is the same to the last bit."""
    from serving.replay import rebuild

    print(rebuild(homes.current(), decision_id))
    if page is not None:
        from features.files import replace
        from serving.review.page import render

        replace(page, render(homes.current(), decision_id).encode())
        print(f"page: {page}")


@app.command()
def profile(
    borrower: Annotated[str, typer.Argument(help="the debtor's token, or the number that his creditor gave him")],
    moment: Day = None,
    json: Annotated[Path | None, typer.Option(help="a file for the figures")] = None,
    page: Annotated[Path | None, typer.Option(help="an HTML file: the same to read")] = None,
    unmasked: Annotated[bool, typer.Option("--unmasked", help="whole tokens, and the year of birth")] = False,
) -> None:
    """Show what was known of a debtor on a day."""
    from features.files import replace
    from serving.profile import output

    told = output.tell(homes.current(), borrower, day_end(moment), unmasked)
    if json is None and page is None:
        print(output.as_json(told).decode())
    if json is not None:
        replace(json, output.as_json(told))
        print(f"profile: {json}")
    if page is not None:
        replace(page, output.as_page(told).encode())
        print(f"page: {page}")
