"""Splits by time: fit on the past, tune on what followed, test on the last quarter."""

from dataclasses import dataclass

import numpy as np

TEST_SHARE = 0.25
VALIDATE_SHARE = 0.25


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
        In time order; fewer than ``count`` where blocks would be empty.
    """
    _, first = np.unique(entity[within], return_index=True)
    times = np.sort(order[within][first])
    places = (len(times) * np.linspace(0.5, 1.0, count + 1)[:-1]).astype(int)
    edges = np.unique(times[places])
    edges = edges[edges > times[0]]
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
    """
    _, first = np.unique(entity, return_index=True)
    times = np.sort(order[first])
    test_from = times[int(len(times) * (1 - TEST_SHARE))]
    before = times[times < test_from]
    if not len(before):
        raise ValueError("every row has the same time: nothing to train on before the test")
    validate_from = before[int(len(before) * (1 - VALIDATE_SHARE))]
    return Split(
        fit=order < validate_from,
        validate=(order >= validate_from) & (order < test_from),
        test=order >= test_from,
    )
