"""A portfolio's recovery and value in many scenarios: every loan drawn in every scenario.

In a scenario a loan recovers its expectation times its own luck times what it shares with others:

    recovery = expected x X x F,    F = exp(sn zn - sn^2 / 2) x exp(sr zr - sr^2 / 2)

X is drawn from the package's quantiles of recovery over expectation, zn is one standard normal for
all loans, zr one for each region, sn and sr the model's common factors (`training.common_factor`).
All have mean 1, so that the scenarios' mean is the sum of the expectations, and luck that is shared
does not fade as loans are added. Cash of a loan rises and falls as a whole: its timing is fixed. A loan
that pays nearly all in good times may bring more than is owed: capping it would lower the mean.

Every scenario has a stream of its own (SplitMix64; Steele, Lea and Flood 2014,
doi:10.1145/2660193.2660195), in which the loan's place is the counter. A number is the luck of two loans of
a block: its upper 32 bits of one in the first half, its lower of one in the second. The result depends neither on the
number of threads nor on how scenarios are parted among them.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import polars as pl

SCENARIOS = 10_000
_PART = 250
"""Scenarios that a thread draws at a time; only those in hand have a factor for every region."""
_BLOCK = 256
"""Loans whose luck is drawn before it is applied to each amount; their money fits into the fastest cache."""


@dataclass(frozen=True)
class Exposures:
    """What n loans are expected to bring, and how that spreads.

    Attributes
    ----------
    money : ndarray, shape (n, m)
        Expected amounts in one currency that rise and fall together: cash by each horizon, its value.
    region : ndarray of int, shape (n,)
        Number of each loan's region, from 0 on.
    shape : ndarray of int, shape (n,)
        Which row of ``shapes`` is the loan's.
    shapes : ndarray, shape (groups, levels)
        Quantiles of recovery over its expectation, each row with mean 1.
    """

    money: np.ndarray
    region: np.ndarray
    shape: np.ndarray
    shapes: np.ndarray


def numbered(region: pl.Series) -> np.ndarray:
    """Return the number of each loan's region, from 0 on, shape (n,)."""
    return region.rank("dense").to_numpy().astype(np.int64) - 1


def simulate(loans: Exposures, national: float, regional: float,
             scenarios: int = SCENARIOS, seed: int = 7, threads: int = 2) -> np.ndarray:  # fmt: skip
    """Draw a portfolio.

    Parameters
    ----------
    loans : Exposures
    national, regional : float
        Standard deviations of the common factors' logarithms.
    scenarios : int
    seed : int
        The same seed gives the same scenarios, whatever the threads.
    threads : int

    Returns
    -------
    ndarray, shape (scenarios, m)
        The portfolio's amounts in each scenario.
    """
    order = np.lexsort((loans.shape, loans.region))
    region, shape = loans.region[order], loans.shape[order]
    new = np.flatnonzero((np.diff(region) != 0) | (np.diff(shape) != 0)) + 1
    starts = np.concatenate([[0], new, [len(order)]])
    drawn = np.ascontiguousarray(loans.money[order].T), starts, region[starts[:-1]], shape[starts[:-1]], loans.shapes
    totals = np.zeros((scenarios, loans.money.shape[1]))
    kernel = _compiled()

    def draw(first: int) -> None:
        part = range(first, min(first + _PART, scenarios))
        keys, factors = _shared(part, int(region[-1]) + 1, national, regional, seed)
        kernel(*drawn, keys, factors, totals[first : part.stop])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(draw, range(0, scenarios, _PART)))
    return totals


def _shared(part: range, regions: int, national: float, regional: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the keys of scenarios, and what each region's loans share, shape (scenarios, regions)."""
    keys, normal = np.empty(len(part), dtype=np.uint64), np.empty((len(part), 1 + regions))
    for place, scenario in enumerate(part):
        rng = np.random.default_rng([seed, scenario])
        keys[place], normal[place] = rng.integers(0, 2**64, dtype=np.uint64), rng.standard_normal(1 + regions)
    log = national * normal[:, :1] + regional * normal[:, 1:]
    return keys, np.exp(log - (national**2 + regional**2) / 2)


@cache
def _compiled() -> Any:
    """The draw of all loans, run by run of one region and shape, of money [m, n], into totals [scenarios, m]."""
    from numba import njit  # here, since importing numba costs more than pricing a small tape

    step, half, low = np.uint64(0x9E3779B97F4A7C15), np.uint64(32), np.uint64(0xFFFF_FFFF)
    first, second = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

    def draw(money: Any, starts: Any, regions: Any, rows: Any, shapes: Any,
             keys: Any, factors: Any, totals: Any) -> None:  # fmt: skip
        levels, drawn, lucks = np.uint64(shapes.shape[1]), np.empty(_BLOCK // 2, np.uint64), np.empty(_BLOCK)
        for run in range(len(regions)):
            quantiles = shapes[rows[run]]
            for start in range(starts[run], starts[run + 1], _BLOCK):
                block = lucks[: min(_BLOCK, starts[run + 1] - start)]
                pairs = (len(block) + 1) // 2
                for scenario in range(len(keys)):  # a block's money is read from memory once for all
                    state = keys[scenario] + np.uint64(start) * step
                    for pair in range(pairs):
                        state += step
                        mixed = (state ^ (state >> np.uint64(30))) * first
                        mixed = (mixed ^ (mixed >> np.uint64(27))) * second
                        drawn[pair] = mixed ^ (mixed >> np.uint64(31))
                    for pair in range(pairs):
                        block[pair] = quantiles[(drawn[pair] >> half) * levels >> half]
                    for pair in range(len(block) - pairs):
                        block[pairs + pair] = quantiles[(drawn[pair] & low) * levels >> half]
                    for amount in range(len(money)):
                        expected, sum_ = money[amount, start : start + len(block)], 0.0
                        for place in range(len(block)):
                            sum_ += expected[place] * block[place]
                        totals[scenario, amount] += sum_ * factors[scenario, regions[run]]

    # a sum may be taken in any order: that is what lets it run in vector registers
    return njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})(draw)
