"""A task's rows with their features, fitted on any part of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from catboost import CatBoost, Pool

from training import ensemble
from training.curve import HorizonCurve
from training.package import to_pool
from training.task import Task


@dataclass(frozen=True)
class Learner:
    """A task's labelled rows (``rows``) and their model inputs (``frame``), row by row; parts are masks."""

    task: Task
    columns: list[dict[str, Any]]
    frame: pl.DataFrame
    rows: pl.DataFrame
    seed: int

    def fixed(self) -> dict[str, Any]:
        """Return the CatBoost parameters that are not searched."""
        return self.task.fixed | {
            "random_seed": self.seed,
            "thread_count": 2,
            "max_ctr_complexity": 1,
            "allow_writing_files": False,
            "verbose": False,
            "monotone_constraints": self.task.monotone,
        }

    def curve(self, part: np.ndarray) -> HorizonCurve | None:
        """Return the average recovery curve of a part, for a task with horizons."""
        if "horizon_months_asked" not in self.rows.columns:
            return None
        return HorizonCurve.fit(self.rows.filter(part))

    def average(self, part: np.ndarray, curve: HorizonCurve | None) -> np.ndarray:
        """Return what the model predicts multiples of, row by row."""
        if curve is None:
            return np.ones(part.sum())
        return curve.at(self.rows["horizon_months_asked"].to_numpy()[part])

    def target(self, part: np.ndarray, curve: HorizonCurve | None) -> np.ndarray:
        """Return what the mean part of the blend is fitted to."""
        return np.minimum(self.rows["target"].to_numpy()[part], self.task.blend.cap) / self.average(part, curve)

    def pool(self, part: np.ndarray, target: np.ndarray, curve: HorizonCurve | None) -> Pool:
        """Return a part's pool; small averages are noisy in multiples, and weigh less."""
        categories = [column["name"] for column in self.columns if column["kind"] == "category"]
        return to_pool(self.frame.filter(part), categories, target, self.average(part, curve))

    def fit(self, part: np.ndarray, parameters: dict[str, Any], curve: HorizonCurve | None) -> CatBoost:
        """Fit the task's design on a part of the rows."""
        return ensemble.fit(
            lambda target: self.pool(part, target, curve),
            self.target(part, curve),
            self.fixed() | parameters,
            self.task.blend,
        )
