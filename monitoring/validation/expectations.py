"""Regulatory expectations, and the checks that meet them."""

from pathlib import Path

import yaml
from pydantic import BaseModel

from monitoring.validation.checks import CHECKS
from monitoring.validation.result import Result, worst

_FILE = Path(__file__).with_name("expectations.yaml")


class Expectation(BaseModel, extra="forbid"):
    """One clause; see ``expectations.yaml``."""

    clause: str
    source: str
    expects: str
    checks: list[str]
    also: str


def expectations() -> list[Expectation]:
    """Read the expectations.

    Raises
    ------
    ValueError
        When one names a check that there is not.
    """
    found = [Expectation.model_validate(one) for one in yaml.safe_load(_FILE.read_text(encoding="utf-8"))]
    unknown = {name for one in found for name in one.checks} - set(CHECKS)
    if unknown:
        raise ValueError(f"{_FILE.name} names checks that there are not: {', '.join(sorted(unknown))}")
    return found


def met(results: dict[str, Result]) -> list[dict[str, str | list[str]]]:
    """Return each expectation with the gravest verdict among its checks."""
    return [
        one.model_dump() | {"verdict": worst(*(results[name].verdict for name in one.checks)).value}
        for one in expectations()
    ]
