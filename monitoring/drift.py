"""Did a chunk of rows move away from the reference: which columns, and could it be chance?

Every column of a chunk is asked several questions (its values, its missing values, those out of range
or never seen, its values region by region), some hundred and fifty a chunk for one model. Each answer is
a distance from the reference; how large it becomes by chance is told by `monitoring.chance`. A move that
is certain but too small to matter is none: each column has a least distance as well.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from features.marts.columns import MISSING
from monitoring.chance import FEWEST_CHUNKS, Null
from monitoring.gauges import Gauge, gauges
from monitoring.thresholds import Rule

CHUNK = "chunk"
"""Column of the reference that says which chunk of time a row lies in."""
_GRID = 1.1
"""Ratio of neighbouring sizes to which the reference's chunks are cut: chunks of about a size share a null."""


@dataclass(frozen=True)
class Finding:
    """One test of one column in one chunk.

    Attributes
    ----------
    column : str
    test : str
        ``drift`` (the known values), ``drift within`` (those of one value of a category; the value in
        which they moved most stands for all), ``missing``, ``outside`` (known values beyond the range
        of the reference's central 99.8 %, or categories that it does not have), ``rows`` (their number).
    method : str
        How ``value`` was measured.
    value, threshold : float
        The distance between chunk and reference, and where an alert begins.
    p : float
        Share of unchanged chunks with any test as far out as this one (adjusted for all of them).
    alert : bool
    within : str, optional
        The value of the category, such as a region.
    """

    column: str
    test: str
    method: str
    value: float
    threshold: float
    p: float
    alert: bool
    within: str | None = None

    @property
    def ratio(self) -> float:
        """How many times its threshold the value is."""
        return self.value / self.threshold


@dataclass(frozen=True)
class Comparison:
    """What the comparison of a chunk found, and what it left out and why.

    Attributes
    ----------
    findings : list of Finding
    not_compared : dict of str to str
        Columns whose values were not compared, and why.
    untested : str, optional
        Why the chunk was not compared at all.
    """

    findings: list[Finding]
    not_compared: dict[str, str] = field(default_factory=dict)
    untested: str | None = None

    @property
    def alerts(self) -> list[Finding]:
        """What moved, the farthest first."""
        return sorted((found for found in self.findings if found.alert), key=lambda found: -found.ratio)


