"""What a finding means to the person who has to act on it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitoring.drift import Finding
from monitoring.thresholds import SCORE

CRITICAL = 2.0
"""Times its threshold at which a finding is critical, and no longer a warning."""

ROWS, PERFORMANCE, MONEY = "rows", "performance", "money"
"""Tests that are none of a column's values: rows that came, how good the scores were, cash."""
_MARKET = "public"


@dataclass(frozen=True)
class Alert:
    """Something moved, for one chunk or for many in a row, and what to do about it.

    Attributes
    ----------
    id : str
    model, column, test, method : str
        See `monitoring.drift.Finding`; ``model`` is ``feeds`` when a feed's rows are meant.
    value, threshold : float
        In the last chunk in which it was found.
    within : str, optional
        Part of the rows in which it moved most, such as a region.
    level : str
        ``critical`` or ``warning``: the gravest so far.
    owner : str
        Who acts: ``data``, ``portfolio`` or ``models``.
    action : str
        What we propose.
    state : str
        ``open``, ``acknowledged`` (somebody works on it) or ``closed`` (no longer found).
    count : int
        Chunks in which it was found.
    first_seen, last_seen : datetime
        Ends of the first and the last of them (UTC).
    closed_at : datetime, optional
        End of the first chunk in which it was not.
    acknowledged_by : str, optional
    """

    id: str
    model: str
    column: str
    test: str
    method: str
    value: float
    threshold: float
    within: str | None
    level: str
    owner: str
    action: str
    state: str
    count: int
    first_seen: datetime
    last_seen: datetime
    closed_at: datetime | None = None
    acknowledged_by: str | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is about: a finding with the same key is the same alert going on."""
        return self.model, self.column, self.test

    @property
    def ratio(self) -> float:
        """How many times its threshold the value is."""
        return self.value / self.threshold

    def line(self) -> str:
        """Return one line that says all that a reader needs."""
        times = f" for {self.count} chunks" if self.count > 1 else ""
        return (
            f"{self.id} {self.level}, {self.state}: {self.model} {self.column} {self.test} {self.value:.2f} over "
            f"{self.threshold:.2g}{f' in {self.within}' if self.within else ''}{times} until "
            f"{self.last_seen:%Y-%m-%d}; {self.owner}: {self.action}"
        )


def raised(model: str, found: Finding, view: str | None, moment: datetime) -> Alert:
    """Return a new alert.

    Parameters
    ----------
    model : str
    found : Finding
    view : str, optional
        The feature view that the column comes from.
    moment : datetime
        End of the chunk in which it was found.
    """
    owner, action = _proposal(found, view)
    identity = "|".join([model, found.column, found.test, moment.isoformat()])
    return Alert(
        id=hashlib.sha256(identity.encode()).hexdigest()[:8],
        model=model,
        column=found.column,
        test=found.test,
        method=found.method,
        value=found.value,
        threshold=found.threshold,
        within=found.within,
        level=level(found),
        owner=owner,
        action=action,
        state="open",
        count=1,
        first_seen=moment,
        last_seen=moment,
    )


def level(found: Finding) -> str:
    """Return how grave a finding is: what feeds do not deliver always is."""
    return "critical" if found.ratio >= CRITICAL or found.test == ROWS else "warning"


def views(columns: list[dict[str, Any]]) -> dict[str, str]:
    """Return the feature view that each input of a model comes from."""
    return {column["name"]: column["view"] for column in columns}


def _proposal(found: Finding, view: str | None) -> tuple[str, str]:
    """Return who should act, and how."""
    if found.test == ROWS:
        return "data", "find out why the rows stay away: nothing is scored or watched without them"
    if found.test == PERFORMANCE:
        return "models", "scores and outcomes differ: train a challenger on recent outcomes and compare"
    if found.test == MONEY:
        return "portfolio", "cash and expectation differ: read the causes in the report, then reprice or retrain"
    if found.column == SCORE:
        return "models", "compare recent scores with outcomes; train a challenger on recent rows"
    if found.test == "missing":
        return "data", f"check the feeds behind {view}: values come or stay away that did not"
    if view == _MARKET:
        return "portfolio", "the market moved: stress the valuation, and retrain when outcomes under it are known"
    return "data", f"check unit and mapping of the feeds behind {view}; if the change is real, retrain"
