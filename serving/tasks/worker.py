"""One task done in a process of its own, which ends with the service that started it."""

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from features.errors import RecoupError
from features.files import locked, replace
from features.home import Home
from features.progress import Progress

if TYPE_CHECKING:
    from training.registry import Registered

_KINDNESS = 10


def main(work: Callable[[Path, Progress], str], steps: int) -> None:
    """Do the task whose folder is this process' argument.

    Writes ``steps.json`` on the way and ``outcome.json`` at the end.

    Parameters
    ----------
    work : callable
        Of the folder, and of what is to be told a line per step; returns the decision id.
    steps : int
        How many lines it tells.
    """
    folder = Path(sys.argv[1])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(_KINDNESS)  # scores that somebody waits for go first
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        share = min(len(told), steps) / (steps + 1)
        replace(folder / "steps.json", json.dumps({"steps": told, "share": share}).encode())

    with locked(folder):  # a former process of this task may be on its way out
        try:
            outcome = {"decision_id": work(folder, tell)}
        except RecoupError as error:
            outcome = {"error": str(error).replace(f"{folder}/", "")}
        replace(folder / "outcome.json", json.dumps(outcome).encode())


def champion(home: Home, model: str) -> "Registered":
    """Return the version that the service answers by, whose task this process does.

    Raises
    ------
    RecoupError
        When the code does not run inside a Bento.
    """
    from serving import bento
    from serving.versions.lineup import Rule
    from serving.versions.releases import Releases
    from training.registry import Registered

    package, label = Releases(home, model, bento.package_in).at_start(Rule.from_environment().alias)
    name, version = label.split("/")
    return Registered(name, version, "", package)


def _end_with_parent() -> None:
    """End when the service does, however it does: the pipe from it then has no writer."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)
