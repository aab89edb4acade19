"""What a finding means to the person who has to act on it."""

from dataclasses import dataclass
from typing import Any

from monitoring.drift import Finding
from monitoring.thresholds import SCORE

CRITICAL = 2.0
"""Times its threshold at which a finding is critical, and no longer a warning."""

_MARKET = "public"


@dataclass(frozen=True)
class Alert:
    """Something moved, and what to do about it.

    Attributes
    ----------
    model, column, test, method : str
    value, threshold : float
    level : str
        ``critical`` or ``warning``.
    action : str
        What we propose.
    within : str, optional
        Part of the rows in which it moved most, such as a region.
    """

    model: str
    column: str
    test: str
    method: str
    value: float
    threshold: float
    level: str
    action: str
    within: str | None


def raised(model: str, findings: list[Finding], columns: list[dict[str, Any]]) -> list[Alert]:
    """Return the alerts among a model's findings, the gravest first.

    Parameters
    ----------
    model : str
    findings : list of Finding
    columns : list of dict
        The model's inputs, with the feature view that each comes from.
    """
    views = {column["name"]: column["view"] for column in columns}
    moved = sorted((found for found in findings if found.alert), key=lambda found: -found.ratio)
    return [
        Alert(
            model=model,
            column=found.column,
            test=found.test,
            method=found.method,
            value=found.value,
            threshold=found.threshold,
            level="critical" if found.ratio >= CRITICAL else "warning",
            action=_action(found, views.get(found.column)),
            within=found.within,
        )
        for found in moved
    ]


def _action(found: Finding, view: str | None) -> str:
    if found.column == SCORE:
        return "compare recent scores with outcomes; train a challenger on recent rows"
    if found.test == "missing":
        return f"check the feeds behind {view}: values come or stay away that did not"
    if view == _MARKET:
        return "the market moved: stress the valuation, and retrain when outcomes under it are known"
    return f"check unit and mapping of the feeds behind {view}; if the change is real, retrain"
