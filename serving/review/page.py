"""From a decision id to features, their sources and times, model, contributions, validation and replay."""

import json
from pathlib import Path
from typing import Any

from features.errors import RecoupError
from features.home import Home
from features.marts import MARTS
from features.repository import ON_DEMAND
from serving.diligence.page import environment
from serving.journal import Journal
from serving.scoring import Replayed, replay
from training import registry
from training.registry import Registered

_TEMPLATES = Path(__file__).parent / "templates"


def render(home: Home, decision_id: str) -> str:
    """Return the page of a decision: HTML that needs no network.

    Parameters
    ----------
    home : Home
    decision_id : str
        Of a score; a priced tape has no single one.

    Raises
    ------
    RecoupError
        When there is no such decision, it is no single score, or its model was changed since.
    """
    return environment(_TEMPLATES).get_template("review.html.j2").render(review(home, decision_id))


def review(home: Home, decision_id: str) -> dict[str, Any]:
    """Return what the page says.

    Returns
    -------
    dict
        ``decision`` (its journal record), ``replayed`` (score and whether every bit is the same), ``inputs``
        (value, meaning, mart, feeds, since when known, contribution; the largest first), ``model`` (its card and
        the exceptions under which it is in force), ``pack`` (the verdicts of its validation, or none).

    Raises
    ------
    RecoupError
        See `render`.
    """
    decision = Journal(home).find(decision_id)
    if "contributions" not in decision:
        raise RecoupError(f"{decision_id} is a {decision['kind']}, and no single score: `recoup replay` makes it again")
    name, version = decision["model_version"].split("/")
    registered = registry.load(home, name, version)
    again = replay(decision, registered.package)
    kept = registry.pack(home, registered)
    return {
        "decision": {name: value for name, value in decision.items() if name not in ("features", "contributions")},
        "replayed": {"score": again.score, "same": again.same_score and again.same_contributions},
        "inputs": _inputs(decision, again, registered),
        "model": _model(home, registered),
        "pack": json.loads(kept) if kept else None,
    }


def _inputs(decision: dict[str, Any], again: Replayed, registered: Registered) -> list[dict[str, Any]]:
    rows = [
        {
            "input": column["name"], "about": column["about"], "unit": column["unit"] or "",
            "value": decision["features"][column["name"]], "view": column["view"],
            "feeds": _feeds(column["view"]), "known_at": decision["known_at"].get(column["view"], ""),
            "stale": decision["stale"].get(column["view"]), "contribution": effect,
        }
        for column, effect in zip(registered.package.card.columns, decision["contributions"], strict=True)
    ]  # fmt: skip
    return sorted(rows, key=lambda row: -abs(row["contribution"]))


def _feeds(view: str) -> list[str]:
    """Return the feeds that a view's values come from; those of the moment also come with the question."""
    if view in MARTS:
        return list(MARTS[view].FEEDS)
    return ["the question", *dict.fromkeys(feed for mart in ON_DEMAND[view][2] for feed in MARTS[mart].FEEDS)]


def _model(home: Home, registered: Registered) -> dict[str, Any]:
    card = registered.package.card
    return {
        "version": registered.label, "run": registered.run_id, "fingerprint": registered.package.fingerprint,
        "service": card.service, "source": card.source, "as_of": card.as_of, "rows": card.rows, "lake": card.lake,
        "code": card.code, "metrics": card.metrics, "exceptions": registry.exceptions(home, registered),
    }  # fmt: skip
