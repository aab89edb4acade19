"""`recoup monitor`: from the lake and the models in force to alerts and reports."""

from datetime import datetime
from pathlib import Path

from features.errors import RecoupError
from features.home import Home
from features.progress import Progress
from features.store import FeatureDoor
from monitoring import money, performance, report, webhook, windows
from monitoring.alerts import ROWS, views
from monitoring.drift import Baseline, Comparison, Finding
from monitoring.ledger import opened
from monitoring.outcome import Outcome, Watched, WatchedChunk
from monitoring.thresholds import Thresholds
from monitoring.windows import Chunk
from monitoring.workspace import Accounts
from training import contact, recovery, registry
from training.registry import Registered

MODELS = (recovery.TASK.name, contact.TASK.name)
FEEDS = "feeds"
_SILENT = 0.75
"""Share of the expected rows (the fewest that any chunk of the reference had) whose absence is a feed gone silent."""


def monitor(home: Home, out: Path, *, since: datetime | None = None, until: datetime | None = None,
            progress: Progress = print) -> Outcome:  # fmt: skip
    """Judge each chunk of time since the models in force were trained: inputs, scores, data quality, rows.

    Parameters
    ----------
    home : Home
        Alerts are kept here from run to run.
    out : Path
        Folder for the reports.
    since : datetime, optional
        Chunks from this moment (UTC) on; each model's ``as_of`` when not given.
    until : datetime, optional
        Last moment; that of the latest fact in the lake when not given.
    progress : callable
        Told a line per step.

    Returns
    -------
    Outcome
        ``models[name].chunks`` in the order of time, each with its ``start``, ``end``, ``rows``, ``alerts``
        and ``comparison.findings``; ``alerts``, those that stand.

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
    models = {}
    for name, registered in in_force.items():
        models[name] = _watch(door, registered, thresholds, since, until)
        progress(models[name].line())
    feeds = _feeds(door, in_force, thresholds, until)
    with opened(home) as ledger:
        for name, registered in in_force.items():
            behind = views(registered.package.card.columns)
            for question, end, findings in models[name].observed():
                ledger.observe(name, question, end, findings, behind)
        for name, watched in feeds.items():
            for question, end, findings in watched.observed():
                ledger.observe(f"{FEEDS} {name}", question, end, findings)
        ledger.save()
        outcome = Outcome(models, feeds, ledger.standing, skipped, webhook.deliver(ledger))
    report.write(outcome, out)
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
           since: datetime | None, until: datetime) -> Watched:  # fmt: skip
    card = registered.package.card
    seen = windows.window(door, registered.package, since, until, thresholds.chunks[card.name])
    rules = thresholds.rules(card.name, card.columns)
    baseline = Baseline(
        seen.reference, rules, thresholds.false_alarms, thresholds.fewest, thresholds.fewest_within
    )  # fmt: skip
    chunks = [_judged(chunk, baseline.compare(chunk.frame)) for chunk in seen.chunks]
    accounts = Accounts(door.home, registered.label)
    for chunk, judged in zip(seen.chunks, chunks, strict=True):
        accounts.add(chunk.start, chunk.end, seen.reference, chunk.frame, rules, judged.comparison)
    if card.name == contact.TASK.name:
        measured, aged = performance.contacts(seen, thresholds.performance), []
    else:
        aged = money.vintages(door.lake, registered.package, seen, until, thresholds.money)
        measured = performance.recoveries(aged)
    return Watched(registered.label, card.as_of, seen.reference.height, chunks, measured, aged)


def _feeds(door: FeatureDoor, in_force: dict[str, Registered], thresholds: Thresholds,
           until: datetime) -> dict[str, Watched]:  # fmt: skip
    """Return, for each feed of the models' sources, whether rows came as they used to."""
    cards = {registered.package.card.source: registered.package.card for registered in in_force.values()}
    found: dict[str, Watched] = {}
    for source, card in cards.items():
        as_of = datetime.fromisoformat(card.as_of)
        for feed, chunk in windows.arrivals(door.lake, source, as_of, until, thresholds.chunks[FEEDS]):
            watched = found.setdefault(f"{source} {feed}", Watched(f"{source} {feed}", card.as_of, 0, []))
            watched.chunks.append(_judged(chunk, Comparison([])))
    return found


def _judged(chunk: Chunk, comparison: Comparison) -> WatchedChunk:
    """Return a chunk's comparison with one test more: did as many rows come as used to?"""
    rows = _rows(chunk)
    findings = [*([rows] if rows else []), *comparison.findings]
    compared = Comparison(findings, comparison.not_compared, comparison.untested)
    return WatchedChunk(chunk.start, chunk.end, chunk.rows, chunk.expected, compared)


def _rows(chunk: Chunk) -> Finding | None:
    """Return the share of the expected rows that did not come; nothing where none could be expected."""
    if not chunk.expected:
        return None
    short = max(1 - chunk.rows / chunk.expected, 0.0)
    return Finding(ROWS, ROWS, "shortfall", short, _SILENT, 0.0 if short >= _SILENT else 1.0, short >= _SILENT)
