"""Evidently, and all that we know of it: did a column move, did its missing values?"""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from features.marts.columns import MISSING
from monitoring.thresholds import Rule, Within

if TYPE_CHECKING:
    from evidently import Dataset
    from evidently.core.report import Snapshot

_NUMBER = "number"


@dataclass(frozen=True)
class Finding:
    """One test of one column.

    Attributes
    ----------
    column : str
    test : str
        ``drift`` (the known values), ``drift within`` (those of one value of a category; the value
        in which they moved most stands for all) or ``missing`` (their absence).
    method : str
        How ``value`` was measured.
    value, threshold : float
        The distance between current and reference rows, and where an alert begins.
    alert : bool
        Evidently's verdict.
    within : str, optional
        The value of the category, such as a region.
    """

    column: str
    test: str
    method: str
    value: float
    threshold: float
    alert: bool
    within: str | None = None

    @property
    def ratio(self) -> float:
        """How many times its threshold the value is."""
        return self.value / self.threshold


@dataclass(frozen=True)
class Comparison:
    """What a comparison found, what it left out and why, and Evidently's own account of it."""

    findings: list[Finding]
    not_compared: dict[str, str]
    snapshot: "Snapshot"

    def save(self, html: Path, json: Path) -> None:
        """Write Evidently's report."""
        self.snapshot.save_html(str(html))
        self.snapshot.save_json(str(json))


def compare(reference: pl.DataFrame, current: pl.DataFrame, rules: list[Rule], *,
            fewest: int, fewest_within: int) -> Comparison:  # fmt: skip
    """Compare current rows with reference rows, column by column.

    Parameters
    ----------
    reference, current : polars.DataFrame
        The columns of ``rules``.
    rules : list of Rule
    fewest, fewest_within : int
        Known values that both sides need before their distributions are compared, as a whole and
        within one value of a category; missing values are compared all the same.
    """
    sides = [_unknown_as_null(side, rules) for side in (reference, current)]
    not_compared = {rule.column: why for rule in rules if (why := _reason(rule, sides, fewest))}
    watched = [rule for rule in rules if rule.skip is None]
    moved = [rule for rule in rules if rule.column not in not_compared]
    parts = [part for rule in moved for part in _parts(rule, sides, fewest_within)]
    with _without_its_noise():
        snapshot = _run([_with_parts(side, parts) for side in sides], moved, watched, parts)
    account = snapshot.dict()
    findings = _drifts(account, moved) + _worst(account, parts) + _missing(account, watched, sides[0])
    return Comparison(findings, not_compared, snapshot)


def _unknown_as_null(side: pl.DataFrame, rules: list[Rule]) -> pl.DataFrame:
    """Let an unknown category be as missing as an unknown number."""
    return side.select(
        pl.col(rule.column).replace(MISSING, None) if rule.kind == "category" else pl.col(rule.column) for rule in rules
    )


def _reason(rule: Rule, sides: list[pl.DataFrame], fewest: int) -> str | None:
    """Return why a column's distributions are not compared."""
    if rule.skip is not None:
        return rule.skip
    known = min(side[rule.column].count() for side in sides)
    return None if known >= fewest else f"{known} known values on one side, {fewest} needed"


@dataclass(frozen=True)
class _Part:
    """A rule's column within one value of a category, as a column of its own."""

    rule: Rule
    within: Within
    value: str

    @property
    def name(self) -> str:
        return f"{self.rule.column} in {self.value}"


def _parts(rule: Rule, sides: list[pl.DataFrame], fewest: int) -> list[_Part]:
    """Return the parts of a column that have enough known values on both sides."""
    if rule.within is None or rule.within.by not in sides[0].columns:
        return []
    by = rule.within.by
    counts = [side.drop_nulls([rule.column, by]).group_by(by).len() for side in sides]
    enough = [set(count.filter(pl.col("len") >= fewest)[by]) for count in counts]
    return [_Part(rule, rule.within, value) for value in sorted(set.intersection(*enough))]


