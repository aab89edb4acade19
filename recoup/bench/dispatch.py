"""`recoup bench dispatch`: the assignment at scale, and what plans bring in worlds whose truth is known."""

import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from features.feeds.columns import INSTANT
from features.feeds.contacts import CHANNELS
from features.progress import Progress
from features.store import FeatureDoor
from features.world import Truth, load_truth, simulate, worth
from recoup.bench import book, knowable, law, memory, seeds
from recoup.bench.knowable import Knower
from serving.dispatch import candidates, offering, planning, policies
from serving.dispatch.capacities import Capacities
from training import contact, job
from training.attempt_value import AttemptValue
from training.registry import Registered

_CASES = 100_000
_WORLDS, _LOANS, _SEED = 4, 4_000, 500
_DESK_SHARE = 0.3
"""Of the default desk: its room then binds."""
_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def measure(progress: Progress) -> dict[str, float]:
    """Return the assignment's gap, time and memory, and net cash against other policies and the oracle.

    ``share_of_oracle_gain`` is our true net cash over that of a planner who knows the truth, ``share_of_knowable_gain``
    over that of one who knows as much of it as features can tell; `recoup.bench.knowable`. ``promised_over_true``
    is what our plan expects over what it is truly worth.
    ``NAME_over_ours`` is another policy's true net cash over that of recoup's plan: below 1 recoup is ahead. Its
    95 % interval is Student's over the worlds.
    """
    progress(f"an assignment of {_CASES:,} cases")
    figures = _at_scale()
    progress("what features can tell, from another world's truth")
    with tempfile.TemporaryDirectory() as folder:
        knower = knowable.learn(Path(folder), _MOMENT)
    found = []
    for number in range(_WORLDS):
        progress(f"world {number + 1} of {_WORLDS}: {_LOANS:,} loans")
        with tempfile.TemporaryDirectory() as folder:
            found.append(_world(Path(folder), _SEED + number, knower))
    table = pl.DataFrame(found)
    figures["illegal_slots"] = float(table["illegal"].sum())
    figures |= seeds.mean("share_of_oracle_gain", (table["ours"] / table["oracle"]).to_numpy())
    figures |= seeds.mean("share_of_knowable_gain", (table["ours"] / table["knowable"]).to_numpy())
    figures |= seeds.mean("promised_over_true", (table["promised"] / table["ours"]).to_numpy())
    for name in policies.RANKS:
        figures |= seeds.mean(f"{name}_over_ours", (table[name] / table["ours"]).to_numpy())
    return figures


def _world(folder: Path, seed: int, knower: Knower) -> dict[str, float]:
    """Train in a world, plan its next day in every way, and return what each plan is truly worth (USD)."""
    world = simulate(_LOANS, seed, folder / "world")
    door = book.taken_in(world.feeds, folder / "home")
    trained = job.run(
        door.home, contact.TASK, source=None, as_of=_MOMENT - timedelta(days=1), trials=1, seed=seed, study="bench",
        progress=lambda line: None,
    )  # fmt: skip
    model = Registered("contact", "0", "", trained.package)
    desk = Capacities.load().part(_DESK_SHARE)
    cases = candidates.cases(door, _MOMENT)
    told = candidates.judged(door, cases, desk.slots(_MOMENT), _MOMENT)
    values = AttemptValue.from_card(trained.package.card.attempt_value)
    offers, known = offering.contacts(door, told, _MOMENT, model, values)
    offers = offers.with_columns(pl.col(pl.Categorical).cast(pl.String))
    true = _true(load_truth(world.truth), offers.with_columns(second=_second(door, told.ways)[offers["way"]]))
    ours = planning.optimum(true, desk, _MOMENT).chosen
    best = planning.optimum(true.with_columns(net_value=pl.col("true_net")), desk, _MOMENT).chosen
    known_net = pl.Series(knower.net_value(door, known, told.lawful, values, _MOMENT))
    knowing = planning.optimum(true.with_columns(net_value=known_net), desk, _MOMENT).chosen
    others = {name: policies.in_order(true, name, desk, _MOMENT, seed) for name in policies.RANKS}
    return {
        "illegal": law.illegal(door.lake, ours, _MOMENT),
        "ours": float(ours["true_net"].sum()),
        "promised": float(ours["net_value"].sum()),
        "oracle": float(best["true_net"].sum()),
        "knowable": float(knowing["true_net"].sum()),
        **{name: float(plan["true_net"].sum()) for name, plan in others.items()},
    }


def _second(door: FeatureDoor, ways: pl.DataFrame) -> pl.Series:
    """Tell which ways are a debtor's second telephone."""
    people = candidates.points(door, _MOMENT, ways["borrower_id"]).select("borrower_id", "phone_alt")
    both = ways.join(people, on="borrower_id", how="left", maintain_order="left")
    return both.select((pl.col("contact_point") == pl.col("phone_alt")).fill_null(False)).to_series()


def _true(truth: Truth, offers: pl.DataFrame) -> pl.DataFrame:
    """Add what offers are truly worth."""
    return worth(truth, offers.rename({"slot": "planned_at"})).rename({"planned_at": "slot"})


def _at_scale() -> dict[str, float]:
    """Run the assignment in a process of its own."""
    code = "from recoup.bench import dispatch; dispatch.at_scale()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def at_scale() -> None:
    """Assign 100,000 cases to six channels over a day, and print gap, seconds and this process's peak memory."""
    hours = list(range(8, 21))
    seats = {"call": 60, "auto_call": 100, "sms": 200, "email": 200, "letter": 150, "visit": 20}
    desk = Capacities.model_validate({"pools": {
        name: {"channel": name, "unit": "seats", "units": units, "each": 1 if name == "visit" else 12, "hours": hours,
               "most_a_day": 13 * units // 2 if name == "visit" else None}
        for name, units in seats.items()
    }})  # fmt: skip
    offers = _many(hours)
    start = time.perf_counter()
    found = planning.optimum(offers, desk, _MOMENT)
    seconds = time.perf_counter() - start
    print(json.dumps(
        {"gap_to_bound": found.gap, "seconds_100k": seconds, "peak_gib": memory.peak_bytes() / 2**30}
    ))  # fmt: skip


def _many(hours: list[int]) -> pl.DataFrame:
    """Return offers of which only size and spread matter: case, channel and hour each move the value."""
    rng = np.random.default_rng(1)
    case = rng.gamma(0.6, 2.0, _CASES)
    taste, hour = rng.gamma(2.0, 0.5, (_CASES, len(CHANNELS))), rng.gamma(6.0, 1 / 6, (_CASES, len(hours)))
    force, cost = np.array([1.0, 0.5, 0.15, 0.1, 0.1, 6.0]), np.array([0.8, 0.12, 0.03, 0.01, 0.95, 20.0])
    people = pl.Series([f"B{number:06}" for number in range(_CASES)])
    parts = []
    for channel, name in enumerate(CHANNELS):
        for place, at in enumerate(hours):
            value = case * taste[:, channel] * hour[:, place] * force[channel] - cost[channel]
            lawful = rng.random(_CASES) < 0.85
            slot = pl.lit(_MOMENT + timedelta(hours=at)).cast(INSTANT)
            part = pl.DataFrame({"borrower_id": people, "net_value": value}).filter(lawful)
            parts.append(part.with_columns(slot.alias("slot"), channel=pl.lit(name), region=pl.lit(None, pl.String)))
    return pl.concat(parts)
