"""Writes a run's files: what was found as JSON, as one page to read, and as a picture."""

import io
import json
import tempfile
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from monitoring import picture
from monitoring.outcome import Outcome, Watched
from monitoring.validation.page import cell
from serving.diligence.page import environment

_TEMPLATES = Path(__file__).parent / "templates"


def write(outcome: Outcome, out: Path) -> None:
    """Write ``monitor.png``, ``monitor.html`` and, last, ``monitor.json``.

    Each file is written aside and moved into place whole.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".monitor-") as scratch:
        aside = Path(scratch)
        painted = io.BytesIO()
        picture.overview(outcome.models).savefig(painted, format="png", dpi=110)
        (aside / "monitor.png").write_bytes(painted.getvalue())
        (aside / "monitor.html").write_text(render(outcome), encoding="utf-8")
        (aside / "monitor.json").write_text(json.dumps(content(outcome), indent=1, default=_plain), encoding="utf-8")
        for name in ("monitor.png", "monitor.html", "monitor.json"):
            (aside / name).replace(out / name)


def content(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as plain values."""
    return {
        "alerted": outcome.alerted,
        "alerts": [asdict(alert) for alert in outcome.alerts],
        "undelivered": outcome.undelivered,
        "models": {name: _model(watched) for name, watched in outcome.models.items()},
        "feeds": {name: _model(watched) for name, watched in outcome.feeds.items()},
        "skipped": outcome.skipped,
    }


def render(outcome: Outcome) -> str:
    """Return the page, which needs no network."""
    pages = environment(_TEMPLATES)
    pages.filters["cell"] = cell
    return pages.get_template("monitor.html.j2").render(outcome=outcome, picture=picture)


def _model(watched: Watched) -> dict[str, Any]:
    return {
        "version": watched.version,
        "as_of": watched.as_of,
        "reference": watched.reference,
        "chunks": [
            asdict(chunk) | {"alerts": list(dict.fromkeys(found.column for found in chunk.alerts))}
            for chunk in watched.chunks
        ],
        "performance": [measured.to_json() for measured in watched.performance],
        "vintages": [vintage.to_json() for vintage in watched.vintages],
    }


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} is no plain value")
