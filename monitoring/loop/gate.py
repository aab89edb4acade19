"""The gate of the loop: whether a challenger has shown enough to take the alias, and the alias moved, or not.

The evidence is prospective: rows that came since both versions were trained. Beyond it stands the gate that every
version meets (docs/adr/0016): a green model-risk pack, or somebody who signs.
"""

from dataclasses import replace
from datetime import datetime

from features.home import Home
from features.store import FeatureDoor
from monitoring.loop import shadow
from monitoring.loop.comparison import Comparison, compare
from monitoring.loop.trial import IN_FORCE, ON_TRIAL, REFUSED, Trial, Trials, lapsed
from serving.versions.lineup import CHALLENGER_ALIAS
from training import registry
from training.approval import Approver, NotApproved

FEWEST = 100
"""Rows that say anything."""
PATIENCE = 3
"""Months after which a challenger that is not better is given up."""


def verdict(comparison: Comparison, last: bool) -> tuple[str, str]:
    """Return the state that a comparison leads to, and the reason in words.

    Parameters
    ----------
    comparison : Comparison
    last : bool
        Whether the trial has lasted as long as it may.

    Examples
    --------
    >>> from monitoring.loop.comparison import Measure
    >>> loss = Measure("log loss", 0.50, 0.40, -0.12, -0.08, error=True)
    >>> state, reason = verdict(Comparison("", "", 500, 400, [loss]), last=False)
    >>> state, reason.split(":")[0]
    ('in force', 'better by more than chance on 500 rows')
    >>> verdict(Comparison("", "", 5, 5, [loss]), last=False)
    ('on trial', 'only 5 rows have come since, 100 are needed')
    """
    state, reason = _by_rows(comparison)
    return (REFUSED, f"after {PATIENCE} months {reason}") if last and state == ON_TRIAL else (state, reason)


def _by_rows(comparison: Comparison) -> tuple[str, str]:
    if comparison.rows < FEWEST:
        return ON_TRIAL, f"only {comparison.rows} rows have come since, {FEWEST} are needed"
    first, *others = comparison.measures
    told = "; ".join(measure.line() for measure in comparison.measures)
    worse = [measure.name for measure in others if measure.worse]
    if first.worse:
        return REFUSED, f"worse by more than chance on {comparison.rows:,} rows: {told}"
    if not first.better:
        return ON_TRIAL, f"not better by more than chance on {comparison.rows:,} rows: {told}"
    if worse:
        return ON_TRIAL, f"better in {first.name}, but worse in {' and '.join(worse)}: {told}"
    return IN_FORCE, f"better by more than chance on {comparison.rows:,} rows: {told}"


def decide(home: Home, name: str, until: datetime, approver: Approver | None = None) -> Trial | None:
    """Judge the challenger on trial by what came in since, and move the alias where it has earned it.

    Parameters
    ----------
    home : Home
    name : str
        ``recovery`` or ``contact``.
    until : datetime
        What was known by then counts (UTC).
    approver : Approver, optional
        Who signs when the pack is not green.

    Returns
    -------
    Trial or None
        As it is on record now; none when none was open.
    """
    kept = Trials(home, name)
    trial = next((trial for trial in kept.all() if trial.state == ON_TRIAL), None)
    if trial is None:
        return None
    if registry.load(home, name).version == trial.version:  # killed after the alias had moved
        return _close(home, kept, replace(trial, state=IN_FORCE))
    if until <= datetime.fromisoformat(trial.decided_at or trial.as_of):
        return trial
    state, trial = _judged(home, kept, trial, until)
    if state == IN_FORCE:
        try:
            registry.promote(home, name, trial.version, approver=approver)
        except NotApproved as refused:
            return kept.keep(trial, decided_at=until.isoformat(), reason=f"{trial.reason}; but {refused}")
    trial = replace(trial, state=state, decided_at=until.isoformat())
    return kept.keep(trial) if trial.open else _close(home, kept, trial)


def _judged(home: Home, kept: Trials, trial: Trial, until: datetime) -> tuple[str, Trial]:
    """Compare, and put evidence and reason on record before anything is done about them."""
    champion, challenger = registry.load(home, trial.model), registry.load(home, trial.model, trial.version)
    door = FeatureDoor(home)
    door.refresh()
    found = compare(door, champion.package, challenger.package, until)
    state, reason = verdict(found, lapsed(datetime.fromisoformat(trial.as_of), PATIENCE, until))
    seen = shadow.seen(home, champion, challenger)
    evidence = [*trial.evidence, found.to_json() | {"champion": champion.label, "service": seen}]
    return state, kept.keep(trial, evidence=evidence, reason=reason)


def _close(home: Home, kept: Trials, trial: Trial) -> Trial:
    """Note the decision with the version, let go of the challenger's alias, and end the trial."""
    version = registry.load(home, trial.model, trial.version)
    registry.note(home, version, {"loop.decision": trial.state, "loop.reason": trial.reason})
    registry.release(home, trial.model, CHALLENGER_ALIAS)
    return kept.keep(trial)
