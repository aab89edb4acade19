"""The most that a planner can know: what the features tell of attempts to who has seen another world's hidden truth.

He learns the true chance and the true effect themselves, not what came of them, from many more loans than a desk has.
What he still misses no model can foretell from these features.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from catboost import CatBoost, Pool

from features.store import FeatureDoor
from features.world import load_truth, simulate, worth
from recoup.bench import book
from serving.dispatch import candidates
from serving.dispatch.capacities import Capacities
from serving.dispatch.valuing import Known
from training import contact, job
from training.attempt_value import AttemptValue
from training.ensemble import MACHINE
from training.package import to_pool

_LOANS, _SEED = 24_000, 900
_TREES = MACHINE | {"depth": 7, "l2_leaf_reg": 5, "random_seed": _SEED}
_CHANCE = _TREES | {"loss_function": "CrossEntropy", "iterations": 500, "learning_rate": 0.08, "rsm": 0.6}
_EFFECT = _TREES | {"loss_function": "RMSE", "iterations": 400, "learning_rate": 0.06}
_FACTS = ["channel", "agency", "owed", "months_since_default"]
_POWER = 0.6
"""Effects grow about so with what is owed: trees need not find that."""
_YEAR = 12.0


@dataclass(frozen=True)
class Knower:
    """A planner who has seen the truth of a world: models of the chance and of the effect of an attempt."""

    chance: CatBoost
    effect: CatBoost

    def net_value(self, door: FeatureDoor, known: Known, lawful: pl.DataFrame, values: AttemptValue,
                  moment: datetime) -> np.ndarray:  # fmt: skip
        """Return what he holds each lawful candidate to be worth, by slot and way, shape (n,), in currency."""
        rows, frame = known.at(lawful)
        chance = 1 / (1 + np.exp(-self.chance.predict(_pool(frame), prediction_type="RawFormulaVal")))
        added = self.effect.predict(_pool(_facts(door, known.ways, moment))) * _scale(known.ways)
        place = rows.select("way").join(known.ways.select("way", "row"), on="way", maintain_order="left")["row"]
        costs = rows.select("channel").join(values.costs, on="channel", maintain_order="left")
        cost = (1 - chance) * costs["cost_missed"].to_numpy() + chance * costs["cost_reached"].to_numpy()
        return np.asarray(chance * added[place.to_numpy()] - cost)


def learn(folder: Path, moment: datetime) -> Knower:
    """Simulate a world of its own, and learn from its truth what attempts on its last day are.

    Parameters
    ----------
    folder : Path
        For the world and its home.
    moment : datetime
        When its book ends (UTC).
    """
    world = simulate(_LOANS, _SEED, folder / "world")
    door = book.taken_in(world.feeds, folder / "home")
    truth = load_truth(world.truth)
    learner = job.prepare(door, contact.TASK, "canonical", moment, _SEED, lambda line: None)
    drawn = learner.rows.select(attempt_id="entity").join(truth.attempts, on="attempt_id", maintain_order="left")
    chance = CatBoost(_CHANCE).fit(_pool(learner.frame, drawn["contact_chance"].to_numpy()))
    slots = Capacities.load().slots(moment)
    ways = candidates.judged(door, candidates.cases(door, moment), slots, moment).ways
    true = worth(truth, ways.with_columns(planned_at=moment + timedelta(hours=12)))["true_added"].to_numpy()
    effect = CatBoost(_EFFECT).fit(_pool(_facts(door, ways, moment), true / _scale(ways)))
    return Knower(chance, effect)


def _facts(door: FeatureDoor, ways: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """Return all that is known of the debtor and the debt of each way."""
    asked = ways.select("loan_id", "borrower_id", moment=pl.lit(moment), horizon_months_asked=pl.lit(_YEAR))
    frame = door.frame("recovery_v1", asked)
    facts = ways.select(_FACTS).with_columns(pl.col("agency").fill_null("missing"))
    return frame.drop(_FACTS, strict=False).hstack(facts)


def _scale(ways: pl.DataFrame) -> np.ndarray:
    return ways["owed"].to_numpy() ** _POWER


def _pool(frame: pl.DataFrame, target: np.ndarray | None = None) -> Pool:
    return to_pool(frame, [name for name, kind in frame.schema.items() if kind == pl.String], target)
