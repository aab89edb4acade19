"""Evidently, and all that we know of it: its own account of each chunk, kept in a workspace that its UI opens.

Its verdicts are ours: each column's threshold is the one that the null of the chunk gave.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from features.home import Home
from features.marts.columns import MISSING
from monitoring.distances import binned, deciles
from monitoring.drift import Comparison
from monitoring.thresholds import Rule

if TYPE_CHECKING:
    from evidently import Dataset
    from evidently.core.report import Snapshot
    from evidently.ui.workspace import Project, Workspace

_MOST_ROWS, _MOST_COLUMNS = 5_000, 5
"""Reference rows, and columns of a chunk, that Evidently is given: it draws each anew."""


def folder(home: Home) -> Path:
    """Return where the workspace of a home is."""
    return home.monitoring / "evidently"


class Accounts:
    """Evidently's accounts of one model's chunks: a project of the home's workspace.

    Parameters
    ----------
    home : Home
    label : str
        The model in force, such as ``contact/2``: a project each.
    """

    def __init__(self, home: Home, label: str) -> None:
        with _without_its_noise():
            from evidently.ui.workspace import Workspace

            workspace = Workspace.create(str(folder(home)))
            found = workspace.search_project(label)
            self._project: Project = found[0] if found else _project(workspace, label)
        self._workspace = workspace
        runs = (workspace.get_run(self._project.id, run) for run in workspace.list_runs(self._project.id))
        self._known = {run.name for run in runs if run}

    def add(self, start: datetime, end: datetime, reference: pl.DataFrame, chunk: pl.DataFrame,
            rules: list[Rule], comparison: Comparison) -> None:  # fmt: skip
        """Have Evidently measure a chunk, and keep what it says; one that is kept already stays.

        Parameters
        ----------
        start, end : datetime
            The chunk (UTC).
        reference, chunk : polars.DataFrame
            The columns of ``rules``.
        rules : list of Rule
        comparison : Comparison
            What we found, with the thresholds.
        """
        name = f"{start:%Y-%m-%d}"
        if name in self._known or comparison.untested:
            return
        with _without_its_noise():
            some = reference.sample(min(_MOST_ROWS, reference.height), seed=7)
            account = measure(some, chunk, rules, comparison, end)
            self._workspace.add_run(self._project.id, account, name=name)
        self._known.add(name)


def measure(reference: pl.DataFrame, chunk: pl.DataFrame, rules: list[Rule], comparison: Comparison,
            moment: datetime) -> "Snapshot":  # fmt: skip
    """Return Evidently's account of a chunk: drift and missing values of the columns that strayed farthest.

    Parameters
    ----------
    reference, chunk : polars.DataFrame
    rules : list of Rule
    comparison : Comparison
        Whose thresholds are Evidently's.
    moment : datetime
        Of the account (UTC).
    """
    from evidently import Report
    from evidently.metrics import MissingValueCount, ValueDrift
    from evidently.tests import Reference, eq

    found = {(finding.column, finding.test): finding for finding in comparison.findings}
    shown = _farthest(comparison)
    known = [rule for rule in rules if rule.column in shown]
    asked = []
    for rule in known:
        if drift := found.get((rule.column, "drift")):
            asked.append(ValueDrift(column=rule.column, method=rule.method, threshold=drift.threshold))
        if missing := found.get((rule.column, "missing")):
            absent = eq(Reference(absolute=missing.threshold))
            asked.append(MissingValueCount(column=rule.column, share_tests=[absent]))
    cuts = {
        rule.column: deciles(reference[rule.column])
        for rule in known
        if rule.kind == "number" and rule.method != "wasserstein"
    }
    ours, theirs = (_dataset(side, known, cuts) for side in (reference, chunk))
    return Report(asked, include_tests=True).run(theirs, ours, timestamp=moment)


def _farthest(comparison: Comparison) -> list[str]:
    """Return the columns that strayed farthest, those with an alert before others."""
    ordered = sorted(comparison.findings, key=lambda found: -found.ratio)
    return list(dict.fromkeys(found.column for found in ordered))[:_MOST_COLUMNS]


def _project(workspace: "Workspace", label: str) -> "Project":
    """Return a new project for a model."""
    project = workspace.create_project(label)
    project.description = "Chunk by chunk against what the model learnt from"
    project.save()
    return project


@contextmanager
def _without_its_noise() -> Iterator[None]:
    """Hide what Evidently says of itself: old names that it imports, and 0/0 on an empty column."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings(
            "ignore", "invalid value encountered in scalar divide", RuntimeWarning, r"evidently\.core\.datasets"
        )
        yield


def _dataset(side: pl.DataFrame, rules: list[Rule], cuts: dict[str, list[float]]) -> "Dataset":
    from evidently import DataDefinition, Dataset

    numbers = [rule.column for rule in rules if rule.kind == "number" and rule.column not in cuts]
    others = [rule.column for rule in rules if rule.column not in numbers]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=others)
    known = side.select(numbers + others).with_columns(binned(side[name], cuts[name]) for name in cuts)
    known = known.with_columns(pl.col(pl.String).replace(MISSING, None))
    return Dataset.from_pandas(known.to_pandas(), data_definition=definition)
