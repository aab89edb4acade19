"""A task's rows with their features, fitted on any part of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from catboost import CatBoost, Pool

from training import ensemble
from training.curve import HorizonCurve
from training.designs import DESIGNS
from training.link import linked
from training.package import to_pool
from training.task import Task

FEW_ROWS = 5_000
FOR_FEW = {"border_count": 64}
"""Finer borders would part a few dozen rows from each other, and take three times as long."""
_SEEDS = 5


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
        own = {"random_seed": self.seed, "monotone_constraints": self.task.monotone}
        return self.task.fixed | ensemble.MACHINE | own

    @property
    def categories(self) -> list[str]:
        """Inputs that are categories, in order."""
        return [column["name"] for column in self.columns if column["kind"] == "category"]

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

    def target(self, part: np.ndarray) -> np.ndarray:
        """Return what was realised, row by row."""
        return self.rows["target"].to_numpy()[part]

    def pool(self, part: np.ndarray, target: np.ndarray, curve: HorizonCurve | None) -> Pool:
        """Return a part's pool; small averages are noisy in multiples, and weigh less. Weights average to 1."""
        average = self.average(part, curve)
        return to_pool(self.frame.filter(part), self.categories, target, average / average.mean())

    def fit(
        self, part: np.ndarray, parameters: dict[str, Any], curve: HorizonCurve | None, seeds: int | None = None
    ) -> CatBoost:
        """Fit a design on a part of the rows.

        Parameters
        ----------
        part : ndarray of bool, shape (n,)
        parameters : dict
            ``design``, its own settings, and CatBoost's parameters that were searched.
        curve : HorizonCurve, optional
            Of the same part.
        seeds : int, optional
            How many fits to average; where rows are few, several, unless told otherwise.
        """
        design = DESIGNS[parameters["design"]]
        settings = {name: parameters[name] for name in design.search}
        searched = {name: parameters[name] for name in self.task.search}
        few = part.sum() <= FEW_ROWS
        return ensemble.fit(
            lambda target: self.pool(part, target, curve),
            design.parts(self.target(part), self.average(part, curve), **settings),
            self.fixed() | searched | (FOR_FEW if few else {}),
            seeds or (_SEEDS if few else 1),
        )

    def scores(self, model: CatBoost, part: np.ndarray, curve: HorizonCurve | None) -> np.ndarray:
        """Return a model's scores of a part, each in [0, 1]."""
        pool = self.pool(part, self.target(part), curve)
        raw = model.predict(pool, prediction_type="RawFormulaVal", thread_count=2)
        return linked(self.task.link, raw, self.average(part, curve))
