"""Writes a run's files: our own outcome and a picture of it."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from monitoring.outcome import Outcome


def write(outcome: Outcome, out: Path) -> None:
    """Write ``monitor.json``, whole."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".monitor-") as scratch:
        aside = Path(scratch) / "monitor.json"
        aside.write_text(json.dumps(_content(outcome), indent=1, default=str), encoding="utf-8")
        aside.replace(out / aside.name)


def _content(outcome: Outcome) -> dict[str, object]:
    return {"alerted": outcome.alerted} | asdict(outcome)
