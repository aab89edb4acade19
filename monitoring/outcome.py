"""What a monitoring run ends with."""

from dataclasses import dataclass
from datetime import datetime

from monitoring.alerts import Alert
from monitoring.drift import Finding


@dataclass(frozen=True)
class Watched:
    """One model's comparison.

    Attributes
    ----------
    version : str
        The model in force, such as ``recovery/3``.
    as_of : str
        Last day that it had learnt from.
    since, until : datetime
        The window of the current rows.
    rows, compared, reference : int
        Current rows in the window, those compared, and the reference rows.
    untested : str, optional
        Why nothing was tested.
    columns : list of Finding
        Every test; the largest value over its threshold first.
    not_compared : dict of str to str
        Columns whose values were not compared, and why.
    alerts : list of Alert
    """

    version: str
    as_of: str
    since: datetime
    until: datetime
    rows: int
    compared: int
    reference: int
    untested: str | None
    columns: list[Finding]
    not_compared: dict[str, str]
    alerts: list[Alert]

    def line(self) -> str:
        """Return what was compared and which columns moved."""
        window = f"{self.version}, {self.since:%Y-%m-%d} to {self.until:%Y-%m-%d}"
        if self.untested:
            return f"{window}: not tested, {self.untested}"
        named = ", ".join(dict.fromkeys(alert.column for alert in self.alerts)) or "nothing moved"
        return f"{window}: {self.compared:,} rows against {self.reference:,}: {named}"


@dataclass(frozen=True)
class Outcome:
    """What was found for each model, and which models were skipped and why."""

    models: dict[str, Watched]
    skipped: dict[str, str]

    def summary(self) -> str:
        """Return a line per model, then a line per alert with what to do."""
        lines = [watched.line() for watched in self.models.values()]
        lines += [f"{name}: skipped, {why}" for name, why in self.skipped.items()]
        lines += [
            f"{alert.level}: {alert.model} {alert.column} {alert.test} {alert.value:.2f} over {alert.threshold:g}"
            f"{f' in {alert.within}' if alert.within else ''}; {alert.action}"
            for alert in self.alerts
        ]
        return "\n".join(lines)

    @property
    def alerts(self) -> list[Alert]:
        """All alerts, the gravest first."""
        every = [alert for watched in self.models.values() for alert in watched.alerts]
        return sorted(every, key=lambda alert: -alert.value / alert.threshold)

    @property
    def alerted(self) -> bool:
        """Whether there is any."""
        return bool(self.alerts)
