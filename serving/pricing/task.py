"""One tape priced in a process of its own: ``python -m serving.pricing.task TASK_FOLDER``.

The model is the one that the service answers by. The process ends with the service that started it.
"""

import hashlib
import json
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from features import home as homes
from features.errors import RecoupError
from features.files import locked, replace
from features.home import Home
from serving.pricing.tasks import Asked

if TYPE_CHECKING:
    from serving.pricing.tape import PricedTape
    from training.job import Progress
    from training.registry import Registered

STEPS = 3
_KINDNESS = 10


def main(folder: Path) -> None:
    """Price the tape of a task's folder; writes ``steps.json`` on the way and ``outcome.json`` at the end."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(_KINDNESS)  # scores that somebody waits for go first
    with locked(folder):  # a former process of this task may be on its way out
        try:
            outcome = {"decision_id": _price(folder)}
        except RecoupError as error:
            outcome = {"error": str(error).replace(f"{folder}/", "")}
        replace(folder / "outcome.json", json.dumps(outcome).encode())


def priced(home: Home, folder: Path, champion: "Registered", out: Path, tell: "Progress") -> "PricedTape":
    """Price the tape of a task's folder as it was asked."""
    from serving.pricing import offer as offers
    from serving.pricing import tape, valuation

    asked = Asked.model_validate_json((folder / "asked.json").read_bytes())
    given = valuation.assumptions()
    if asked.assumptions is not None:
        given = valuation.Assumptions.model_validate_json(asked.assumptions)
    offer = offers.read(home, folder / asked.file, asked.source, tell, champion)
    tell("valuing")
    return tape.value(offer, out, given)


def sha256(path: Path) -> str:
    """Return a file's digest."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _price(folder: Path) -> str:
    """Price a task's tape by the model in force, journal it, and give the decision id."""
    from features.lake import Lake
    from serving import bento
    from serving.journal import Journal
    from serving.versions.lineup import Rule
    from serving.versions.releases import Releases
    from training.registry import Registered

    home = homes.current()
    package, label = Releases(home, "recovery", bento.package_in).at_start(Rule.from_environment().alias)
    name, version = label.split("/")
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        steps = {"steps": told, "share": min(len(told), STEPS) / (STEPS + 1)}
        replace(folder / "steps.json", json.dumps(steps).encode())

    found = priced(home, folder, Registered(name, version, "", package), folder / "out", tell)
    record = {
        "kind": "portfolio",
        "subject": folder.name,
        "model_version": label,
        "fingerprint": package.fingerprint,
        "lake": Lake(home).snapshot(),
        "asked": json.loads((folder / "asked.json").read_bytes()),
        "assumptions": found.portfolio["assumptions"],
        "prices_sha256": sha256(found.prices),
        "accepted": found.portfolio["accepted"],
        "rejected": found.portfolio["rejected"],
    }
    return Journal(home).append(record)


def _end_with_parent() -> None:
    """End when the service does, however it does: the pipe from it then has no writer."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
