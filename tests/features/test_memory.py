"""A tape of a million loans is taken in on an ordinary machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl

from features.world import simulate_tape

TILES, LOANS = 100, 10_000
LIMIT = 6 * 1024**3
_INGEST = """
import json, resource, sys
from pathlib import Path
from features.home import Home
from features.lake import Lake
lake = Lake(Home(Path(sys.argv[1])))
batch = lake.ingest(Path(sys.argv[2]), "canonical")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps({"accepted": batch.accepted, "rejected": batch.rejected, "peak": peak}))
"""


def test_million_loans_fit_in_six_gigabytes(tmp_path):
    tile = simulate_tape(LOANS, seed=5)
    tile = tile.with_columns(balance=pl.when(pl.int_range(pl.len()) == 7).then(-1.0).otherwise("balance"))
    tape = tmp_path / "tape.csv"
    with tape.open("wb") as file:
        for number in range(TILES):
            copy = tile.with_columns(pl.col("loan_id", "borrower_id") + f"-{number}")
            copy.write_csv(file, include_header=number == 0, datetime_format="%Y-%m-%dT%H:%M:%SZ")
    answer = subprocess.run(
        [sys.executable, "-c", _INGEST, str(tmp_path / "home"), str(tape)],
        env=os.environ,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(answer.stdout)
    assert told["accepted"] == {"loans": TILES * (LOANS - 1)}
    assert told["rejected"] == {"loans": TILES}
    assert told["peak"] < LIMIT, f"{told['peak'] / 1024**3:.2f} GiB"
