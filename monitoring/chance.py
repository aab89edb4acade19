"""How far chunks of time stray by chance, for all questions together: learnt from the reference's own chunks.

A judged chunk lies after the reference: in a world where nothing happened, too, the market has moved and the book
has aged since. So the reference is cut into parts of time, and each part's chunks are set against what lies on one
side of the part, the longer one: as far off as a judged chunk is from its reference, and never among their own
neighbours (a process that has no direction in time looks the same from either side; leaving neighbours out where
rows hang together in time: Burman, Chow and Nolan 1994, doi:10.1093/biomet/81.2.351).

Distances, on a scale that is straight up to the least that matters and logarithmic beyond, are studentised by their
mean and spread over the other chunks, and a chunk alerts where one exceeds what the largest of all of them exceeds in
no more than the stated share of the reference's chunks (single-step maxT: Westfall and Young 1993, "Resampling-based
multiple testing"). A chunk that is one more of the same kind is as likely to be among the farthest as any other
(conformal prediction: Vovk et al. 2005, doi:10.1007/b106715): the stated share of unchanged chunks alerts, whatever
the number of questions and however they hang together, for as long after the reference as a part is long.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from monitoring.gauges import Gauge

FEWEST_CHUNKS = 20
"""Chunks of the reference that a verdict needs."""
_PARTS = 4
"""Parts of time into which the reference is cut: of three years, nine months each."""
_SHARE_OF_LEAST = 0.1
"""Least spread by chance of a distance, as a share of the least that matters; a share's is that of one row."""


@dataclass(frozen=True)
class Part:
    """Chunks of one part of the reference's time.

    Attributes
    ----------
    gauges : list of Gauge or None
        Every test, of what lies on the longer side of the part; none where there is too little for it.
    rows : list of list of ndarray
        By test, each chunk's rows as the gauge takes them.
    chunks : int
    """

    gauges: list[Gauge | None]
    rows: list[list[np.ndarray]]
    chunks: int

    def distances(self, size: int) -> np.ndarray:
        """Return how far each chunk, cut to so many rows, lies from that side, shape (tests, chunks)."""
        return np.array([
            [gauge.value(chunk[:size]) for chunk in rows] if gauge else [np.nan] * self.chunks
            for gauge, rows in zip(self.gauges, self.rows, strict=True)
        ])  # fmt: skip


def parts(reference: pl.DataFrame, chunks: list[np.ndarray], tests: list[Gauge],
          gauged: Callable[[pl.DataFrame], list[Gauge]]) -> list[Part]:  # fmt: skip
    """Return the reference's chunks in the order of time, part by part.

    Parameters
    ----------
    reference : polars.DataFrame, shape (n, columns)
    chunks : list of ndarray
        The places of each chunk's rows, in the order of time.
    tests : list of Gauge
        Those of the whole reference.
    gauged : callable
        Returns the tests of some rows.
    """
    cut = [[chunks[place] for place in part] for part in np.array_split(range(len(chunks)), _PARTS)]
    found = []
    for place, own in enumerate(cut):
        longer = cut[:place] if 2 * place >= _PARTS - 1 else cut[place + 1 :]
        side = gauged(reference[np.concatenate([chunk for part in longer for chunk in part])])
        there = {gauge.key: gauge for gauge in side}
        asked = [there.get(test.key) for test in tests]
        rows, ends = reference[np.concatenate(own)], np.cumsum([len(chunk) for chunk in own])[:-1]
        found.append(Part(asked, [np.split(one.read(rows), ends) if one else [] for one in asked], len(own)))
    return found


@dataclass(frozen=True)
class Null:
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
    def learn(cls, gauges: list[Gauge], found: np.ndarray, size: int, false_alarms: float) -> "Null":
        """Learn from distances.

        Parameters
        ----------
        gauges : list of Gauge
        found : ndarray, shape (tests, chunks)
            See `Part.distances`.
        size : int
            Rows of the largest chunk.
        false_alarms : float
            Share of unchanged chunks that may alert.
        """
        least = np.array([gauge.least for gauge in gauges])
        found = _scaled(found, least[:, None])
        known = np.isfinite(found)
        count = known.sum(axis=1, keepdims=True).astype(float)
        count[count < FEWEST_CHUNKS / 2] = np.nan
        mean = np.where(known, found, 0).sum(axis=1, keepdims=True) / count
        deviation = np.where(known, found - mean, 0)
        squares = (deviation**2).sum(axis=1, keepdims=True)
        one_row = 1 / size / least
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

    def judged(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where alerts begin, shape (tests,), and the share of unchanged chunks with any test as far out.

        Both are adjusted for all tests, and not a number where the reference has too little to go by.
        """
        studentised = (_scaled(values, self.least) - self.mean) / self.spread
        thresholds = np.maximum(np.expm1(self.mean + self.critical * self.spread), 1) * self.least
        beyond = len(self.largest) - np.searchsorted(self.largest, studentised)
        return thresholds, (1 + beyond) / (len(self.largest) + 1)


def _scaled(distance: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Return distances so that a test with rare, huge values does not set the bar for all others."""
    return np.log1p(distance / least)
