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
