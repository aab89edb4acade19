"""Loans unlike any that the model was trained on: which inputs are strange, how far, and what is said then.

A model of trees answers a strange loan as it answers the most extreme one that it knows. Such a loan
is priced nevertheless, under a warning and with an interval that says how little is known: it holds
those of nearly all loans of the training population, and reaches beyond towards 0 and 1 as the loan
lies further outside.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from features.marts import OURS
from training.outlook import Outlook
from training.package import ModelPackage

_MARGIN = 0.1
"""Part of a training range that a number may lie beyond it: an ordinary loan may be the oldest yet."""
_UNSEEN = 0.25
"""Distance, in ranges, that a category never seen, or a value never before unknown, counts for."""
_FURTHEST = 10.0
_ORDINARY = 0.95
_COMPARED_ROWS = 2_000
_MOST_NAMED = 5


@dataclass(frozen=True, eq=False)
class Outside:
    """What is strange about n loans.

    Attributes
    ----------
    names : polars.Series of str, length n
        The inputs that lie outside the training population, such as ``balance, debt_region``; null for
        a loan within.
    distance : ndarray, shape (n,)
        How far outside, in widths of the training ranges, added up over the inputs; 0 within.
    by_column : dict of str to dict
        For each input with a loan outside, most loans first: how many ``loans`` and what ``share`` of all,
        the furthest as an ``example``, and what is ``known``.
    """

    names: pl.Series
    distance: np.ndarray
    by_column: dict[str, dict[str, Any]]

    @property
    def share(self) -> float:
        """Share of loans with an input outside."""
        return float((self.distance > 0).mean())

    def summary(self) -> dict[str, Any]:
        """Return what ``portfolio.json`` says."""
        return {"share": self.share, "by_column": {name: told["share"] for name, told in self.by_column.items()}}

    def warnings(self) -> list[str]:
        """Return a sentence that names the columns, none when every loan is inside."""
        if not self.by_column:
            return []
        told = [
            f"{name} ({column['loans']:,} loans, such as {column['example']}; known: {column['known']})"
            for name, column in list(self.by_column.items())[:_MOST_NAMED]
        ]
        more = f" and {len(self.by_column) - len(told)} more columns" if len(self.by_column) > len(told) else ""
        loans = f"{(self.distance > 0).sum():,} of {len(self.distance):,} loans"
        return [
            f"{loans} lie outside the population that the model was trained on, and have wider intervals: "
            f"{', '.join(told)}{more}"
        ]


@dataclass(frozen=True, eq=False)
class Population:
    """The training population of a recovery model.

    Attributes
    ----------
    known : dict of str to list
        ``[low, high]`` or categories of each input that is compared. What moves with the calendar for
        all loans alike, years, the market and the book's own history, is not.
    always : frozenset of str
        Inputs that were never unknown in training.
    seen : polars.DataFrame
        Model inputs of some of its loans.
    outlook : Outlook
        Theirs.
    """

    known: dict[str, list[Any]]
    always: frozenset[str]
    seen: pl.DataFrame
    outlook: Outlook

    @classmethod
    def of(cls, package: ModelPackage) -> "Population":
        """Return the population of a package, from its card and its reference rows."""
        moving = {
            column["name"]
            for column in package.card.columns
            if column["view"] in ("public", *OURS) or column["unit"] == "year" or column["name"] == "horizon_months"
        }
        known = {name: held for name, held in package.card.population.items() if name not in moving and held}
        always = frozenset(name for name in known if package.reference[name].null_count() == 0)
        seen = package.reference.head(_COMPARED_ROWS)
        return cls(known, always, seen, package.appraise(seen, 0)[0])

    @cached_property
    def lower(self) -> np.ndarray:
        """What nearly all intervals of the population lie above at each horizon, shape (k,)."""
        return np.quantile(self.outlook.lower, 1 - _ORDINARY, axis=0)

    @cached_property
    def upper(self) -> np.ndarray:
        """What nearly all intervals of the population lie below at each horizon, shape (k,)."""
        return np.quantile(self.outlook.upper, _ORDINARY, axis=0)

    def outside(self, frame: pl.DataFrame) -> Outside:
        """Return what is strange about loans.

        Parameters
        ----------
        frame : polars.DataFrame, shape (n, features)
            Model inputs, null where unknown.
        """
        distance, by_column, texts = np.zeros(frame.height), {}, _Texts(frame.height)
        for name, held in self.known.items():
            rows, beyond = self._beyond(frame[name], held)
            if not len(rows):
                continue
            distance[rows] += beyond
            texts.add(rows, name)
            furthest = frame[name][int(rows[beyond.argmax()])]
            furthest = f"{furthest:.6g}" if isinstance(furthest, float) else furthest or "unknown"
            by_column[name] = {
                "loans": len(rows),
                "share": len(rows) / frame.height,
                "example": furthest,
                "known": f"{held[0]:.6g} to {held[1]:.6g}" if frame[name].dtype.is_numeric() else f"{len(held)} others",
            }
        ordered = sorted(by_column.items(), key=lambda item: item[1]["loans"], reverse=True)
        return Outside(texts.column(), distance, dict(ordered))

    def widened(self, outlook: Outlook, distance: np.ndarray) -> Outlook:
        """Return an outlook whose intervals are wider for the loans outside, the others as they were.

        With ``d`` the `Outside.distance` of a loan, the part ``d / (1 + d)`` of what lies between the widest ordinary
        interval and [0, 1] is added to the union of that interval and the loan's own.
        """
        rows = np.flatnonzero(distance)
        if not len(rows):
            return outlook
        doubt = (distance[rows] / (1 + distance[rows]))[:, None]
        lower, upper = outlook.lower.copy(order="K"), outlook.upper.copy(order="K")
        lower[rows] = np.minimum(lower[rows], self.lower) * (1 - doubt)
        widest = np.maximum(upper[rows], self.upper)
        upper[rows] = widest + doubt * (1 - widest)
        return replace(outlook, lower=lower, upper=upper)

    def _beyond(self, values: pl.Series, held: list[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows whose value lies outside, and how far."""
        if values.dtype.is_numeric():
            strange = _out_of_range(values, held[0] - _MARGIN * _width(held), held[1] + _MARGIN * _width(held))
            found = values.gather(strange).to_numpy()
            beyond = np.minimum(np.maximum(held[0] - found, found - held[1]) / _width(held), _FURTHEST)
        else:
            levels = values.unique()
            new = levels.filter(~levels.is_in(held))
            strange = values.is_in(new.implode()).arg_true() if len(new) else pl.Series(dtype=pl.UInt32)
            beyond = np.full(len(strange), _UNSEEN)
        if values.name not in self.always or not values.null_count():
            return strange.to_numpy(), beyond
        lost = values.is_null().arg_true().to_numpy()
        return np.concatenate([strange.to_numpy(), lost]), np.concatenate([beyond, np.full(len(lost), _UNSEEN)])


