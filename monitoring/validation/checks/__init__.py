"""The checks, a module each. Each has ``run(evidence) -> Result`` and says in its docstring what it is for.

The docstring's parts (purpose, mechanism, signs of high risk, strengths, limitations) stand in the report;
thresholds are the module's named constants, and are reported with it.
"""

import inspect
import re
from dataclasses import dataclass
from types import ModuleType

from monitoring.validation.checks import (
    benchmark,
    calibration,
    calibration_by_part,
    concept,
    data_quality,
    discrimination,
    fairness,
    interval_coverage,
    leakage,
    reproducibility,
    robustness,
    sensitivity,
    stability,
    weak_spots,
)

CHECKS: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        data_quality, leakage, discrimination, calibration, calibration_by_part, interval_coverage, stability,
        sensitivity, weak_spots, robustness, fairness, benchmark, concept, reproducibility,
    )
}  # fmt: skip
"""In the report's order. A pack is complete when every one of them has answered."""
PARTS = ("Purpose", "Mechanism", "Signs of high risk", "Strengths", "Limitations")


@dataclass(frozen=True)
class About:
    """What a check says of itself: its title and question, the `PARTS`, its thresholds."""

    title: str
    question: str
    parts: dict[str, str]
    thresholds: dict[str, float]


def about(check: ModuleType) -> About:
    """Read a check's docstring and its named constants.

    Raises
    ------
    ValueError
        When a part is missing.
    """
    head, *rest = [" ".join(part.split()) for part in (inspect.getdoc(check) or "").split("\n\n")]
    title, _, question = head.partition(": ")
    parts = {name: text for part in rest for name, _, text in [part.partition(": ")]}
    if list(parts) != list(PARTS):
        raise ValueError(f"{check.__name__}: its docstring has {', '.join(parts)}; it needs {', '.join(PARTS)}")
    thresholds = {
        name: float(value)
        for name, value in vars(check).items()
        if re.fullmatch(r"[A-Z][A-Z_]+", name) and isinstance(value, int | float) and name != "SEED"
    }
    return About(title, question, parts, thresholds)
