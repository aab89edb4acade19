"""One tape priced in a process of its own: ``python -m serving.pricing.task TASK_FOLDER``.

The model is the Bento's own. The process ends with the service that started it.
"""

import hashlib
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from features.errors import RecoupError
from features.lake import locked, replace

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


def _price(folder: Path) -> str:
    from serving import bento
    from serving.journal import Journal
    from serving.pricing import tape, valuation
    from serving.pricing.tasks import Asked
    from training.registry import Registered

    asked = Asked.model_validate_json((folder / "asked.json").read_bytes())
    home, package, label = bento.contents()
    name, version = label.split("/")
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        steps = {"steps": told, "share": min(len(told), STEPS) / (STEPS + 1)}
        replace(folder / "steps.json", json.dumps(steps).encode())

    given = valuation.assumptions()
    if asked.assumptions is not None:
        given = valuation.Assumptions.model_validate_json(asked.assumptions)
    offer = tape.read(home, folder / asked.file, asked.source, tell, Registered(name, version, "", package))
    tell("valuing")
    priced = tape.value(offer, folder / "out", given)
    record: dict[str, Any] = {
        "kind": "portfolio",
        "subject": folder.name,
        "model_version": label,
        "fingerprint": package.fingerprint,
        "source": asked.source,
        "assumptions": given.model_dump(),
        "tape_sha256": _sha256(folder / asked.file),
        "prices_sha256": _sha256(priced.prices),
        "accepted": priced.portfolio["accepted"],
        "rejected": priced.portfolio["rejected"],
    }
    return Journal(home).append(record)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _end_with_parent() -> None:
    """End when the service does, however it does: the pipe from it then has no writer."""
    while sys.stdin.buffer.read(1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
