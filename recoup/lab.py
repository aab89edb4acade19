"""JupyterLab on a home that is ready: `recoup lab`."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from features.errors import RecoupError
from features.home import Home
from features.lake import Lake
from features.progress import Progress
from recoup.demo_home import prepare, standing
from recoup.notebook import FOLDER


def open_lab(home: Home, loans: int, seed: int, options: Sequence[str], progress: Progress) -> NoReturn:
    """Become JupyterLab on a home; one that holds nothing is made ready first.

    Each script is paired with a notebook of its name: saving one writes the other.

    Parameters
    ----------
    home : Home
    loans, seed : int
        Of the simulated world, where one is made.
    options : sequence of str
        For ``jupyter lab``.
    progress : callable
        Told a line per step.

    Raises
    ------
    RecoupError
        When recoup does not run from a checkout.
    """
    scripts = sorted(FOLDER.glob("*.py"))
    if not scripts:
        raise RecoupError(f"no notebooks in {FOLDER}: run `make lab` in a checkout of recoup")
    if standing(home) is None:
        if Lake(home).batches():
            progress(f"{home.root} holds data of its own: of the notebooks, only the template is for it")
        else:
            prepare(home, loans, seed, progress)
    binaries = Path(sys.executable).parent
    subprocess.run([binaries / "jupytext", "--quiet", "--sync", *scripts], check=True)
    environment = os.environ | {"RECOUP_HOME": str(home.root)}
    # in place of this process: an interrupt is JupyterLab's own to ask about
    os.execve(binaries / "jupyter", ["jupyter", "lab", str(FOLDER), *options], environment)
