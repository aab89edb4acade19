"""The alerts of a home: what is found again is folded into the alert that is open, what vanishes closes it.

One JSON file under the home, replaced whole. Chunks that were judged once are not counted twice, so that a
run repeated changes nothing.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from features import files
from features.errors import RecoupError
from features.home import Home
from monitoring.alerts import Alert, level, raised
from monitoring.drift import Finding

_DATES = ("first_seen", "last_seen", "closed_at")
_log = logging.getLogger("recoup.alerts")


@contextmanager
def opened(home: Home) -> Iterator["Ledger"]:
    """Open the alerts of a home for the one writer at a time; they are saved at the end, unless it fails."""
    with files.locked(home.monitoring):
        ledger = Ledger(home)
        yield ledger
        ledger.save()


class Ledger:
    """The alerts of a home, and those that are still to be delivered; to change them, see `opened`.

    Attributes
    ----------
    alerts : list of Alert
        All that ever were, the oldest first.
    undelivered : list of dict
        News that no webhook has taken yet, the oldest first; see `monitoring.webhook`.
    """

    def __init__(self, home: Home) -> None:
        self._path = home.monitoring / "alerts.json"
        content = _read(self._path)
        self.alerts = [Alert(**_dated(alert)) for alert in content["alerts"]]
        self.undelivered: list[dict[str, Any]] = content["undelivered"]
        self._judged = {model: datetime.fromisoformat(end) for model, end in content["judged"].items()}
        self._changed: dict[str, Alert] = {}

    @property
    def standing(self) -> list[Alert]:
        """Those that are not closed, the gravest first."""
        return sorted((alert for alert in self.alerts if alert.state != "closed"), key=lambda alert: -alert.ratio)

    def observe(self, model: str, question: str, end: datetime, findings: Iterable[Finding],
                views: Mapping[str, str] = MappingProxyType({})) -> None:  # fmt: skip
        """Take in what a chunk was found to be; chunks come in the order of time.

        Parameters
        ----------
        model : str
            A model, or ``feeds`` and a feed.
        question : str
            What was asked of the chunk, such as ``drift``: each is answered at its own time.
        end : datetime
            Of the chunk (UTC); one that is not after the last is known already.
        findings : iterable of Finding
            All tests that were made: an alert whose test was not made stays as it is.
        views : mapping of str to str
            The feature view behind each column.
        """
        about = f"{model} {question}"
        if (last := self._judged.get(about)) and end <= last:
            return
        self._judged[about] = end
        standing = {alert.key: place for place, alert in enumerate(self.alerts) if alert.state != "closed"}
        for found in findings:
            place = standing.get((model, found.column, found.test))
            if place is None and found.alert:
                self._news(raised(model, found, views.get(found.column), end))
            elif place is not None and found.alert:
                self._go_on(place, found, end)
            elif place is not None:
                self._change(place, state="closed", closed_at=end)

    def acknowledge(self, id: str, by: str) -> Alert:
        """Note that somebody works on an alert.

        Raises
        ------
        RecoupError
            When there is no such alert that stands.
        """
        for place, alert in enumerate(self.alerts):
            if alert.id == id and alert.state != "closed":
                self._change(place, state="acknowledged", acknowledged_by=by)
                return self.alerts[place]
        standing = ", ".join(alert.id for alert in self.standing) or "none"
        raise RecoupError(f"no alert {id!r} stands; standing are: {standing}")

    def save(self) -> None:
        """Write the ledger, whole, and log what came of each alert that changed since; see `opened`."""
        content = {
            "alerts": [asdict(alert) for alert in self.alerts],
            "undelivered": self.undelivered,
            "judged": self._judged,
        }
        files.replace(self._path, json.dumps(content, indent=1, default=datetime.isoformat).encode())
        for alert in self._changed.values():
            _log.log(logging.INFO if alert.state != "open" else logging.WARNING, alert.line())
        self._changed.clear()

    def _go_on(self, place: int, found: Finding, end: datetime) -> None:
        """Fold a finding into its alert; that it became critical is news."""
        before = self.alerts[place]
        graver = level(found) == "critical" and before.level != "critical"
        after = replace(
            before, value=found.value, threshold=found.threshold, within=found.within, count=before.count + 1,
            last_seen=end, level="critical" if graver else before.level,
        )  # fmt: skip
        self.alerts[place] = after
        if graver:
            self._tell(after)

    def _change(self, place: int, **changes: Any) -> None:
        self.alerts[place] = replace(self.alerts[place], **changes)
        self._tell(self.alerts[place])

    def _news(self, alert: Alert) -> None:
        self.alerts.append(alert)
        self._tell(alert)

    def _tell(self, alert: Alert) -> None:
        """Put an alert's new state among what is to be logged and delivered."""
        self._changed[alert.id] = alert
        self.undelivered.append(json.loads(json.dumps(asdict(alert), default=datetime.isoformat)))


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {"alerts": [], "undelivered": [], "judged": {}}
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecoupError(f"{path}: cannot be read as alerts: {error}; move it away to start anew") from error
    return content


def _dated(alert: dict[str, Any]) -> dict[str, Any]:
    dates = {name: datetime.fromisoformat(alert[name]) for name in _DATES if alert[name]}
    return alert | dates
