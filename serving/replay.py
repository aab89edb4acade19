"""A decision made again from the journal, and whether it comes out the same: `recoup replay`."""

import tempfile
from pathlib import Path
from typing import Any

from features.errors import RecoupError
from features.home import Home
from features.lake import Lake
from serving.journal import Journal
from serving.scoring import replay, require_model
from training import registry
from training.registry import Registered


def rebuild(home: Home, decision_id: str) -> str:
    """Make a decision again with the registered model that it names.

    Parameters
    ----------
    home : Home
    decision_id : str
        Of a score, or of a tape that was priced.

    Returns
    -------
    str
        What was decided, and that it is the same to the last bit.

    Raises
    ------
    RecoupError
        When there is no such decision, its model was changed, or it comes out otherwise.
    """
    decision = Journal(home).find(decision_id)
    if "model_version" not in decision:
        raise RecoupError(f"{decision_id} is an {decision['kind']} that was told: no model decided it")
    name, version = decision["model_version"].split("/")
    registered = registry.load(home, name, version)
    require_model(decision, registered.package)
    again = _tape if decision["kind"] == "portfolio" else _score
    made = f"{decision['kind']} of {decision['subject']} at {decision['decided_at']} by {decision['model_version']}"
    return f"{made}\n{again(home, decision, registered)}"


def _score(_: Home, decision: dict[str, Any], registered: Registered) -> str:
    replayed = replay(decision, registered.package)
    told = f"journalled {decision['score']!r}, rebuilt {replayed.score!r}"
    if not (replayed.same_score and replayed.same_contributions):
        raise RecoupError(f"{told}: the rebuilt score or its contributions differ from the journal")
    return f"{told}\nscore and contributions are the same to the last bit"


def _tape(home: Home, decision: dict[str, Any], registered: Registered) -> str:
    from serving.pricing.task import priced, sha256
    from serving.pricing.tasks import Tasks

    folder = Tasks(home).folder(decision["subject"])
    with tempfile.TemporaryDirectory() as out:
        again = priced(home, folder, registered, Path(out), lambda _: None)
        same = sha256(again.prices) == decision["prices_sha256"]
    if not same and Lake(home).snapshot() != decision["lake"]:
        raise RecoupError("the prices differ, and so does the lake: what we know of market and debtors has changed")
    if not same:
        raise RecoupError("the prices differ from what was answered")
    return f"{decision['accepted']:,} loans priced again: prices are the same to the last bit"
