"""What notebooks begin with and what they show: a home that is ready, a tape to look at, a bar, a table."""

import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from IPython.display import DisplayHandle

from features import home as homes
from features.progress import Progress
from recoup.demo_home import DemoHome, prepare, standing

with warnings.catch_warnings():
    # in a kernel without widgets tqdm complains of that to whoever imports it first, which MLflow does
    warnings.filterwarnings("ignore", "IProgress not found")
    import tqdm.auto  # noqa: F401

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

FOLDER = Path(__file__).parents[1] / "notebooks"
LOANS, SEED = 20_000, 7
"""The world that is simulated where there is none: the demo's."""
_TAPE = "lending_club_2007_2011h1.csv.gz"
_PREPARING = 30


def ready_home() -> DemoHome:
    """Return the home of the environment, made ready first where it holds nothing.

    Raises
    ------
    RecoupError
        When it holds other data than the demo's.
    """
    home = homes.current()
    if (ready := standing(home)) is not None:
        return ready
    with steps("making a home ready", _PREPARING) as progress:
        return prepare(home, LOANS, SEED, progress)


def tape_on_offer(ready: DemoHome) -> tuple[Path, str]:
    """Return a tape to look at, and its mapping: LendingClub's where its file is at hand, else the simulated one.

    The file is looked for in ``RECOUP_TEST_DATA``, or else in ``../shared/data`` beside the checkout.
    """
    folder = Path(os.environ.get("RECOUP_TEST_DATA", FOLDER.parents[1] / "shared" / "data"))
    real = folder / _TAPE
    return (real, "lending_club") if real.is_file() else (ready.world / "tape.csv", "canonical")


@contextmanager
def steps(what: str, total: int) -> Iterator[Progress]:
    """Show a bar that moves on with each line that a long call tells, and stays full when it has ended.

    Parameters
    ----------
    what : str
        What takes long.
    total : int
        About how many lines the call tells.
    """
    bar, began, done = DisplayHandle(), time.monotonic(), 0
    bar.display(_bar(what, 0, total, ""), raw=True)

    def step(line: str) -> None:
        nonlocal done
        done += 1
        bar.update(_bar(what, min(done, total - 1), total, line), raw=True)

    yield step
    bar.update(_bar(what, total, total, f"{time.monotonic() - began:.0f} s"), raw=True)


def table(frame: pl.DataFrame, digits: int = 3) -> "Styler":
    """Return a frame as a reader wants it: no index, no types, thousands apart, text on the left.

    Parameters
    ----------
    frame : polars.DataFrame
        Its headings name the units.
    digits : int
        Of fractions.
    """
    left = {"selector": "td, th", "props": "text-align: left"}
    texts = {name: [left] for name, dtype in frame.schema.items() if not dtype.is_numeric()}
    style = frame.to_pandas(use_pyarrow_extension_array=True).style.hide(axis="index")
    return style.format(precision=digits, thousands=",", na_rep="").set_table_styles(texts)


def _bar(what: str, done: int, total: int, line: str) -> dict[str, str]:
    html = f'{escape(what)} <progress value="{done}" max="{total}"></progress> {escape(line)}'
    return {"text/plain": f"{what}: {done} of {total} {line}", "text/html": html}
