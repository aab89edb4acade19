"""A model package as a service needs it: few rows at a time, without CatBoost.

``rows.npz`` and ``card.json`` of a package are all that is read. Scores, contributions and base have the
bits of `ModelPackage.explain`; curve and interval are those of `ModelPackage.appraise` within 1e-12.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from features.errors import RecoupError
from training.card import Card
from training.distribution import Distribution
from training.link import chord, linked
from training.outlook import Outlook
from training.row_questions import Floats, Ints, Questions
from training.row_trees import RowTrees

if TYPE_CHECKING:
    import polars as pl

FILE = "rows.npz"
_TREES, _SPREAD = "trees_", "spread_"


class RowScores(NamedTuple):
    """The scores of n rows with their exact contributions, in the score's own unit.

    Attributes
    ----------
    scores : ndarray, shape (n,)
    base : float
        ``base + contributions.sum(axis=1) == scores`` within 1e-9.
    contributions : ndarray, shape (n, features)
    outlook : Outlook, optional
        Of a recovery model: the loans' recovery at every horizon; the last is the score.
    """

    scores: Floats
    base: float
    contributions: Floats
    outlook: Outlook | None


@dataclass(frozen=True, eq=False)
class RowModel:
    """A packaged model for few rows at a time: a row's bits are the same whatever rows are beside it.

    Attributes
    ----------
    card : Card
    fingerprint : str
        See `ModelPackage.fingerprint`.
    base : float
        Expected raw score.
    average : ndarray, shape (k,)
        What a raw score of 1 is worth at each horizon; 1 for a model without horizons.
    trees : RowTrees
    spread : RowTrees, optional
    """

    card: Card
    fingerprint: str
    base: float
    average: Floats
    trees: RowTrees
    spread: RowTrees | None

    def inputs(self, rows: Iterable[Mapping[str, float | str | None]]) -> tuple[Floats, dict[int, list[str]]]:
        """Return rows of inputs by name, None where unknown, as `explain` takes them."""
        listed = [[row[name] for name in self.names] for row in rows]
        numbers = [[np.nan if isinstance(value, str | None) else value for value in row] for row in listed]
        texts = {place: [str(row[place]) for row in listed] for place in self._categories}
        return np.array(numbers).reshape(len(listed), len(self.names)), texts

    def explain(self, numbers: Floats, texts: Mapping[int, Sequence[str]]) -> RowScores:
        """Return the scores of rows with exact contributions, and their outlook.

        Parameters
        ----------
        numbers : ndarray, shape (n, features)
            Inputs in the model's order, NaN where unknown; a recovery model's horizon is the ultimate.
        texts : dict of int to sequence of str, n each
            The categories by their place among the inputs.

        Raises
        ------
        ArithmeticError
            When contributions and base do not add up to the score.
        """
        leaves = self._questions.leaves(numbers, texts)  # of the trees, and then of those of the spread
        own, others = leaves[:, : self._count], leaves[:, self._count :]
        contributions, raw = self.trees.explain(own)
        scores = self._linked(raw)
        contributions *= self._slope(raw, scores)[:, None]
        gap = np.abs(self._base + np.add.reduce(contributions, axis=1) - scores)
        if not (gap <= 1e-9).all():
            raise ArithmeticError(f"contributions miss the score by {gap.max():.3g}")
        return RowScores(scores, self._base, contributions, self._outlook(raw, own, others))

    def reasons(self, numbers: Floats, texts: Mapping[int, Sequence[str]],
                count: int) -> tuple[NDArray[np.intp], Floats, Floats]:  # fmt: skip
        """Return the inputs that move each score most, shape (n, count), how much, likewise, and the scores."""
        contributions, raw = self.trees.explain(self.trees.questions.leaves(numbers, texts))
        scores = self._linked(raw)
        places, moves = largest(contributions, count)
        return places, moves * self._slope(raw, scores)[:, None], scores

    def score(self, numbers: Floats, texts: Mapping[int, Sequence[str]]) -> Floats:
        """Return the scores of `explain` alone."""
        return self._linked(self.trees.score(self.trees.questions.leaves(numbers, texts)))

    def scores(self, frame: "pl.DataFrame", threads: int = 1) -> Floats:
        """Return the scores of a few rows, shape (n,); see `ModelPackage.scores`."""
        return self.score(*self.inputs(frame.iter_rows(named=True)))

    def save(self, folder: Path) -> None:
        """Write ``rows.npz`` into a package's folder."""
        arrays = self.trees.arrays(_TREES) | (self.spread.arrays(_SPREAD) if self.spread else {})
        with (folder / FILE).open("wb") as file:
            np.savez(file, fingerprint=self.fingerprint, base=self.base, average=self.average, **arrays)

    @classmethod
    def load(cls, folder: Path) -> "RowModel":
        """Read it from a package's folder.

        Raises
        ------
        RecoupError
            When a file is missing or does not belong to the other.
        """
        try:
            card = Card(**json.loads((folder / "card.json").read_text()))
            with np.load(folder / FILE, allow_pickle=False) as file:
                stored = dict(file)
            spread = RowTrees.of_arrays(stored, _SPREAD) if card.distribution else None
            found = cls(
                card, stored["fingerprint"].item(), stored["base"].item(), stored["average"],
                RowTrees.of_arrays(stored, _TREES), spread,
            )  # fmt: skip
            found._distribution  # noqa: B018 - read from the card now, or refused
        except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise RecoupError(f"{folder}: not a usable model package: {error}") from error
        if found.trees.features != len(card.columns):
            raise RecoupError(f"{folder}: trees and card know different inputs")
        return found

    @cached_property
    def names(self) -> list[str]:
        """Input names in order."""
        return [column["name"] for column in self.card.columns]

    def _linked(self, raw: Floats | float) -> Floats:
        """Return the scores of raw scores."""
        return linked(self.card.link, raw, self.average[-1:])

    def _slope(self, raw: Floats, scores: Floats) -> Floats:
        """Return what a unit of a contribution to each raw score is in the score's own."""
        return chord(self.card.link, raw - self.base, scores, np.array(self._base), self.average[-1:])

    def _outlook(self, raw: Floats, leaves: Ints, of_spread: Ints) -> Outlook | None:
        """Return the scores at every horizon, of which the last have the raw scores given, and how sure they are."""
        if self.spread is None or self._distribution is None:
            return None
        over = self.trees.over(leaves, raw) if self.card.curve else raw[:, None]
        curve = linked(self.card.link, over, self.average)
        return self._distribution.outlook(curve, self.spread.score(of_spread))

    @cached_property
    def _questions(self) -> Questions:
        own = self.trees.questions
        return own.and_then(self.spread.questions) if self.spread else own

    @cached_property
    def _count(self) -> int:
        return len(self.trees.first_leaf)

    @cached_property
    def _categories(self) -> list[int]:
        return [place for place, column in enumerate(self.card.columns) if column["kind"] == "category"]

    @cached_property
    def _base(self) -> float:
        return self._linked(self.base).item()

    @cached_property
    def _distribution(self) -> Distribution | None:
        return Distribution.from_card(self.card.distribution) if self.card.distribution else None


def largest(contributions: Floats, count: int) -> tuple[NDArray[np.intp], Floats]:
    """Return each row's largest contributions in falling order, the first of equals first: places and values."""
    places = (-np.abs(contributions)).argsort(axis=1, kind="stable")[:, :count]
    return places, contributions[np.arange(len(places))[:, None], places]
