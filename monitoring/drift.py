"""Did a chunk of rows move away from the reference: which columns, and could it be chance?

Every column of a chunk is asked several questions (its values, its missing values, those out of range
or never seen, its values region by region), some hundred and fifty a chunk for one model. Each answer is
a distance from the reference. How large it becomes by chance is learnt from the reference itself: its own
chunks of time, cut to as many rows as the chunk has, each against all others, so that what rows share
that were made at about the same time counts as chance too. Distances, on a scale that is straight up to
the least that matters and logarithmic beyond, are studentised by their mean and spread over the other
chunks, and a chunk alerts where one exceeds what the largest of all of them exceeds in no more than the
stated share of the reference's chunks (single-step maxT: Westfall & Young 1993, "Resampling-based multiple
testing"). A chunk that is one more of the same kind is as likely to be among the farthest as any other
(conformal prediction: Vovk et al. 2005, doi:10.1007/b106715): the stated share of unchanged chunks alerts,
whatever the number of questions and however they hang together. A move that is certain but too small to
matter is none: each column has a least distance as well.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from features.marts.columns import MISSING
from monitoring.gauges import Gauge, gauges
from monitoring.thresholds import Rule

CHUNK = "chunk"
"""Column of the reference that says which chunk of time a row lies in."""
_FEWEST_CHUNKS = 20
"""Chunks of the reference that a verdict needs."""
_GRID = 1.1
"""Ratio of neighbouring sizes to which the reference's chunks are cut: chunks of about a size share a null."""
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
    _nulls: dict[int, "_Null"] = field(default_factory=dict, repr=False)

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
        if len(self._chunks) < _FEWEST_CHUNKS:
            return Comparison([], untested=f"too few reference chunks: {len(self._chunks)}, {_FEWEST_CHUNKS} needed")
        null = self._null(chunk.height)
        chunk = _unknown_as_null(chunk, self.rules)
        values = np.array([gauge.value(gauge.read(chunk)) for gauge in self._gauges])
        findings = [
            finding
            for gauge, finding in zip(self._gauges, null.findings(self._gauges, values), strict=True)
            if finding is not None
        ]
        return Comparison(_worst_within(findings), self._not_compared(values))

    def _null(self, rows: int) -> "_Null":
        """Return what chunks of about so many rows do, rather fewer: they stray farther."""
        size = max(int(_GRID ** int(np.log(rows) / np.log(_GRID))), self.fewest)
        if size not in self._nulls:
            cut = [chunk[:size] for chunk in self._chunks]
            full = [chunk for chunk in cut if 2 * len(chunk) >= size]
            blocks = full if len(full) >= _FEWEST_CHUNKS else cut
            self._nulls[size] = _Null.learn(self._gauges, blocks, self.reference.height, self.false_alarms)
        return self._nulls[size]

    @cached_property
    def _chunks(self) -> list[np.ndarray]:
        """Return the places of each reference chunk's rows, in an order of chance, of those with enough rows."""
        places = self.reference.select(CHUNK).with_row_index("row").sample(fraction=1.0, shuffle=True, seed=7)
        groups = places.group_by(CHUNK).agg("row").sort(CHUNK)["row"]
        return [rows.to_numpy() for rows in groups if len(rows) >= self.fewest]

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
        asked = {gauge.column for gauge in self._gauges if gauge.test == "drift"}
        few, same = f"fewer than {self.fewest} known values on one side", "nearly all reference values are the same"
        enough = {rule.column for rule in self.rules if self.reference[rule.column].count() >= self.fewest}
        return {
            rule.column: rule.skip or (same if rule.column in enough - asked else few)
            for rule in self.rules
            if rule.column not in measured
        }


@dataclass(frozen=True)
class _Null:
    """What chunks of one size do by chance.

    Attributes
    ----------
    least : ndarray, shape (tests,)
        Distances below which a move does not matter.
    mean, spread : ndarray, shape (tests,)
        Of each test's distance over the reference's chunks, as `_scaled`.
    largest : ndarray, shape (chunks,)
        The largest studentised distance of each, by mean and spread of the others, rising.
    false_alarms : float
    """

    least: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    largest: np.ndarray
    false_alarms: float

    @classmethod
    def learn(cls, gauges: list[Gauge], blocks: list[np.ndarray], height: int, false_alarms: float) -> "_Null":
        sizes = np.array([len(block) for block in blocks])
        to_others = height / (height - sizes)  # from the distance to all rows, the block's among them
        found = np.array([[gauge.value(gauge.reference[block]) for block in blocks] for gauge in gauges]) * to_others
        least = np.array([gauge.least for gauge in gauges])
        found = _scaled(found, least[:, None])
        known = np.isfinite(found)
        count = known.sum(axis=1, keepdims=True).astype(float)
        count[count < _FEWEST_CHUNKS / 2] = np.nan
        mean = np.where(known, found, 0).sum(axis=1, keepdims=True) / count
        deviation = np.where(known, found - mean, 0)
        squares = (deviation**2).sum(axis=1, keepdims=True)
        one_row = 1 / sizes.max() / least
        floor = np.where([gauge.of_share for gauge in gauges], one_row, _SHARE_OF_LEAST)[:, None]
        from_others = deviation * count / (count - 1)  # a value less the mean of the others, and their variance:
        of_others = (squares - deviation * from_others) / (count - 2)
        studentised = from_others / np.maximum(np.sqrt(np.maximum(of_others, 0)), floor)
        largest = np.nanmax(studentised, axis=0, initial=-np.inf)
        spread = np.maximum(np.sqrt(squares / (count - 1)), floor)
        return cls(least, mean[:, 0], spread[:, 0], np.sort(largest), false_alarms)

    @property
    def critical(self) -> float:
        """The studentised distance that the stated share of chunks, at most, exceeds."""
        allowed = int(self.false_alarms * (len(self.largest) + 1))
        return float(self.largest[-allowed]) if allowed else np.inf

    def findings(self, gauges: list[Gauge], values: np.ndarray) -> list[Finding | None]:
        """Return what each test says of a chunk; nothing where it has too little to go by."""
        studentised = (_scaled(values, self.least) - self.mean) / self.spread
        thresholds = np.maximum(np.expm1(self.mean + self.critical * self.spread), 1) * self.least
        beyond = len(self.largest) - np.searchsorted(self.largest, studentised)
        p = (1 + beyond) / (len(self.largest) + 1)
        return [
            Finding(gauge.column, gauge.test, gauge.method, float(value), float(threshold), float(share),
                    bool(value >= threshold), gauge.within)
            if np.isfinite(value) and np.isfinite(threshold) else None
            for gauge, value, threshold, share in zip(gauges, values, thresholds, p, strict=True)
        ]  # fmt: skip


def _scaled(distance: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Return distances so that a test with rare, huge values does not set the bar for all others."""
    return np.log1p(distance / least)


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
