"""The whole road, and how fast it is."""

from pathlib import Path
from typing import Annotated

import typer

from features import home as homes
from recoup.door import Seed, app, say


@app.command()
def demo(loans: int = 20_000, seed: Seed = 7) -> None:
    """Run the whole road on a simulated portfolio."""
    from recoup.demo import run

    print(run(homes.current(), loans, seed, say))


@app.command()
def lab(
    options: Annotated[list[str] | None, typer.Argument(help="for jupyter lab, after --")] = None,
    loans: int = 20_000,
    seed: Seed = 7,
) -> None:
    """Open JupyterLab on a ready home; where it holds nothing, the demo's world is made first."""
    from recoup.lab import open_lab

    open_lab(homes.current(), loans, seed, options or [], say)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="which bench")] = "road",
    json: Annotated[Path | None, typer.Option(help="file for the figures")] = None,
) -> None:
    """Measure speed as ratios against peers, all sides in one run."""
    from recoup.bench import run

    print(run(name, json, say))
