"""A challenger's trial on record: who asked for it, what it was found to be, what was decided and why."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from features import files
from features.errors import RecoupError
from features.home import Home

TRAINING, ON_TRIAL, IN_FORCE, REFUSED = "training", "on trial", "in force", "refused"
"""A trial's state: begun and not ready, compared with the champion, and what it may end with."""
_OPEN = (TRAINING, ON_TRIAL)


@dataclass(frozen=True)
class Trial:
    """A challenger and what became of it.

    Attributes
    ----------
    id : str
        Of model, cause and moment: the same request is the same trial.
    model : str
    because : str
        Why it was trained.
    alerts : list of str
        Ids of the alerts that it answers.
    as_of : str
        Last moment that it learnt from (ISO 8601, UTC).
    state : str
    champion : str
        The version in force when it was trained.
    version : str
        Its own number; empty while it is being trained.
    level : dict of str to float
        See `training.level`.
    lacking : list of str
        What its model-risk pack lacks for approval.
    evidence : list of dict
        Comparisons with the champion, the oldest first; see `monitoring.loop.comparison.Comparison`.
    reason : str
        Why it is in its state.
    decided_at : str
        The last moment that was looked at; empty before the first comparison.
    """

    id: str
    model: str
    because: str
    alerts: list[str]
    as_of: str
    state: str = TRAINING
    champion: str = ""
    version: str = ""
    level: dict[str, float] = field(default_factory=dict)
    lacking: list[str] = field(default_factory=list)
    evidence: list[dict[str, Any]] = field(default_factory=list)
    reason: str = "it is being trained"
    decided_at: str = ""

    @property
    def open(self) -> bool:
        """Whether nothing is decided yet."""
        return self.state in _OPEN

    @property
    def label(self) -> str:
        """How scores name its version."""
        return f"{self.model}/{self.version}"

    def line(self) -> str:
        """Return one line that says all that a reader needs."""
        return f"{self.label if self.version else self.model}: {self.state}, {self.reason} (trained: {self.because})"


def lapsed(since: datetime, months: int, until: datetime) -> bool:
    """Return whether so many months lie between two moments (UTC); a month's last day is as good as any other's.

    Examples
    --------
    >>> lapsed(datetime(2025, 3, 31), 3, datetime(2025, 6, 30)), lapsed(datetime(2025, 3, 31), 3, datetime(2025, 6, 29))
    (True, False)
    """
    return bool(until >= pl.Series([since]).dt.offset_by(f"{months}mo").item())


class Trials:
    """The trials of one model in one home, a JSON file each."""

    def __init__(self, home: Home, model: str):
        self._folder = home.loop / model

    def all(self) -> list[Trial]:
        """Return every trial, the oldest first.

        Raises
        ------
        RecoupError
            When a file cannot be read as one.
        """
        return [_read(file) for file in sorted(self._folder.glob("*.json"))]

    def begun(self, model: str, because: str, alerts: list[str], as_of: datetime) -> Trial:
        """Return the trial of a request: the one on record, or a new one."""
        named = hashlib.sha256(f"{model}|{because}|{as_of.isoformat()}".encode()).hexdigest()[:8]
        new = Trial(named, model, because, alerts, as_of.isoformat())
        return next((trial for trial in self.all() if trial.id == named), new)

    def keep(self, trial: Trial, **changes: Any) -> Trial:
        """Put a trial on record with changes, whole, and return it."""
        changed = replace(trial, **changes)
        file = self._folder / f"{changed.as_of[:10]}-{changed.id}.json"
        with files.locked(self._folder):
            files.replace(file, json.dumps(asdict(changed), indent=1).encode())
        return changed


def _read(file: Path) -> Trial:
    try:
        return Trial(**json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise RecoupError(f"{file}: cannot be read as a trial: {error}; move it away to go on without it") from error
