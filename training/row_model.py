"""A model package as a service needs it: one row at a time, without CatBoost.

``rows.npz`` and ``card.json`` of a package are all that is read. Scores, contributions and base have the
bits of `ModelPackage.explain`; curve and interval are those of `ModelPackage.appraise` within 1e-12.
"""

import json
from collections.abc import Mapping
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
from training.link import chord_one, linked, linked_one
from training.outlook import Outlook
from training.row_questions import Floats, Ints, Questions
from training.row_trees import RowTrees

if TYPE_CHECKING:
    import polars as pl

FILE = "rows.npz"
_TREES, _SPREAD = "trees_", "spread_"


class RowScore(NamedTuple):
    """A row's score with its exact contributions, in the score's own unit.

    Attributes
    ----------
    score, base : float
        ``base + contributions.sum() == score`` within 1e-9.
    contributions : ndarray, shape (features,)
    outlook : Outlook, optional
        Of a recovery model: one loan's recovery at every horizon; its last is the score.
    """

    score: float
    base: float
    contributions: Floats
    outlook: Outlook | None


@dataclass(frozen=True, eq=False)
class RowModel:
    """A packaged model for one row at a time.

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

    def inputs(self, values: Mapping[str, float | str | None]) -> tuple[Floats, dict[int, str]]:
        """Return inputs by name, None where unknown, as `explain` takes them."""
        row = [values[name] for name in self.names]
        texts = {place: str(row[place]) for place in self._categories}
        return np.array([np.nan if isinstance(value, str | None) else value for value in row]), texts

    def explain(self, numbers: Floats, texts: Mapping[int, str]) -> RowScore:
        """Return a row's score with exact contributions, and its outlook.

        Parameters
        ----------
        numbers : ndarray, shape (features,)
            Inputs in the model's order, NaN where unknown; a recovery model's horizon is the ultimate.
        texts : dict of int to str
            The categories by their place among the inputs.

        Raises
        ------
        ArithmeticError
            When contributions and base do not add up to the score.
        """
        leaves = self._questions.leaves(numbers, texts)  # of the trees, and then of those of the spread
        own, others = leaves[: self._count], leaves[self._count :]
        contributions, raw = self.trees.explain(own)
        score = self._linked(raw)
        contributions *= self._slope(raw, score)
        gap = abs(self._base + np.add.reduce(contributions) - score)
        if not gap <= 1e-9:
            raise ArithmeticError(f"contributions miss the score by {gap:.3g}")
        return RowScore(score, self._base, contributions, self._outlook(raw, own, others))

    def reasons(self, numbers: Floats, texts: Mapping[int, str], count: int) -> tuple[NDArray[np.intp], Floats, float]:
        """Return the inputs that move a row's score most, shape (count,), how much, and the score."""
        contributions, raw = self.trees.explain(self.trees.questions.leaves(numbers, texts))
        score = self._linked(raw)
        places = (-np.abs(contributions)).argsort(kind="stable")[:count]
        return places, contributions.take(places) * self._slope(raw, score), score

    def score(self, numbers: Floats, texts: Mapping[int, str]) -> float:
        """Return the score of `explain` alone."""
        return self._linked(self.trees.score(self.trees.questions.leaves(numbers, texts)))

    def scores(self, frame: "pl.DataFrame", threads: int = 1) -> Floats:
        """Return the scores of a few rows, shape (n,); see `ModelPackage.scores`."""
        return np.array([self.score(*self.inputs(row)) for row in frame.iter_rows(named=True)])

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

    def _linked(self, raw: float) -> float:
        """Return the score of a raw score."""
        return linked_one(self.card.link, raw, self._average)

    def _slope(self, raw: float, score: float) -> float:
        """Return what a unit of a contribution to the raw score is in the score's own."""
        return chord_one(self.card.link, raw - self.base, score, self._base, self._average)

    def _outlook(self, raw: float, leaves: Ints, of_spread: Ints) -> Outlook | None:
        """Return the scores at every horizon, of which the last has the raw score given, and how sure they are."""
        if self.spread is None or self._distribution is None:
            return None
        over = self.trees.over(leaves, raw) if self.card.curve else np.array([raw])
        curve = linked(self.card.link, over, self.average)
        return self._distribution.outlook_of_one(curve, self.spread.score(of_spread))

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
        return self._linked(self.base)

    @cached_property
    def _average(self) -> float:
        """What a raw score of 1 is worth at the last horizon."""
        return self.average.item(-1)

    @cached_property
    def _distribution(self) -> Distribution | None:
        return Distribution.from_card(self.card.distribution) if self.card.distribution else None
