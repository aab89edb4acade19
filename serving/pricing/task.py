"""One tape priced in the background: ``python -m serving.pricing.task TASK_FOLDER``.

The model is the one that the service answers by.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from features import home as homes
from features.files import sha256
from features.home import Home
from features.progress import Progress
from serving.tasks import worker
from serving.tasks.tasks import OUT, Asked

if TYPE_CHECKING:
    from serving.pricing.tape import PricedTape
    from training.registry import Registered

STEPS = 3


class AskedTape(Asked):
    """A tape to price."""

    source: str
    assumptions: str | None
    file: str


def priced(home: Home, folder: Path, champion: "Registered", out: Path, tell: Progress) -> "PricedTape":
    """Price the tape of a task's folder as it was asked."""
    from serving.pricing import offer as offers
    from serving.pricing import tape, valuation

    asked = AskedTape.model_validate_json((folder / "asked.json").read_bytes())
    given = valuation.assumptions()
    if asked.assumptions is not None:
        given = valuation.Assumptions.model_validate_json(asked.assumptions)
    offer = offers.read(home, folder / asked.file, asked.source, tell, champion)
    tell("valuing")
    return tape.value(offer, out, given)


def _price(folder: Path, tell: Progress) -> str:
    """Price a task's tape by the model in force, journal it, and give the decision id."""
    from features.lake import Lake
    from serving.journal import Journal

    home = homes.current()
    champion = worker.champion(home, "recovery")
    found = priced(home, folder, champion, folder / OUT, tell)
    record = {
        "kind": "portfolio",
        "subject": folder.name,
        "model_version": champion.label,
        "fingerprint": champion.package.fingerprint,
        "lake": Lake(home).snapshot(),
        "asked": json.loads((folder / "asked.json").read_bytes()),
        "assumptions": found.portfolio["assumptions"],
        "prices_sha256": sha256(found.prices),
        "accepted": found.portfolio["accepted"],
        "rejected": found.portfolio["rejected"],
    }
    return Journal(home).append(record)


if __name__ == "__main__":
    worker.main(_price, STEPS)
