"""Speed as ratios against a peer, all sides in one run: `recoup bench NAME --json FILE`."""

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from features.errors import RecoupError
from features.progress import Progress

BENCHES = ("road", "pricing", "online", "serving", "dispatch", "monitor")


def run(name: str, out: Path | None, progress: Progress) -> str:
    """Run a bench and return its figures as text.

    Parameters
    ----------
    name : str
        One of `BENCHES`.
    out : Path, optional
        File for the figures as JSON.
    progress : callable
        Told a line per step.

    Raises
    ------
    RecoupError
        When there is no such bench.
    """
    if name not in BENCHES:
        raise RecoupError(f"no bench {name!r}; there are {', '.join(BENCHES)}")
    figures = import_module(f"recoup.bench.{name}").measure(progress)
    if out:
        out.write_text(json.dumps(figures, indent=1))
    return "\n".join(f"{key:<36}{value:>10.3g}" for key, value in _flat(figures))


def _flat(figures: dict[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    """Yield the numbers of nested figures under dotted names."""
    for key, value in figures.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        elif isinstance(value, int | float):
            yield f"{above}{key}", value
