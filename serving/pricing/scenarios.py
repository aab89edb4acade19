"""A portfolio's recovery and value in many scenarios: every loan drawn in every scenario.

In a scenario a loan recovers its expectation times its own luck times what it shares with others:

    recovery = expected x X x F,    F = exp(sn zn - sn^2 / 2) x exp(sr zr - sr^2 / 2)

X is drawn from the package's quantiles of recovery over expectation, zn is one standard normal for
all loans, zr one for each region, sn and sr the model's common factors (`training.common_factor`).
All have mean 1, so that the scenarios' mean is the sum of the expectations, and luck that is shared
does not fade as loans are added. Cash of a loan rises and falls as a whole: its timing is fixed.

Every scenario has a stream of its own (SplitMix64; Steele, Lea and Flood 2014,
doi:10.1145/2660193.2660195), in which the loan's place is the counter. The result depends neither on
the number of threads nor on how scenarios are parted among them.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

SCENARIOS = 10_000


@dataclass(frozen=True)
class Exposures:
    """What n loans are expected to bring, and how that spreads.

    Attributes
    ----------
    cash, value : ndarray, shape (n,)
        Expected recovery, and the present value of what of it is net, in one currency.
    region : ndarray of int, shape (n,)
        Number of each loan's region, from 0 on.
    shape : ndarray of int, shape (n,)
        Which row of ``shapes`` is the loan's.
    shapes : ndarray, shape (groups, levels)
        Quantiles of recovery over its expectation, each row with mean 1.
    """

    cash: np.ndarray
    value: np.ndarray
    region: np.ndarray
    shape: np.ndarray
    shapes: np.ndarray


@dataclass(frozen=True)
class Scenarios:
    """Totals in each scenario, shape (scenarios, regions), in the exposures' currency."""

    cash: np.ndarray
    value: np.ndarray


def simulate(loans: Exposures, national: float, regional: float,
             scenarios: int = SCENARIOS, seed: int = 7, threads: int = 2) -> Scenarios:  # fmt: skip
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
    Scenarios
    """
    keys, factors = _shared(int(loans.region.max()) + 1, national, regional, scenarios, seed)
    order = np.lexsort((loans.shape, loans.region))
    region, shape = loans.region[order], loans.shape[order]
    new = np.flatnonzero((np.diff(region) != 0) | (np.diff(shape) != 0)) + 1
    starts = np.concatenate([[0], new, [len(order)]])
    money = loans.cash[order], loans.value[order]
    runs = starts, region[starts[:-1]], shape[starts[:-1]]
    totals = np.zeros((scenarios, factors.shape[1], 2))
    kernel, ends = _compiled(), np.linspace(0, scenarios, threads + 1).astype(int)

    def draw(first: int, last: int) -> None:
        kernel(*money, *runs, loans.shapes, keys[first:last], totals[first:last])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(draw, ends[:-1], ends[1:]))
    totals *= factors[:, :, None]
    return Scenarios(totals[:, :, 0], totals[:, :, 1])


def _shared(regions: int, national: float, regional: float, scenarios: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each scenario's key, and what its regions share, shape (scenarios, regions)."""
    rng = np.random.default_rng(seed)
    keys = rng.integers(0, 2**64, scenarios, dtype=np.uint64)
    log = national * rng.standard_normal((scenarios, 1)) - national**2 / 2
    log = log + regional * rng.standard_normal((scenarios, regions)) - regional**2 / 2
    return keys, np.exp(log)


@cache
def _compiled() -> Any:
    """The draw of all loans: adds each run's cash and value to totals [scenarios, regions, 2]."""
    from numba import njit  # here, since importing numba costs more than pricing a small tape

    step, half = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)
    first, second = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

    def draw(cash: Any, value: Any, starts: Any, regions: Any, rows: Any, shapes: Any, keys: Any, totals: Any) -> None:
        levels = np.uint64(shapes.shape[1])
        for scenario in range(len(keys)):
            state = keys[scenario]
            for run in range(len(regions)):
                quantiles = shapes[rows[run]]
                come, worth = 0.0, 0.0
                for loan in range(starts[run], starts[run + 1]):
                    state += step
                    mixed = (state ^ (state >> np.uint64(30))) * first
                    mixed = (mixed ^ (mixed >> np.uint64(27))) * second
                    luck = quantiles[((mixed ^ (mixed >> np.uint64(31))) >> half) * levels >> half]
                    come += cash[loan] * luck
                    worth += value[loan] * luck
                totals[scenario, regions[run], 0] += come
                totals[scenario, regions[run], 1] += worth

    return njit(cache=True, nogil=True)(draw)
