"""Did a chunk of rows move away from the reference: which columns, and could it be chance?

Every column of a chunk is asked several questions (its values, its missing values, those out of range
or never seen, its values region by region), some hundred and fifty a chunk for one model. Each answer is
a distance from the reference. How large it becomes by chance is learnt from the reference itself: blocks
of as many consecutive rows as the chunk has, each against all others (moving blocks: Künsch 1989,
doi:10.1214/aos/1176347265), so that what rows share that were made at about the same time counts as
chance too. Distances are studentised by their mean and spread over the blocks, and a chunk alerts where
one exceeds what the largest of all of them exceeds in no more than the stated share of blocks
(single-step maxT: Westfall & Young 1993, "Resampling-based multiple testing"): of chunks in which nothing
happened that share alerts, whatever the number of questions and however they hang together. A move that
is certain but too small to matter is none: each column has a least distance as well.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from features.marts.columns import MISSING
from monitoring.gauges import Gauge, gauges
from monitoring.thresholds import Rule

_BLOCKS = 199
_FEWEST_BLOCKS = 20
"""Blocks that do not overlap: below, a chunk is judged on a sample of its rows."""
_GRID = 1.1
"""Ratio of neighbouring block sizes: chunks of about the same size share a null."""
_SHARE_OF_LEAST = 0.1
"""Least spread by chance of a distance, as a share of the least that matters; a share's is that of one row."""


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
        The columns of ``rules``, in the order of time.
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
    A thousand days of a balance, then two weeks in another unit:

    >>> random = np.random.default_rng(1)
    >>> days = pl.DataFrame({"balance": random.lognormal(8, 1, 1000)})
    >>> rule = Rule("balance", "number", "wasserstein", threshold=0.1, missing=0.05)
    >>> baseline = Baseline(days, [rule], false_alarms=0.05, fewest=20, fewest_within=10)
    >>> [found.test for found in baseline.compare(days[300:340]).alerts]
    []
    >>> [found.test for found in baseline.compare(days[300:340] * 100).alerts]
    ['drift', 'outside']
    """

    reference: pl.DataFrame
    rules: list[Rule]
    false_alarms: float
    fewest: int
    fewest_within: int
    _nulls: dict[int, "_Null"] = field(default_factory=dict, repr=False)

    def compare(self, chunk: pl.DataFrame) -> Comparison:
        """Compare one chunk of rows with the reference.

        Parameters
        ----------
        chunk : polars.DataFrame, shape (m, columns)
            The columns of the rules, of rows that came later. Of more rows than a twentieth of the
            reference's a sample is judged.

        Returns
        -------
        Comparison
            Milliseconds for a chunk, once the first of about its size has been compared.
        """
        rows = min(chunk.height, self.reference.height // _FEWEST_BLOCKS)
        if chunk.height < self.fewest:
            return Comparison([], untested=f"too few rows: {chunk.height}, {self.fewest} needed")
        if rows < self.fewest:
            needed = self.fewest * _FEWEST_BLOCKS
            return Comparison([], untested=f"too few reference rows: {self.reference.height}, {needed} needed")
        if rows < chunk.height:
            chunk = chunk.sample(rows, seed=0)
        null = self._null(rows)
        chunk = _unknown_as_null(chunk, self.rules)
        values = np.array([gauge.value(gauge.read(chunk)) for gauge in self._gauges])
        findings = [
            finding
            for gauge, finding in zip(self._gauges, null.findings(self._gauges, values), strict=True)
            if finding is not None
        ]
        return Comparison(_worst_within(findings), self._not_compared(values))

    def _null(self, rows: int) -> "_Null":
        """Return what blocks of about so many rows do, rather fewer: they stray farther."""
        size = max(int(_GRID ** int(np.log(rows) / np.log(_GRID))), self.fewest)
        if size not in self._nulls:
            self._nulls[size] = _Null.learn(self._gauges, self.reference.height, size, self.false_alarms)
        return self._nulls[size]

    @cached_property
    def _gauges(self) -> list[Gauge]:
        reference = _unknown_as_null(self.reference, self.rules)
        return gauges(reference, self.rules, self.fewest, self.fewest_within)

    def _not_compared(self, values: np.ndarray) -> dict[str, str]:
        """Return the columns without a comparison of their values, and why."""
        measured = {
            gauge.column
            for gauge, value in zip(self._gauges, values, strict=True)
            if gauge.test == "drift" and np.isfinite(value)
        }
        few = f"fewer than {self.fewest} known values on one side"
        return {rule.column: rule.skip or few for rule in self.rules if rule.column not in measured}


@dataclass(frozen=True)
class _Null:
    """What blocks of one size do by chance.

    Attributes
    ----------
    mean, spread : ndarray, shape (tests,)
        Of each test's distance.
    largest : ndarray, shape (blocks,)
        The largest studentised distance of each block, rising.
    false_alarms : float
    """

    mean: np.ndarray
    spread: np.ndarray
    largest: np.ndarray
    false_alarms: float

    @classmethod
    def learn(cls, gauges: list[Gauge], height: int, size: int, false_alarms: float) -> "_Null":
        starts = np.unique(np.linspace(0, height - size, _BLOCKS).astype(int))
        to_others = height / (height - size)  # from the distance to all rows, the block's among them
        blocks = [[gauge.value(gauge.reference[start : start + size]) for start in starts] for gauge in gauges]
        found = np.array(blocks) * to_others
        known = np.isfinite(found)
        count = known.sum(axis=1)
        mean = np.where(known, found, 0).sum(axis=1) / np.maximum(count, 1)
        deviation = np.where(known, found - mean[:, None], 0)
        spread = np.sqrt((deviation**2).sum(axis=1) / np.maximum(count - 1, 1))
        least = np.array([1 / size if gauge.of_share else _SHARE_OF_LEAST * gauge.least for gauge in gauges])
        spread = np.where(count > 1, np.maximum(spread, least), np.nan)
        largest = np.nanmax(deviation / spread[:, None], axis=0, initial=-np.inf)
        return cls(mean, spread, np.sort(largest), false_alarms)

    @property
    def critical(self) -> float:
        """The studentised distance that the stated share of blocks, at most, exceeds."""
        allowed = int(self.false_alarms * (len(self.largest) + 1))
        return float(self.largest[-allowed]) if allowed else np.inf

    def findings(self, gauges: list[Gauge], values: np.ndarray) -> list[Finding | None]:
        """Return what each test says of a chunk; nothing where it has too little to go by."""
        studentised = (values - self.mean) / self.spread
        thresholds = np.maximum(self.mean + self.critical * self.spread, [gauge.least for gauge in gauges])
        beyond = len(self.largest) - np.searchsorted(self.largest, studentised)
        p = (1 + beyond) / (len(self.largest) + 1)
        return [
            Finding(gauge.column, gauge.test, gauge.method, float(value), float(threshold), float(share),
                    bool(value >= threshold), gauge.within)
            if np.isfinite(value) and np.isfinite(threshold) else None
            for gauge, value, threshold, share in zip(gauges, values, thresholds, p, strict=True)
        ]  # fmt: skip


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