@dataclass(frozen=True)
class Baseline:
    """Reference rows of a model, and what chunks of them do by chance: made once, asked for each chunk.

    Parameters
    ----------
    reference : polars.DataFrame, shape (n, columns)
        The columns of ``rules``, and `CHUNK`.
    rules : list of Rule
        See `Thresholds.rules`.
    false_alarms : float
        Share of unchanged chunks that may alert, at most, for whatever reason.
    fewest : int
        Rows that a chunk needs to be compared, and known values that a column needs.
    fewest_within : int
        Known values within one value of a category.

    Examples
    --------
    Thirty weeks of a balance, then one in another unit:

    >>> random = np.random.default_rng(1)
    >>> days = pl.DataFrame({"balance": random.lognormal(8, 1, 1200), CHUNK: np.arange(1200) // 40})
    >>> rule = Rule("balance", "number", "wasserstein", threshold=0.1, missing=0.05)
    >>> baseline = Baseline(days, [rule], false_alarms=0.05, fewest=20, fewest_within=10)
    >>> [found.test for found in baseline.compare(days[280:320]).alerts]
    []
    >>> [found.test for found in baseline.compare(days[280:320] * 100).alerts]
    ['drift', 'outside']
    """

    reference: pl.DataFrame
    rules: list[Rule]
    false_alarms: float
    fewest: int
    fewest_within: int
    _nulls: dict[int, Null] = field(default_factory=dict, repr=False)

    def compare(self, chunk: pl.DataFrame) -> Comparison:
        """Compare one chunk of rows with the reference.

        Parameters
        ----------
        chunk : polars.DataFrame, shape (m, columns)
            The columns of the rules, of rows that came later.

        Returns
        -------
        Comparison
            Milliseconds for a chunk, once the first of about its size has been compared.
        """
        if chunk.height < self.fewest:
            return Comparison([], untested=f"too few rows: {chunk.height}, {self.fewest} needed")
        if len(self._chunks) < FEWEST_CHUNKS:
            return Comparison([], untested=f"too few reference chunks: {len(self._chunks)}, {FEWEST_CHUNKS} needed")
        null = self._null(chunk.height)
        chunk = _unknown_as_null(chunk, self.rules)
        values = np.array([gauge.value(gauge.read(chunk)) for gauge in self._gauges])
        thresholds, p = null.judged(values)
        findings = [
            Finding(gauge.column, gauge.test, gauge.method, float(value), float(threshold), float(share),
                    bool(value >= threshold), gauge.within)
            for gauge, value, threshold, share in zip(self._gauges, values, thresholds, p, strict=True)
            if np.isfinite(value) and np.isfinite(threshold)
        ]  # fmt: skip
        return Comparison(_worst_within(findings), self._not_compared(findings))

    def _null(self, rows: int) -> Null:
        """Return what chunks of about so many rows do, rather fewer: they stray farther."""
        size = max(int(_GRID ** int(np.log(rows) / np.log(_GRID))), self.fewest)
        if size not in self._nulls:
            cut = [chunk[:size] for chunk in self._chunks]
            full = [chunk for chunk in cut if 2 * len(chunk) >= size]
            chunks = full if len(full) >= FEWEST_CHUNKS else cut
            self._nulls[size] = Null.learn(self._gauges, self._rows, chunks, self.false_alarms)
        return self._nulls[size]

    @cached_property
    def _chunks(self) -> list[np.ndarray]:
        """Return the places of each reference chunk's rows, in an order of chance, of those with enough rows."""
        places = self.reference.select(CHUNK).with_row_index("row").sample(fraction=1.0, shuffle=True, seed=7)
        groups = places.group_by(CHUNK).agg("row").sort(CHUNK)["row"]
        return [rows.to_numpy() for rows in groups if len(rows) >= self.fewest]

    @cached_property
    def _gauges(self) -> list[Gauge]:
        return gauges(self._known, self.rules, self.fewest, self.fewest_within)

    @cached_property
    def _rows(self) -> list[np.ndarray]:
        """Return the reference's rows as each gauge takes them."""
        return [gauge.read(self._known) for gauge in self._gauges]

    @cached_property
    def _known(self) -> pl.DataFrame:
        return _unknown_as_null(self.reference, self.rules)

    def _not_compared(self, findings: list[Finding]) -> dict[str, str]:
        """Return the columns without a comparison of their values, and why."""
        measured = {found.column for found in findings if found.test == "drift"}
        asked = {gauge.column for gauge in self._gauges if gauge.test == "drift"}
        few = f"fewer than {self.fewest} known values in the chunk, or in most of the reference's"
        same = "nearly all reference values are the same"
        enough = {rule.column for rule in self.rules if self.reference[rule.column].count() >= self.fewest}
        return {
            rule.column: rule.skip or (same if rule.column in enough - asked else few)
            for rule in self.rules
            if rule.column not in measured
        }


def _unknown_as_null(side: pl.DataFrame, rules: list[Rule]) -> pl.DataFrame:
    """Let an unknown category be as missing as an unknown number."""
    return side.select(
        pl.col(rule.column).replace(MISSING, None) if rule.kind == "category" else pl.col(rule.column) for rule in rules
    )


def _worst_within(findings: list[Finding]) -> list[Finding]:
    """Keep, of the parts of a column, the one that moved most."""
    worst: dict[tuple[str, str], Finding] = {}
    for found in findings:
        key = (found.column, found.test)
        worst[key] = max(found, worst.get(key, found), key=lambda one: one.ratio)
    return list(worst.values())
