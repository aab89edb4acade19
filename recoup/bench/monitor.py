"""`recoup bench monitor`: how often the monitor cries wolf, how soon it finds what is planted, what the loop is worth.

All in simulated worlds: weeks in which nothing happens; one change at a time; a year with a downturn.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from features.progress import Progress
from monitoring.loop import year
from monitoring.thresholds import Thresholds
from recoup.bench import monitor_worlds as worlds
from recoup.bench import seeds

_SEED = 400
"""No threshold was set on the worlds after it."""
_WORLDS = 8
_LOANS = 1_500
_YEAR_LOANS = 1_500
_YEARS = 8


def measure(progress: Progress) -> dict[str, Any]:
    """Return the figures.

    Returns
    -------
    dict
        ``false_alarm_rate`` of ``weeks`` unchanged weeks, beside the ``stated`` one; ``false_alarms``: the rate by
        model and what is asked, each of which has the ``stated`` one to itself; ``planted``: of each change
        ``found`` and ``chunks_to_find`` (weeks or months, by the model watched); ``estimate_error``: mean absolute
        distance of estimated from realised performance; ``loss_avoided``: the share of the loss of models never
        retrained, a mean over ``years`` with its 95 % interval, beside ``by_year``.
    """
    os.environ.setdefault("RECOUP_TOKEN_KEY", "a key of the bench's own")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        quiet = []
        for number in range(1, _WORLDS + 1):
            progress(f"world {number} of {_WORLDS} in which nothing happens")
            quiet.append(worlds.unchanged(root / f"quiet_{number}", _LOANS, _SEED + number, worlds.TASKS))
        planted = {}
        for name in worlds.PLANTED:
            progress(f"planted: {name}")
            planted[name] = worlds.planted(name, root, root / "quiet_1", _LOANS, _SEED + 1)
        years = [_year(root / f"year_{number}", number, progress) for number in range(1, _YEARS + 1)]
    alarms = worlds.false_alarms(quiet)
    return {
        "false_alarm_rate": alarms["contact drift"]["rate"],
        "stated": Thresholds.load().false_alarms,
        "weeks": alarms["contact drift"]["chunks"],
        "false_alarms": alarms,
        "planted": planted,
        "estimate_error": worlds.estimate_errors(quiet),
        **seeds.mean("loss_avoided", np.array([year["share"] for year in years])),
        "years": len(years),
        "by_year": {f"year {number}": found for number, found in enumerate(years, 1)},
    }


def _year(out: Path, number: int, progress: Progress) -> dict[str, float]:
    progress(f"year {number} of {_YEARS} with a downturn in month 6")
    found = year.run(_YEAR_LOANS, _SEED + number, out, progress=lambda line: None)
    return {"loss": found.loss, "loss_never": found.loss_never, "avoided": found.avoided, "share": found.share}
