"""What a monitoring run ends with."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from monitoring.alerts import MONEY, PERFORMANCE, Alert
from monitoring.drift import Comparison, Finding
from monitoring.money import Vintage
from monitoring.performance import Measured


@dataclass(frozen=True)
class WatchedChunk:
    """One chunk of time.

    Attributes
    ----------
    start, end : datetime
        Rows lie at or after the one and before the other (UTC).
    rows, expected : int
        How many came, and the fewest that any such chunk of the reference had.
    comparison : Comparison
    """

    start: datetime
    end: datetime
    rows: int
    expected: int
    comparison: Comparison

    @property
    def alerts(self) -> list[Finding]:
        """What moved, the farthest first."""
        return self.comparison.alerts


@dataclass(frozen=True)
class Watched:
    """One model, or the feeds, chunk by chunk.

    Attributes
    ----------
    version : str
        The model in force, such as ``recovery/3``.
    as_of : str
        Last day that it had learnt from.
    reference : int
        Reference rows.
    chunks : list of WatchedChunk
        In the order of time.
    performance : list of Measured
        Estimated and realised, chunk by chunk.
    vintages : list of Vintage
        Expected and received cash (recovery).
    """

    version: str
    as_of: str
    reference: int
    chunks: list[WatchedChunk]
    performance: list[Measured] = field(default_factory=list)
    vintages: list[Vintage] = field(default_factory=list)

    def observed(self) -> Iterator[tuple[str, datetime, list[Finding]]]:
        """Yield what was asked (``drift``, ``performance`` or ``money``), the chunk's end, and the answers."""
        for chunk in self.chunks:
            yield "drift", chunk.end, chunk.comparison.findings
        for measured in self.performance:
            if measured.finding:
                yield PERFORMANCE, measured.end, [measured.finding]
        for vintage in self.vintages:
            if vintage.finding:
                yield MONEY, vintage.end, [vintage.finding]

    def line(self) -> str:
        """Return what was compared and which columns moved."""
        tested = [chunk for chunk in self.chunks if not chunk.comparison.untested]
        rows = sum(chunk.rows for chunk in tested)
        moved = dict.fromkeys(found.column for chunk in self.chunks for found in chunk.alerts)
        return (
            f"{self.version}: {len(tested)} of {len(self.chunks)} chunks tested, {rows:,} rows against "
            f"{self.reference:,}: {', '.join(moved) or 'nothing moved'}"
        )


@dataclass(frozen=True)
class Outcome:
    """What was found for each model, the alerts that stand, and which models were skipped and why.

    Attributes
    ----------
    models : dict of str to Watched
    feeds : dict of str to Watched
        How many rows came in, feed by feed.
    alerts : list of Alert
        Those that are not closed, the gravest first.
    skipped : dict of str to str
    undelivered : str, optional
        Why news of alerts did not reach the webhook.
    """

    models: dict[str, Watched]
    feeds: dict[str, Watched] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    undelivered: str | None = None

    def summary(self) -> str:
        """Return a line per model, then a line per alert with what to do."""
        lines = [watched.line() for watched in self.models.values()]
        lines += [f"{name}: skipped, {why}" for name, why in self.skipped.items()]
        lines += [alert.line() for alert in self.alerts]
        return "\n".join(lines + ([self.undelivered] if self.undelivered else []))

    @property
    def alerted(self) -> bool:
        """Whether an alert is open that nobody has acknowledged."""
        return any(alert.state == "open" for alert in self.alerts)
