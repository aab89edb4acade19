"""A decision made again from the journal, and whether it comes out the same: `recoup replay`."""

import tempfile
from pathlib import Path
from typing import Any

from features.errors import RecoupError
from features.home import Home
from features.lake import Lake
from serving.journal import Journal, tables
from serving.journal.keeper import TABLES
from serving.scoring import replay, require_model
from training import registry
from training.registry import Registered


def rebuild(home: Home, decision_id: str) -> str:
    """Make a decision again with the registered model that it names.

    Parameters
    ----------
    home : Home
    decision_id : str
        Of a score, of a tape that was priced, of a plan or one of its rows.

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
    again = _OTHERWISE.get(decision["kind"], _score)
    made = f"{decision['kind']} of {decision['subject']} at {decision['decided_at']} by {decision['model_version']}"
    return f"{made}\n{again(home, decision, registered)}"


def _score(_: Home, decision: dict[str, Any], registered: Registered) -> str:
    replayed = replay(decision, registered.package)
    told = f"journalled {decision['score']!r}, rebuilt {replayed.score!r}"
    if not (replayed.same_score and replayed.same_contributions):
        raise RecoupError(f"{told}: the rebuilt score or its contributions differ from the journal")
    return f"{told}\nscore and contributions are the same to the last bit"


def _attempt(home: Home, decision: dict[str, Any], registered: Registered) -> str:
    from serving.dispatch.attempts import require_same_money

    journal = Journal(home)
    whole = journal.find(tables.whole_id(decision["decision_id"]))
    told = _score(home, decision, registered)
    require_same_money(journal.table(whole, "contacts"), decision, registered)
    slot = decision["slot"]
    way = f"{slot['channel']} by {slot['pool']} at {slot['planned_at']}: {slot['net_value']!r} {slot['currency']}"
    return f"{told}\n{way}, taken with probability {decision['probability']:g}; its money is the same to the last bit"


def _plan(home: Home, decision: dict[str, Any], registered: Registered) -> str:
    from serving.dispatch import plan

    journal = Journal(home)
    whole = journal.find(tables.whole_id(decision["decision_id"]))
    differs = plan.differing(home, whole, {name: journal.table(whole, name) for name in whole[TABLES]}, registered)
    if differs and Lake(home).snapshot() != whole["lake"]:
        raise RecoupError(f"{differs} differ, and so does the lake: what we know of debtors has changed")
    if differs:
        raise RecoupError(f"{differs} differ from the journal")
    counts = ", ".join(f"{told['rows']:,} {name}" for name, told in whole[TABLES].items())
    return f"planned again, {counts}: each row is the same to the last bit"


def _tape(home: Home, decision: dict[str, Any], registered: Registered) -> str:
    from features.files import sha256
    from serving.pricing.task import priced
    from serving.tasks.tasks import Tasks

    folder = Tasks(home.portfolios).folder(decision["subject"])
    with tempfile.TemporaryDirectory() as out:
        again = priced(home, folder, registered, Path(out), lambda _: None)
        same = sha256(again.prices) == decision["prices_sha256"]
    if not same and Lake(home).snapshot() != decision["lake"]:
        raise RecoupError("the prices differ, and so does the lake: what we know of market and debtors has changed")
    if not same:
        raise RecoupError("the prices differ from what was answered")
    return f"{decision['accepted']:,} loans priced again: prices are the same to the last bit"


_OTHERWISE = {"portfolio": _tape, "attempt": _attempt, "plan": _plan, "placement": _plan, "filing": _plan}
"""How what is no single score is made again, by its kind."""
