"""`recoup bench pricing`: a portfolio's scenarios against a NumPy loop, their memory, and what intervals hold."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from features.progress import Progress
from recoup.bench import coverage, memory, tape_rows
from recoup.bench.pairs import ratio
from serving.pricing import scenarios
from serving.pricing.scenarios import Exposures

_LOANS = 100_000
_TIMED = 2_000
"""Scenarios that are timed: both sides take a time in proportion to their number."""
_REGIONS, _SHAPES, _LEVELS, _AMOUNTS = 50, 10, 100, 7
NATIONAL, REGIONAL = 0.05, 0.05


def measure(progress: Progress) -> dict[str, float]:
    """Return how many times faster scenarios are than a loop, their peak memory, the share of intervals that held."""
    os.environ.setdefault("RECOUP_TOKEN_KEY", "a key of the bench's own")
    progress(f"{_TIMED:,} scenarios of {_LOANS:,} loans, {scenarios.SCENARIOS:,} for their memory")
    loans = exposures()
    scenarios.simulate(loans, NATIONAL, REGIONAL, 2)  # compiled once for a machine
    timed = ratio(lambda: by_loop(loans, _TIMED), lambda: scenarios.simulate(loans, NATIONAL, REGIONAL, _TIMED))
    figures = {
        "scenarios_vs_loop": timed["ratio"],
        "scenarios_vs_loop.seconds": timed["peer_seconds"],
        "scenarios_vs_loop.loop_seconds": timed["seconds"],
        "peak_gib": _peak_gib(),
    }
    with tempfile.TemporaryDirectory() as folder:
        found = coverage.held(Path(folder), progress, models=4, worlds=10, loans=6_000, seed=20_000)
    rows = tape_rows.measure(progress)
    figures |= {
        "tape_rows_vs_raw_predict": rows["ratio"],
        "tape_rows_vs_raw_predict.seconds": rows["seconds"],
        "tape_rows_vs_raw_predict.peer_seconds": rows["peer_seconds"],
    }
    return figures | {"portfolio_coverage": found["held"].to_numpy().mean(), "portfolios": found.height}


def exposures() -> Exposures:
    """Return a portfolio of which only the size matters."""
    rng = np.random.default_rng(1)
    shapes = np.sort(rng.gamma(0.3, 1.0, (_SHAPES, _LEVELS)), axis=1)
    return Exposures(
        rng.gamma(0.5, 1000.0, (_LOANS, _AMOUNTS)),
        rng.integers(0, _REGIONS, _LOANS),
        rng.integers(0, _SHAPES, _LOANS),
        shapes / shapes.mean(axis=1, keepdims=True),
    )


def by_loop(loans: Exposures, count: int, seed: int = 1) -> np.ndarray:
    """Draw the same portfolio as `scenarios.simulate` does, as one would in NumPy; shape (scenarios, m)."""
    rng = np.random.default_rng(seed)
    levels, totals = loans.shapes.shape[1], np.empty((count, loans.money.shape[1]))
    for scenario in range(count):
        luck = loans.shapes[loans.shape, rng.integers(0, levels, len(loans.shape))]
        log = NATIONAL * rng.standard_normal() + REGIONAL * rng.standard_normal(loans.region.max() + 1)
        shared = np.exp(log - (NATIONAL**2 + REGIONAL**2) / 2)
        totals[scenario] = (luck * shared[loans.region]) @ loans.money
    return totals


def _peak_gib() -> float:
    """Return the most memory that a process of its own holds while it draws the scenarios."""
    code = "from recoup.bench import pricing; print(pricing.peak())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def peak() -> float:
    """Draw the scenarios and return this process's peak memory in GiB."""
    scenarios.simulate(exposures(), NATIONAL, REGIONAL)
    return memory.peak_bytes() / 2**30
