"""How far a column's values lie from reference values: the distances that Evidently takes, made for many samples.

They are equal to Evidently's within rounding (a test holds this). Evidently takes milliseconds for one;
the null that a verdict rests on needs thousands.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import polars as pl
from scipy.special import rel_entr

_BINS = 10
_NARROWEST = 0.001
_NEVER = 0.0001


class Yardstick(ABC):
    """Measures samples of a column against its reference values."""

    @abstractmethod
    def encode(self, values: pl.Series) -> np.ndarray:
        """Return values as `distance` takes them, shape (n,), NaN where unknown."""

    @abstractmethod
    def distance(self, encoded: np.ndarray) -> float:
        """Return the distance of a sample of known values from the reference."""


class Wasserstein(Yardstick):
    """Mean distance that values have to be carried, in standard deviations of the reference.

    The area between both quantile functions: within each step of the sample's, the reference's quantile
    function is below the sample's value up to where the reference's distribution reaches it.

    Examples
    --------
    >>> Wasserstein(pl.Series([0.0, 1.0])).distance(np.array([1.0, 2.0]))
    2.0
    """

    def __init__(self, reference: pl.Series) -> None:
        self._values = np.sort(reference.drop_nulls().to_numpy().astype(float))
        self._area = np.concatenate([[0.0], self._values.cumsum()]) / len(self._values)
        self._width = max(float(self._values.std()), _NARROWEST)

    def encode(self, values: pl.Series) -> np.ndarray:
        """Return the numbers."""
        return values.cast(pl.Float64).fill_null(np.nan).to_numpy()

    def distance(self, encoded: np.ndarray) -> float:
        """Return the normed distance, in standard deviations."""
        sample = np.sort(encoded)
        steps = np.linspace(0.0, 1.0, len(sample) + 1)
        begin, end = steps[:-1], steps[1:]
        reached = np.searchsorted(self._values, sample, side="right") / len(self._values)
        turn = np.clip(reached, begin, end)
        below, between, above = (self._below(level) for level in (begin, turn, end))
        carried = sample * (2 * turn - begin - end) - 2 * between + below + above
        return float(carried.sum()) / self._width

    def _below(self, level: np.ndarray) -> np.ndarray:
        """Return the area under the reference's quantile function up to levels in [0, 1]."""
        return np.interp(level * len(self._values), np.arange(len(self._area)), self._area)


class Shares(Yardstick):
    """A distance between the shares of categories; numbers are cut at the reference's deciles first."""

    def __init__(self, reference: pl.Series, method: str) -> None:
        self._measure = _BETWEEN[method]
        self._cuts = deciles(reference) if reference.dtype.is_numeric() else None
        known = self._as_text(reference).drop_nulls()
        counts = known.value_counts(sort=True)
        self._names = {name: place for place, name in enumerate(counts[known.name])}
        self._shares = counts["count"].to_numpy() / len(known)

    def encode(self, values: pl.Series) -> np.ndarray:
        """Return each category's place; those unseen in the reference come after."""
        text = self._as_text(values)
        unseen = text.drop_nulls().unique().sort().to_list()
        places = dict(self._names)
        for name in unseen:
            places.setdefault(name, len(places))
        return text.replace_strict(places, default=None, return_dtype=pl.Float64).fill_null(np.nan).to_numpy()

    def distance(self, encoded: np.ndarray) -> float:
        """Return the distance of the shares."""
        counts = np.bincount(encoded.astype(int), minlength=len(self._shares))
        reference = np.pad(self._shares, (0, len(counts) - len(self._shares)))
        return self._measure(reference, counts / len(encoded))

    def _as_text(self, values: pl.Series) -> pl.Series:
        if self._cuts is None:
            return values.cast(pl.String)
        return binned(values, self._cuts)


def yardstick(kind: str, method: str, reference: pl.Series) -> Yardstick:
    """Return what measures a column of a kind (``number``, ``flag``, ``category``) by a method."""
    if method == "wasserstein":
        return Wasserstein(reference)
    return Shares(reference if kind == "number" else reference.cast(pl.String), method)


def binned(values: pl.Series, cuts: list[float]) -> pl.Series:
    """Return between which cuts each number lies, as text; null stays null."""
    places = pl.Series(values.name, np.searchsorted(cuts, values.cast(pl.Float64).fill_null(np.nan).to_numpy()))
    return places.cast(pl.String).set(values.is_null(), None)


def deciles(reference: pl.Series) -> list[float]:
    """Return where a number is cut before its shares are compared."""
    known = reference.drop_nulls().to_numpy()
    return np.unique(np.quantile(known, np.arange(1, _BINS) / _BINS)).tolist()


def _jensenshannon(reference: np.ndarray, current: np.ndarray) -> float:
    middle = (reference + current) / 2
    return float(np.sqrt(max((rel_entr(reference, middle) + rel_entr(current, middle)).sum() / 2, 0.0)))


def _hellinger(reference: np.ndarray, current: np.ndarray) -> float:
    return float(np.sqrt(max(1 - np.sqrt(reference * current).sum(), 0.0)))


def _psi(reference: np.ndarray, current: np.ndarray) -> float:
    """Return the population stability index; a share of nothing counts as a little, as Evidently does it."""
    before, now = (_filled(shares) for shares in (reference, current))
    return float(((before - now) * np.log(before / now)).sum())


def _filled(shares: np.ndarray) -> np.ndarray:
    least = shares[shares > 0].min()
    return np.where(shares > 0, shares, least / 10**6 if least <= _NEVER else _NEVER)


_BETWEEN: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "jensenshannon": _jensenshannon,
    "hellinger": _hellinger,
    "psi": _psi,
}
