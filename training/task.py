"""What tells one model's training from another's; `training.job` does the rest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from features.lake import Lake
from features.store import FeatureDoor

Metrics = Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, float]]
Baseline = Callable[[pl.DataFrame, np.ndarray, pl.DataFrame], np.ndarray]


@dataclass(frozen=True)
class Task:
    """A model to be trained.

    Attributes
    ----------
    name, service : str
        The model, and the Feast FeatureService of its inputs.
    link : str
        See `training.package.Card`.
    fixed : dict
        CatBoost parameters that are not searched.
    rows : callable
        ``rows(lake, source, as_of)`` gives the labelled rows: the columns that the door to Feast
        asks for, and ``target``, ``weight``, ``entity``, ``order`` (time order of entities) and
        ``judged`` (rows on which metrics are taken, one an entity).
    metrics : callable
        ``metrics(realised, scores, weight)``.
    baselines : dict of str to callable
        ``baseline(train, target, test)`` gives scores.
    challengers : dict of str to callable
        Likewise, for those that take longer.
    search : dict of str to tuple
        Range of each CatBoost parameter that Optuna searches.
    utility : callable
        ``utility(metrics)``: one number for what the metrics are worth, by which candidates compare.
    designs : tuple of str
        Keys of `training.designs.DESIGNS`: the candidates, the likeliest first.
    monotone : dict of str to int
        Inputs in which the score may only rise (1) or fall (-1).
    beside : callable
        ``beside(door, source, as_of, seed)``: fields of the card that are estimated beside the model.
    """

    name: str
    service: str
    link: str
    fixed: dict[str, Any]
    rows: Callable[[Lake, str, datetime], pl.DataFrame]
    metrics: Metrics
    baselines: Mapping[str, Baseline]
    challengers: Mapping[str, Baseline]
    search: dict[str, tuple[float, float]]
    utility: Callable[[dict[str, float]], float]
    designs: tuple[str, ...] = ("direct",)
    monotone: dict[str, int] = field(default_factory=dict)
    most_rows: int = 60_000
    beside: Callable[[FeatureDoor, str, datetime, int], dict[str, Any]] = lambda door, source, as_of, seed: {}
