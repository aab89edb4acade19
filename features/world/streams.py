"""Independent random streams: one for each part of the world, so that none moves another."""

from enum import IntEnum

import numpy as np


class Side(IntEnum):
    """Whose loans are drawn."""

    WORLD = 0
    BOOK = 1
    TAPE = 2
    SECURED = 3


class Part(IntEnum):
    """Parts of the world. The numbers are part of what a seed means: add, never renumber."""

    MARKET = 0
    TRAITS = 1
    STANDING = 2
    PEOPLE = 3
    LOANS = 4
    PLACEMENT = 5
    ATTEMPTS = 6
    CONVERSATIONS = 7
    LITIGATION = 8
    PAYMENTS = 9
    LAGS = 10
    CONTACT_LAGS = 11
    COURT_LAGS = 12
    AUCTIONS = 13
    COLLATERAL = 14


class Streams:
    """The random generators of one side of a world."""

    def __init__(self, seed: int, side: Side) -> None:
        self._seed, self._side = seed, side

    def __call__(self, part: Part) -> np.random.Generator:
        """Generator of one part, always from its start."""
        child = np.random.SeedSequence(self._seed, spawn_key=(int(self._side), int(part)))
        return np.random.Generator(np.random.PCG64(child))
