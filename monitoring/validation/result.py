"""What a check says: one verdict, one sentence, and the figures, tables and plots behind them."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from markupsafe import Markup


class Verdict(StrEnum):
    """A traffic light, or that the check has nothing to look at."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    NOT_APPLICABLE = "not applicable"


_GRAVITY = (Verdict.NOT_APPLICABLE, Verdict.GREEN, Verdict.AMBER, Verdict.RED)


def worst(*verdicts: Verdict) -> Verdict:
    """Return the gravest of some verdicts.

    Examples
    --------
    >>> worst(Verdict.GREEN, Verdict.AMBER, Verdict.NOT_APPLICABLE).value
    'amber'
    """
    return max(verdicts, key=_GRAVITY.index, default=Verdict.NOT_APPLICABLE)


def above(value: float, amber: float, red: float) -> Verdict:
    """Judge a figure that is the better the higher: below ``amber`` is amber, below ``red`` red.

    Examples
    --------
    >>> above(0.3, amber=0.2, red=0.1).value, above(0.1, amber=0.2, red=0.1).value
    ('green', 'amber')
    """
    return Verdict.GREEN if value >= amber else Verdict.AMBER if value >= red else Verdict.RED


def below(value: float, amber: float, red: float) -> Verdict:
    """Judge a figure that is the better the lower: above ``amber`` is amber, above ``red`` red.

    Examples
    --------
    >>> below(0.3, amber=0.2, red=0.5).value
    'amber'
    """
    return above(-value, -amber, -red)


@dataclass(frozen=True)
class Table:
    """Rows of figures under headings, and a sentence that says what they show."""

    says: str
    head: list[str]
    rows: list[list[Any]]


@dataclass(frozen=True)
class Plot:
    """A drawing (SVG) and a sentence that says what it shows."""

    says: str
    svg: Markup


@dataclass(frozen=True)
class Result:
    """What a check found.

    Attributes
    ----------
    verdict : Verdict
    says : str
        One sentence for a reader who reads no further.
    figures : dict of str to float
        What the verdict rests on.
    limits : str
        What the model must not be used for, or what has to be done, while the verdict is not green.
    tables, plots : list
    """

    verdict: Verdict
    says: str
    figures: dict[str, float] = field(default_factory=dict)
    limits: str = ""
    tables: list[Table] = field(default_factory=list)
    plots: list[Plot] = field(default_factory=list)


def not_applicable(why: str) -> Result:
    """Return the result of a check that has nothing to look at."""
    return Result(Verdict.NOT_APPLICABLE, why)
