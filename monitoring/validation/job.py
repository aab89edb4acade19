"""`recoup validate`: from a registered version to its model-risk pack, kept with the version."""

import json
import math
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from features.files import replace
from features.home import Home
from features.progress import Progress
from monitoring.validation.account import account
from monitoring.validation.checks import CHECKS, about
from monitoring.validation.evidence import Evidence, gather
from monitoring.validation.expectations import met
from monitoring.validation.page import render
from monitoring.validation.result import Result, Verdict, worst
from training import approval, registry
from training.registry import CHAMPION


@dataclass(frozen=True)
class Pack:
    """A version's pack.

    Attributes
    ----------
    content : dict
        What ``pack.json`` holds: version and fingerprint, verdict, a verdict and figures by check,
        limitations, expectations.
    html, json : Path
        The files; they are also artifacts of the version's MLflow run.
    """

    content: dict[str, Any]
    html: Path
    json: Path

    def summary(self) -> str:
        """Return a line per check."""
        lines = [
            f"{check['verdict']:<15} {check['title']}: {check['says']}" for check in self.content["checks"].values()
        ]
        return "\n".join([*lines, f"{self.content['version']}: {self.content['verdict']}"])


def validate(home: Home, name: str, version: str = CHAMPION, *, truth: Path | None = None,
             progress: Progress = print) -> Pack:  # fmt: skip
    """Run every check on a version, write its pack, and keep it with the version.

    Parameters
    ----------
    home : Home
    name : str
        ``recovery`` or ``contact``.
    version : str
        A version number or an alias.
    truth : Path, optional
        The truth folder of the simulated world that the lake's feeds are of.
    progress : callable
        Told a line per step.

    Raises
    ------
    RecoupError
        When there is no such version, or its rows cannot be had again.
    """
    return examine(home, gather(home, registry.load(home, name, version), truth, progress), progress)


def examine(home: Home, evidence: Evidence, progress: Progress) -> Pack:
    """Run every check on evidence that is at hand, write the pack, and keep it with the version.

    Parameters
    ----------
    home : Home
    evidence : Evidence
    progress : callable
        Told a line per step.
    """
    results: dict[str, Result] = {}
    for check, module in CHECKS.items():
        progress(f"check {len(results) + 1} of {len(CHECKS)}: {check.replace('_', ' ')}")
        results[check] = module.run(evidence)
    content = _content(evidence, results)
    progress("what moves the scores; the page")
    page = render(content, results, account(evidence))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / approval.PACK).write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")
        (folder / "pack.html").write_text(page, encoding="utf-8")
        registry.keep_pack(home, evidence.version, folder)
        out = home.reports / "validation" / evidence.version.label.replace("/", "-")
        for file in folder.iterdir():
            replace(out / file.name, file.read_bytes())
    return Pack(content, out / "pack.html", out / approval.PACK)


def _content(evidence: Evidence, results: dict[str, Result]) -> dict[str, Any]:
    package = evidence.package
    failed = {name: found for name, found in results.items() if found.verdict in (Verdict.AMBER, Verdict.RED)}
    return {
        "version": evidence.version.label,
        "fingerprint": package.fingerprint,
        "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "verdict": worst(*(found.verdict for found in results.values())).value,
        "complete": set(results) == set(CHECKS),
        "model": {
            "source": package.card.source, "as_of": package.card.as_of, "rows": package.card.rows,
            "lake": package.card.lake, "code": package.card.code, "service": package.card.service,
            "design": package.card.parameters.get("design"), "inputs": len(package.names),
        },
        "test": {
            "rows": int(evidence.mask.sum()), "debtors": len(set(evidence.cluster)),
            "from": str(evidence.rows["moment"].min()), "to": str(evidence.rows["moment"].max()),
            "truth": evidence.truth is not None,
        },
        "checks": {name: _told(name, found) for name, found in results.items()},
        "limitations": [
            {"check": name, "title": about(CHECKS[name]).title, "verdict": found.verdict.value, "found": found.says,
             "limits": found.limits}
            for name, found in failed.items()
        ],
        "expectations": met(results),
    }  # fmt: skip


def _told(name: str, result: Result) -> dict[str, Any]:
    said = about(CHECKS[name])
    figures = {figure: _plain(value) for figure, value in result.figures.items()}
    tables = [asdict(table) | {"rows": [[_plain(value) for value in row] for row in table.rows]}
              for table in result.tables]  # fmt: skip
    return {
        "title": said.title, "question": said.question, "verdict": result.verdict.value, "says": result.says,
        "figures": figures, "thresholds": said.thresholds, "about": said.parts,
        "tables": tables, "plots": [plot.says for plot in result.plots],
    }  # fmt: skip


def _plain(value: Any) -> str | float | None:
    """Return a figure as JSON has it: what is no number is none."""
    if value is None or isinstance(value, str):
        return value
    number = int(value) if isinstance(value, int | np.integer) else float(value)
    return number if math.isfinite(number) else None
