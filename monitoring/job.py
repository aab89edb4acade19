"""`recoup monitor`: from the lake and the models in force to alerts and reports."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from features.errors import RecoupError
from features.home import Home
from features.store import FeatureDoor
from monitoring import alerts, report, windows
from monitoring.drift import Comparison, compare
from monitoring.outcome import Outcome, Watched
from monitoring.thresholds import Thresholds
from training import contact, recovery, registry
from training.registry import Registered

MODELS = (recovery.TASK.name, contact.TASK.name)


def monitor(home: Home, out: Path, *, since: datetime | None = None, until: datetime | None = None,
            progress: Callable[[str], object] = print) -> Outcome:  # fmt: skip
    """Compare recent inputs and scores of each model in force with those it was trained on.

    Parameters
    ----------
    home : Home
    out : Path
        Folder for ``<model>.html`` and ``<model>.json`` (Evidently's), ``monitor.json`` (ours) and
        ``monitor.png``.
    since : datetime, optional
        Rows after this moment (UTC) are current; each model's ``as_of`` when not given.
    until : datetime, optional
        Last moment; that of the latest fact in the lake when not given.
    progress : callable
        Told a line per step.

    Returns
    -------
    Outcome

    Raises
    ------
    RecoupError
        When no model was trained yet, or the lake or the thresholds cannot be used.
    """
    thresholds = Thresholds.load()
    in_force, skipped = _in_force(home)
    for reason in skipped.values():
        progress(f"skipped: {reason}")
    door = FeatureDoor(home)
    until = until or windows.latest(door.lake)
    progress("marts and features")
    door.refresh()
    models, comparisons = {}, {}
    for name, registered in in_force.items():
        models[name], comparison = _watch(door, registered, thresholds, since, until)
        if comparison is not None:
            comparisons[name] = comparison
        progress(models[name].line())
    outcome = Outcome(models, skipped)
    report.write(outcome, comparisons, out)
    return outcome


def _in_force(home: Home) -> tuple[dict[str, Registered], dict[str, str]]:
    """Return the champions, and why there is none where there is none."""
    found, absent = {}, {}
    for name in MODELS:
        try:
            found[name] = registry.load(home, name)
        except registry.NotTrained as error:
            absent[name] = str(error)
    if not found:
        raise RecoupError("nothing to monitor: " + "; ".join(absent.values()))
    return found, absent


def _watch(door: FeatureDoor, registered: Registered, thresholds: Thresholds,
           since: datetime | None, until: datetime) -> tuple[Watched, Comparison | None]:  # fmt: skip
    card = registered.package.card
    seen = windows.window(
        door, registered.package, since or datetime.fromisoformat(card.as_of), until,
        most=thresholds.most, seed=thresholds.seed,
    )  # fmt: skip
    fewest, comparison = thresholds.fewest, None
    if seen.current.height >= fewest:
        comparison = compare(
            seen.reference, seen.current, thresholds.rules(card.name, card.columns),
            fewest=fewest, fewest_within=thresholds.fewest_within,
        )  # fmt: skip
    findings = comparison.findings if comparison else []
    return Watched(
        version=registered.label,
        as_of=card.as_of,
        since=seen.since,
        until=seen.until,
        rows=seen.rows,
        compared=seen.current.height,
        reference=seen.reference.height,
        untested=None if comparison else f"too few current rows: {seen.rows}, {fewest} needed",
        columns=sorted(findings, key=lambda found: -found.ratio),
        not_compared=comparison.not_compared if comparison else {},
        alerts=alerts.raised(card.name, findings, card.columns),
    ), comparison
