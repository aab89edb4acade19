"""Which model version answers for which loan: the champion, and a challenger tried on a share of the loans."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Generic, Protocol, Self, TypeVar

from features.errors import RecoupError
from serving.refusals import UnknownLoan
from serving.settings import number
from serving.turn import How

CHALLENGER_ALIAS = "challenger"
_FOLLOW, _SHARE, _SHADOW = "RECOUP_FOLLOW", "RECOUP_CHALLENGER_SHARE", "RECOUP_SHADOW_SHARE"


class Question(Protocol):
    """A question about loans."""

    def subjects(self) -> Sequence[str]:
        """Return the loans asked about, in order; none where the caller sends the features."""
        ...

    def among(self, rows: Sequence[int]) -> Self:
        """Return the question about some of them, by their places."""
        ...


Loaded = TypeVar("Loaded")
Asked = TypeVar("Asked", bound=Question)


@dataclass(frozen=True)
class Rule:
    """What a service follows.

    Attributes
    ----------
    alias : str
        The registry's alias whose version answers; empty: the Bento's own model does, always. ``RECOUP_FOLLOW``.
    every_s : float
        Seconds between two looks at the registry. ``RECOUP_FOLLOW_SECONDS``.
    challenger_share, shadow_share : float
        Of the loans: for which the alias ``challenger`` answers, and for which it is asked beside the answer and
        journalled. ``RECOUP_CHALLENGER_SHARE``, ``RECOUP_SHADOW_SHARE``.
    """

    alias: str
    every_s: float
    challenger_share: float
    shadow_share: float

    @classmethod
    def from_environment(cls) -> "Rule":
        """Return the rule that the environment sets.

        Raises
        ------
        RecoupError
            When a number makes no sense, or a challenger is asked for and no alias followed.
        """
        alias, share, shadow = os.environ.get(_FOLLOW, ""), number(_SHARE, 0.0), number(_SHADOW, 0.0)
        if share + shadow > 1:
            raise RecoupError(f"{_SHARE} and {_SHADOW} are shares of the loans: together they are at most 1")
        if share + shadow and not alias:
            raise RecoupError(f"a challenger needs a champion to be followed: set {_FOLLOW}, such as to champion")
        return cls(alias, number("RECOUP_FOLLOW_SECONDS", 5.0), share, shadow)


@dataclass(frozen=True)
class Lineup(Generic[Loaded]):
    """The versions in force; a question meets one line-up from end to end.

    ``share`` and ``shadow_share`` count where there is a challenger, or a shadow.
    """

    model: str
    champion: Loaded
    challenger: Loaded | None = None
    shadow: Loaded | None = None
    share: float = 0.0
    shadow_share: float = 0.0

    def answer(self, how: How[Asked, Any], questions: Sequence[Asked]) -> list[Any]:
        """Ask the version whose turn it is, loan by loan; a list of loans may be answered by both.

        Returns
        -------
        list
            As ``how`` gives it.
        """
        if self.challenger is None:
            return how(self.champion, questions)
        tried = [self._rows(question, 0.0, self.share) for question in questions]
        rest = [_others(question, rows) for question, rows in zip(questions, tried, strict=True)]
        by_champion = _asked(how, self.champion, questions, rest)
        by_challenger = _asked(how, self.challenger, questions, [rows or None for rows in tried])
        return list(map(_joined, by_champion, by_challenger, rest, tried))

    def shadowed(self, question: Asked) -> Asked | None:
        """Return the part of a question that the shadow is asked too."""
        if self.shadow is None:
            return None
        rows = self._rows(question, self.share, self.share + self.shadow_share)
        return question.among(rows) if rows else None

    def _rows(self, question: Question, low: float, high: float) -> list[int]:
        return [row for row, subject in enumerate(question.subjects()) if low <= place(self.model, subject) < high]


def place(model: str, subject: str) -> float:
    """Return where in [0, 1) a loan stands: the same in every process, and when a share grows.

    Examples
    --------
    >>> round(place("recovery", "L0000001"), 3), round(place("contact", "L0000001"), 3)
    (0.456, 0.248)
    """
    return int.from_bytes(blake2b(subject.encode(), digest_size=8, key=model.encode()).digest()) / 2**64


def _others(question: Question, rows: Sequence[int]) -> list[int] | None:
    """Return the places of the other loans of a question; None where all are among those."""
    count = len(question.subjects())
    return None if rows and len(rows) == count else sorted(set(range(count)).difference(rows))


def _asked(how: How[Asked, Any], version: Any, questions: Sequence[Asked],
           rows: Sequence[Sequence[int] | None]) -> list[Any]:  # fmt: skip
    """Ask a version about some loans of each question, by their places; where they are None it is not asked."""
    asked = [(place, question, own) for place, (question, own) in enumerate(zip(questions, rows, strict=True))
             if own is not None]  # fmt: skip
    found: list[Any] = [None] * len(questions)
    answers = how(version, [question.among(own) for _, question, own in asked]) if asked else []
    for (place, _, own), answer in zip(asked, answers, strict=True):
        if isinstance(answer, UnknownLoan):
            answer.row = own[answer.row]
        found[place] = answer
    return found


def _joined(one: Any, other: Any, own: Sequence[int] | None, others: Sequence[int]) -> Any:
    """Return one answer of what two versions say of loans at some places each; None is who was not asked."""
    if other is None or isinstance(one, RecoupError):
        return one
    if one is None or isinstance(other, RecoupError):
        return other
    return one.joined(other, own, others)
