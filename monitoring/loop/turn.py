"""One turn of the loop: watch, judge the challenger on trial, train another where an alert or the calendar asks."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from features.home import Home
from features.lake import Lake
from features.progress import Progress
from monitoring.alerts import Alert
from monitoring.job import monitor
from monitoring.loop.gate import decide
from monitoring.loop.retraining import retrain
from monitoring.loop.trial import Trial, Trials, lapsed
from monitoring.outcome import Outcome
from monitoring.windows import latest
from training import registry
from training.approval import Approver

SCHEDULE = "the quarterly schedule"
EVERY = 3
"""Months between trainings that nothing but the calendar asks for."""
_BY_TRAINING = ("models", "portfolio")
"""Owners of alerts that training may answer; what data has to mend must not be learnt."""


@dataclass(frozen=True)
class Turned:
    """What a turn did.

    Attributes
    ----------
    watched : Outcome
    decided : Trial, optional
        The challenger that was on trial, as it is on record now.
    retrained : Trial, optional
        The one that goes on trial.
    """

    watched: Outcome
    decided: Trial | None
    retrained: Trial | None

    def summary(self) -> str:
        """Return a line per trial."""
        told = [trial.line() for trial in (self.decided, self.retrained) if trial]
        return "\n".join(told) or "nothing to decide, nothing asks for training"


def turn(home: Home, name: str, out: Path, until: datetime | None = None, *, because: str = "",
         approver: Approver | None = None, trials: int = 0, seed: int = 7, progress: Progress = print,
         ) -> Turned:  # fmt: skip
    """Watch, judge and train; the same turn again changes nothing.

    Parameters
    ----------
    home : Home
    name : str
        ``recovery`` or ``contact``.
    out : Path
        Folder for the monitor's report.
    until : datetime, optional
        The moment of the turn (UTC): what was known by then counts; that of the latest fact when not given.
    because : str
        A person's reason to train now, whatever alerts and calendar say.
    approver : Approver, optional
        Who signs when a challenger has earned the alias and its pack is not green.
    trials, seed : int
        See `monitoring.loop.retraining.retrain`.
    progress : callable
        Told a line per step.
    """
    until = until or latest(Lake(home))
    watched = monitor(home, out, until=until, progress=lambda line: None)
    decided = decide(home, name, until, approver)
    if decided:
        progress(decided.line())
    asked = _asked(home, name, watched.alerts, until)
    reason, alerts = (because, []) if because else asked
    retrained = None
    if reason:
        progress(f"{name}: a challenger is wanted: {reason}")
        retrained = retrain(
            home, name, reason, as_of=until, alerts=alerts, trials=trials, seed=seed, progress=progress
        )  # fmt: skip
    return Turned(watched, decided, retrained)


def _asked(home: Home, name: str, alerts: list[Alert], until: datetime) -> tuple[str, list[str]]:
    """Return why a challenger is wanted, and the alerts that it would answer; nothing when none is.

    An alert is answered once. It waits while a challenger that an alert asked for is on trial; one that the calendar
    asked for gives way.
    """
    past = Trials(home, name).all()
    answered = {known for trial in past for known in trial.alerts}
    running = next((trial for trial in past if trial.open), None)
    own = [alert for alert in alerts if alert.model == name and alert.state == "open"]
    if any(alert.owner not in _BY_TRAINING and alert.level == "critical" for alert in own):
        return "", []
    new = [alert for alert in own if alert.owner in _BY_TRAINING and alert.id not in answered]
    if new and not (running and running.alerts):
        named = dict.fromkeys(f"{alert.column} {alert.test}" for alert in new)
        return f"alert: {', '.join(named)}", [alert.id for alert in new]
    card = registry.load(home, name).package.card
    last = max([card.as_of, *(trial.as_of for trial in past)])
    due = not running and lapsed(datetime.fromisoformat(last), EVERY, until)
    return (SCHEDULE if due else "", [])
