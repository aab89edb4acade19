"""Splits by time: fit on the past, tune on what followed, test on the last quarter."""

from dataclasses import dataclass

import numpy as np

from features.errors import RecoupError

TEST_SHARE = 0.25
VALIDATE_SHARE = 0.25
_ONE_DATE = (
    "nearly all that could be learnt from begins at the same time ({}): a model is tested on what began later; "
    "ingest loans of other dates"
)


@dataclass(frozen=True)
class Split:
    """Row masks. ``fit`` lies before ``validate``, ``validate`` before ``test``."""

    fit: np.ndarray
    validate: np.ndarray
    test: np.ndarray

    @property
    def train(self) -> np.ndarray:
        """All that lies before the test."""
        return self.fit | self.validate


@dataclass(frozen=True)
class Origin:
    """Row masks: all that lies before a moment, and the block that follows it."""

    before: np.ndarray
    after: np.ndarray


def origins(order: np.ndarray, entity: np.ndarray, within: np.ndarray, count: int) -> list[Origin]:
    """Return rolling origins: the later half of a part, cut into blocks, each judged by all before it.

    Parameters
    ----------
    order, entity : ndarray, shape (n,)
        As for `by_time`.
    within : ndarray of bool, shape (n,)
        The part; other rows are in no origin.
    count : int
        How many.

    Returns
    -------
    list of Origin
        In time order; at least one, and fewer than ``count`` where blocks would be empty.

    Raises
    ------
    RecoupError
        When all rows of the part have the same time.
    """
    _, first = np.unique(entity[within], return_index=True)
    times = np.sort(order[within][first])
    places = (len(times) * np.linspace(0.5, 1.0, count + 1)[:-1]).astype(int)
    edges = np.unique(times[places])
    later = times[times > times[0]]
    if not len(later):
        raise RecoupError(_ONE_DATE.format(times[0]))
    # where more than half stand at the first time, all others judge
    edges = edges[edges > times[0]] if edges[-1] > times[0] else later[:1]
    block = np.searchsorted(edges, order, side="right")
    return [Origin(within & (block < number), within & (block == number)) for number in range(1, len(edges) + 1)]


def by_time(order: np.ndarray, entity: np.ndarray) -> Split:
    """Split rows by time, each entity whole.

    Parameters
    ----------
    order : ndarray, shape (n,)
        What puts entities in time order; equal values stay together.
    entity : ndarray, shape (n,)
        What a row belongs to: the shares count entities, not rows.

    Returns
    -------
    Split
        The last quarter of entities is the test, the last quarter of the rest validates.

    Raises
    ------
    RecoupError
        When more than three quarters have the same first time.
    """
    _, first = np.unique(entity, return_index=True)
    times = np.sort(order[first])
    test_from = times[int(len(times) * (1 - TEST_SHARE))]
    before = times[times < test_from]
    if not len(before):
        raise RecoupError(_ONE_DATE.format(test_from))
    validate_from = before[int(len(before) * (1 - VALIDATE_SHARE))]
    return Split(
        fit=order < validate_from,
        validate=(order >= validate_from) & (order < test_from),
        test=order >= test_from,
    )
