"""How far chunks of time stray by chance, for all questions together: learnt from the reference's own chunks.

Each of them, cut to as many rows as the judged chunk has, is set against all others, so that what rows share that were
made at about the same time counts as chance too.

Distances, on a scale that is straight up to the least that matters and logarithmic beyond, and changes of shares by
their square root, are studentised by their mean and spread over the other chunks, and a chunk alerts where one exceeds
what the largest of all of them exceeds in no more than the stated share of the reference's chunks (single-step maxT:
Westfall and Young 1993, "Resampling-based multiple testing"). A chunk that is one more of the same kind is as likely
to be among the farthest as any other (conformal prediction: Vovk et al. 2005, doi:10.1007/b106715): the stated share
of unchanged chunks alerts, whatever the number of questions and however they hang together. Columns that move by
themselves for longer than a chunk, as the market does and a book that ages, are another matter:
`monitoring/thresholds.yaml` says from where on they count.
"""

from dataclasses import dataclass

import numpy as np

from monitoring.gauges import Gauge

FEWEST_CHUNKS = 20
"""Chunks of the reference that a verdict needs."""
_LEAST_SPREAD = 0.1
"""Least spread by chance of a scaled distance."""


@dataclass(frozen=True)
class Null:
    """What chunks of one size do by chance.

    Attributes
    ----------
    least : ndarray, shape (tests,)
        Distances below which a move does not matter.
    of_share : ndarray of bool, shape (tests,)
        Which are changes of shares.
    mean, spread : ndarray, shape (tests,)
        Of each test's distance over the reference's chunks, as `_scaled`.
    largest : ndarray, shape (chunks,)
        The largest studentised distance of each, by mean and spread of the others, rising.
    false_alarms : float
    """

    least: np.ndarray
    of_share: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    largest: np.ndarray
    false_alarms: float

    @classmethod
    def learn(cls, gauges: list[Gauge], rows: list[np.ndarray], chunks: list[np.ndarray],
              false_alarms: float) -> "Null":  # fmt: skip
        """Learn from the reference.

        Parameters
        ----------
        gauges : list of Gauge
        rows : list of ndarray, shape (n,)
            By gauge, the reference's rows as it takes them.
        chunks : list of ndarray
            The places of each chunk's rows.
        false_alarms : float
            Share of unchanged chunks that may alert.
        """
        sizes = np.array([len(chunk) for chunk in chunks])
        to_others = len(rows[0]) / (len(rows[0]) - sizes)  # from the distance to all rows, the chunk's among them
        found = np.array([
            [gauge.value(known[chunk]) for chunk in chunks] for gauge, known in zip(gauges, rows, strict=True)
        ]) * to_others  # fmt: skip
        least = np.array([gauge.least for gauge in gauges])
        of_share = np.array([gauge.of_share for gauge in gauges])
        found = _scaled(found, least[:, None], of_share[:, None])
        known = np.isfinite(found)
        count = known.sum(axis=1, keepdims=True).astype(float)
        count[count < FEWEST_CHUNKS / 2] = np.nan
        mean = np.where(known, found, 0).sum(axis=1, keepdims=True) / count
        deviation = np.where(known, found - mean, 0)
        squares = (deviation**2).sum(axis=1, keepdims=True)
        # a root of a count has a spread of about a half, whatever the count (Bartlett 1936, doi:10.2307/2983678)
        half_of_a_row = _scaled(1 / sizes.max(), least, of_share) / 2
        floor = np.where(of_share, half_of_a_row, _LEAST_SPREAD)[:, None]
        from_others = deviation * count / (count - 1)  # a value less the mean of the others, and their variance:
        of_others = (squares - deviation * from_others) / (count - 2)
        studentised = from_others / np.maximum(np.sqrt(np.maximum(of_others, 0)), floor)
        largest = np.nanmax(studentised, axis=0, initial=-np.inf)
        spread = np.maximum(np.sqrt(squares / (count - 1)), floor)
        return cls(least, of_share, mean[:, 0], spread[:, 0], np.sort(largest), false_alarms)

    @property
    def critical(self) -> float:
        """The studentised distance that the stated share of chunks, at most, exceeds."""
        allowed = int(self.false_alarms * (len(self.largest) + 1))
        return float(self.largest[-allowed]) if allowed else np.inf

    def judged(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where alerts begin, shape (tests,), and the share of unchanged chunks with any test as far out.

        Both are adjusted for all tests, and not a number where the reference has too little to go by.
        """
        studentised = (_scaled(values, self.least, self.of_share) - self.mean) / self.spread
        begin = np.maximum(self.mean + self.critical * self.spread, 0)
        thresholds = np.maximum(np.where(self.of_share, begin**2, np.expm1(begin)), 1) * self.least
        beyond = len(self.largest) - np.searchsorted(self.largest, studentised)
        return thresholds, (1 + beyond) / (len(self.largest) + 1)


def _scaled(distance: np.ndarray | float, least: np.ndarray, of_share: np.ndarray) -> np.ndarray:
    """Return distances so that a test with rare, huge values does not set the bar for all others."""
    units = distance / least
    return np.where(of_share, np.sqrt(units), np.log1p(units))
