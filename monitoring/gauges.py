"""The questions that each column of a chunk is asked, as numbers: how far it lies from the reference."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from monitoring.distances import yardstick
from monitoring.thresholds import Rule

_CENTRAL = (0.001, 0.999)
"""Quantiles of the reference between which a number is in range."""
_SHARE = "change of share"
_MOST_EQUAL = 0.98
"""Share of a number's or flag's values from which on a distance would be that of the few others: they are `outside`."""


@dataclass(frozen=True)
class Gauge:
    """One test of one column.

    Attributes
    ----------
    column, test, method : str
        See `monitoring.drift.Finding`.
    least : float
        Distance below which a move does not matter, however certain it is.
    read : callable
        Takes a frame (n, columns), returns its rows as ``value`` takes them, shape (n,), NaN where unknown.
    value : callable
        Takes such rows, returns how far they lie from the reference; NaN when too few of them are known.
    within : str, optional
        The value of the category whose rows are asked about.
    """

    column: str
    test: str
    method: str
    least: float
    read: Callable[[pl.DataFrame], np.ndarray]
    value: Callable[[np.ndarray], float]
    within: str | None = None

    @property
    def of_share(self) -> bool:
        """Whether the value is a share of rows."""
        return self.method == _SHARE


def gauges(reference: pl.DataFrame, rules: list[Rule], fewest: int, fewest_within: int) -> list[Gauge]:
    """Return every test of the columns of ``rules``.

    Parameters
    ----------
    reference : polars.DataFrame, shape (n, columns)
        Unknown categories are null.
    rules : list of Rule
    fewest, fewest_within : int
        Known values needed, as a whole and within one value of a category.
    """
    found: list[Gauge] = []
    for rule in rules:
        if rule.skip is not None:
            continue
        found.append(_missing(reference, rule))
        if reference[rule.column].count() >= fewest:
            constant = _constant(reference, rule)
            found.append(_outside(reference, rule, constant))
            if not constant:
                found.append(_drift(reference, rule, fewest))
                found.extend(_within(reference, rule, fewest_within))
    return found


def _constant(reference: pl.DataFrame, rule: Rule) -> bool:
    """Return whether nearly all known values of a number or flag are one and the same."""
    known = reference[rule.column].drop_nulls()
    return rule.kind != "category" and int(known.unique_counts().to_numpy().max()) > _MOST_EQUAL * len(known)


def _drift(reference: pl.DataFrame, rule: Rule, fewest: int) -> Gauge:
    stick = yardstick(rule.kind, rule.method, reference[rule.column])

    def read(frame: pl.DataFrame) -> np.ndarray:
        return stick.encode(frame[rule.column])

    def value(rows: np.ndarray) -> float:
        known = rows[~np.isnan(rows)]
        return stick.distance(known) if len(known) >= fewest else np.nan

    return Gauge(rule.column, "drift", rule.method, rule.threshold, read, value)


def _within(reference: pl.DataFrame, rule: Rule, fewest: int) -> Iterator[Gauge]:
    """Yield a test for each value of a category that has enough rows: what moves in one drowns among all."""
    if rule.within is None or rule.within.by not in reference.columns:
        return
    by = rule.within.by
    counts = reference.drop_nulls([rule.column, by]).group_by(by).len().filter(pl.col("len") >= fewest)
    for name in sorted(counts[by]):
        whole = _drift(reference.filter(pl.col(by) == name), rule, fewest)

        def read(
            frame: pl.DataFrame, name: str = name, encode: Callable[[pl.DataFrame], np.ndarray] = whole.read
        ) -> np.ndarray:
            return np.where((frame[by] == name).fill_null(False).to_numpy(), encode(frame), np.nan)

        yield Gauge(rule.column, "drift within", rule.method, rule.within.threshold, read, whole.value, name)


def _missing(reference: pl.DataFrame, rule: Rule) -> Gauge:
    def read(frame: pl.DataFrame) -> np.ndarray:
        return frame[rule.column].is_null().to_numpy().astype(float)

    return _share(reference, rule, "missing", read)


def _outside(reference: pl.DataFrame, rule: Rule, constant: bool) -> Gauge:
    """Return the share of rows beyond the reference's range by more than what matters, or of a category unseen."""
    known = reference[rule.column].drop_nulls()
    if rule.kind == "number" or constant:
        central = (0.5, 0.5) if constant else _CENTRAL
        low, high = (float(np.quantile(known.to_numpy(), level)) for level in central)
        margin = rule.threshold * float(known.to_numpy().std())
        strange = ~pl.col(rule.column).is_between(low - margin, high + margin)
    else:
        strange = ~pl.col(rule.column).is_in(known.unique().implode())

    def read(frame: pl.DataFrame) -> np.ndarray:
        return frame.select(strange.fill_null(False).cast(pl.Float64)).to_series().to_numpy()

    return _share(reference, rule, "outside", read)


def _share(reference: pl.DataFrame, rule: Rule, test: str, read: Callable[[pl.DataFrame], np.ndarray]) -> Gauge:
    usual = float(read(reference).mean())

    def value(rows: np.ndarray) -> float:
        return abs(float(rows.mean()) - usual)

    return Gauge(rule.column, test, _SHARE, rule.missing, read, value)