class _Texts:
    """The names of each row's strange inputs as one text; few distinct ones, however many rows."""

    def __init__(self, height: int):
        self._texts: list[str | None] = [None]
        self._place = np.zeros(height, np.intp)

    def add(self, rows: np.ndarray, name: str) -> None:
        """Add a name to rows, none of them twice."""
        before = self._place[rows]
        used = np.flatnonzero(np.bincount(before, minlength=len(self._texts)))
        after = np.zeros(len(self._texts), np.intp)
        after[used] = len(self._texts) + np.arange(len(used))
        self._texts += [f"{self._texts[place]}, {name}" if place else name for place in used]
        self._place[rows] = after[before]

    def column(self) -> pl.Series:
        """Return the texts, null for a row without a name."""
        return pl.Series("out_of_population", self._texts, dtype=pl.String).gather(self._place)


def _out_of_range(values: pl.Series, low: float, high: float) -> pl.Series:
    least: Any = values.min()
    most: Any = values.max()
    if least is None or (least >= low and most <= high):  # quickly told of most columns
        return pl.Series(dtype=pl.UInt32)
    return ((values < low) | (values > high)).arg_true()


def _width(held: list[float]) -> float:
    """Return what distances are measured by; a constant has its own size."""
    return (held[1] - held[0]) or abs(held[1]) or 1.0
