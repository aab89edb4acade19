"""Questions that are answered together: each gets its own answer, or why there is none."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from features.errors import RecoupError

Asked = TypeVar("Asked")
Prepared = TypeVar("Prepared")
Answer = TypeVar("Answer")
How = Callable[[Any, Sequence[Asked]], list[Answer | RecoupError]]
"""Answers questions together, by what is given first: in each one's place is an answer, or why there is none."""


def alone(how: Callable[[Sequence[Asked]], list[Answer | RecoupError]], question: Asked) -> Answer:
    """Return the answer to one question, of what answers several.

    Raises
    ------
    RecoupError
        Why there is none.
    """
    (found,) = how([question])
    if isinstance(found, RecoupError):
        raise found
    return found


def one_by_one(ask: Callable[[Asked], Answer], questions: Iterable[Asked]) -> list[Answer | RecoupError]:
    """Return the answer to each question, or the `RecoupError` that it met."""
    found: list[Answer | RecoupError] = []
    for question in questions:
        try:
            found.append(ask(question))
        except RecoupError as error:
            found.append(error)
    return found


def together(prepare: Callable[[Asked], Prepared], finish: Callable[[list[Prepared]], Iterable[Answer]],
             questions: Iterable[Asked]) -> list[Answer | RecoupError]:  # fmt: skip
    """Prepare questions one by one, and finish those together that met no `RecoupError` on the way.

    Examples
    --------
    >>> together(float, lambda numbers: [number / sum(numbers) for number in numbers], ["1", "3"])
    [0.25, 0.75]
    """
    prepared = one_by_one(prepare, questions)
    fit = [found for found in prepared if not isinstance(found, RecoupError)]
    finished = iter(finish(fit) if fit else ())
    return [found if isinstance(found, RecoupError) else next(finished) for found in prepared]