def _with_parts(side: pl.DataFrame, parts: list[_Part]) -> pl.DataFrame:
    return side.with_columns(
        pl.when(pl.col(part.within.by) == part.value).then(part.rule.column).alias(part.name) for part in parts
    )


@contextmanager
def _without_its_noise() -> Iterator[None]:
    """Hide what Evidently says of itself: old names that it imports, and 0/0 on an empty column."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings(
            "ignore",
            "invalid value encountered in scalar divide",
            RuntimeWarning,
            r"evidently\.core\.datasets",
        )
        yield


def _run(sides: list[pl.DataFrame], moved: list[Rule], watched: list[Rule],
         parts: list[_Part]) -> "Snapshot":  # fmt: skip
    from evidently import Report
    from evidently.metrics import MissingValueCount, ValueDrift
    from evidently.tests import Reference, eq

    tests = [ValueDrift(column=rule.column, method=rule.method, threshold=rule.threshold) for rule in moved]
    tests += [ValueDrift(column=part.name, method=part.rule.method, threshold=part.within.threshold) for part in parts]
    missing = [
        MissingValueCount(column=rule.column, share_tests=[eq(Reference(absolute=rule.missing))]) for rule in watched
    ]
    reference, current = (_dataset(side, watched, parts) for side in sides)
    return Report([*tests, *missing], include_tests=True).run(current, reference)


def _dataset(side: pl.DataFrame, watched: list[Rule], parts: list[_Part]) -> "Dataset":
    from evidently import DataDefinition, Dataset

    kinds = {rule.column: rule.kind for rule in watched} | {part.name: part.rule.kind for part in parts}
    numbers = [name for name, kind in kinds.items() if kind == _NUMBER]
    others = [name for name, kind in kinds.items() if kind != _NUMBER]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=others)
    return Dataset.from_pandas(side.select(numbers + others).to_pandas(), data_definition=definition)


def _measured(account: dict[str, Any], metric: str) -> dict[str, tuple[Any, bool]]:
    """Read out of Evidently's account, for each column, a metric's value and whether its test failed."""
    failed = {test["metric_config"]["metric_id"] for test in account["tests"] if test["status"].value == "FAIL"}
    return {
        found["config"]["column"]: (found["value"], found["id"] in failed)
        for found in account["metrics"]
        if found["config"]["type"].endswith(metric)
    }


def _drifts(account: dict[str, Any], rules: list[Rule]) -> list[Finding]:
    measured = _measured(account, "ValueDrift")
    return [
        Finding(rule.column, "drift", rule.method, _finite(rule.column, value), rule.threshold, alert)
        for rule in rules
        for value, alert in [measured[rule.column]]
    ]


def _worst(account: dict[str, Any], parts: list[_Part]) -> list[Finding]:
    """Return, for each column that has parts, the one that moved most."""
    measured = _measured(account, "ValueDrift")
    worst: dict[str, Finding] = {}
    for part in parts:
        value, alert = measured[part.name]
        found = Finding(
            part.rule.column, "drift within", part.rule.method, _finite(part.name, value),
            part.within.threshold, alert, part.value,
        )  # fmt: skip
        worst[found.column] = max(found, worst.get(found.column, found), key=lambda one: one.value)
    return list(worst.values())


def _missing(account: dict[str, Any], rules: list[Rule], reference: pl.DataFrame) -> list[Finding]:
    measured = _measured(account, "MissingValueCount")
    findings = []
    for rule in rules:
        value, alert = measured[rule.column]
        before = reference[rule.column].null_count() / reference.height
        change = abs(float(value["share"]) - before)
        findings.append(Finding(rule.column, "missing", "change of share", change, rule.missing, alert))
    return findings


def _finite(column: str, value: Any) -> float:
    if not math.isfinite(value):
        raise ArithmeticError(f"Evidently measured a drift of {value} in {column}")
    return float(value)
