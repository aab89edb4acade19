"""What a challenger said in service, read back from the journal: beside the answers, or as the answer to a share."""

from typing import Any

import numpy as np
import orjson

from features.home import Home
from serving.journal import keeper
from training.registry import Registered


def seen(home: Home, champion: Registered, challenger: Registered) -> dict[str, Any]:
    """Return how far a challenger's journalled scores lie from the champion's.

    Parameters
    ----------
    home : Home
        Whose services journalled.
    champion, challenger : Registered

    Returns
    -------
    dict
        ``champion`` and ``challenger``: decisions of each; ``both``: loans that both scored; of these
        ``ratio``, the challenger's mean score over the champion's, and ``correlation`` of the scores.
        Empty where the challenger was not in service.
    """
    latest: dict[str, dict[str, float]] = {champion.label: {}, challenger.label: {}}
    counts = dict.fromkeys(latest, 0)
    with keeper.settings(home).keeper().shelf() as shelf:
        for name in shelf.names():
            for _, line in shelf.lines(name):
                if not line.endswith(b"\n"):
                    continue  # torn by a crash: not answered
                record = orjson.loads(line)
                if (label := record.get("model_version")) in latest and "score" in record:
                    counts[label] += 1
                    latest[label][record["subject"]] = record["score"]
    if not counts[challenger.label]:
        return {}
    both = sorted(set(latest[champion.label]) & set(latest[challenger.label]))
    found: dict[str, Any] = {
        "champion": counts[champion.label], "challenger": counts[challenger.label], "both": len(both)
    }  # fmt: skip
    if len(both) > 1:
        own, other = (np.array([latest[side.label][subject] for subject in both]) for side in (challenger, champion))
        found["ratio"] = float(own.mean() / other.mean())
        found["correlation"] = float(np.corrcoef(own, other)[0, 1]) if np.ptp(own) and np.ptp(other) else None
    return found
