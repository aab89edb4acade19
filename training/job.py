"""One training job: rows, features in time, split, search, evidence, package, registry."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from features.errors import RecoupError
from features.home import Home
from features.progress import Progress
from features.store import FeatureDoor
from training import common_factor, coverage, evidence, population, split, spread
from training.leaf_shap import LeafShap
from training.learner import FEW_ROWS, Learner
from training.outlook import ULTIMATE
from training.package import Card, ModelPackage
from training.revision import code_revision
from training.task import Task

_REFERENCE_ROWS = 20_000
_VERIFIED_ROWS = 200


@dataclass(frozen=True)
class Trained:
    """What a job produced.

    Attributes
    ----------
    package : ModelPackage
        Fitted on all rows with the parameters that the past chose.
    metrics : dict of str to dict
        Out-of-time metrics of the model and of each baseline, on the same rows.
    test : polars.DataFrame
        ``realised``, ``score`` and ``weight`` of those rows; where the model has intervals also ``lower``,
        ``upper`` and what `training.coverage` slices by.
    rows : polars.DataFrame
        The labelled rows.
    search : dict
        What Optuna did.
    """

    package: ModelPackage
    metrics: dict[str, dict[str, float]]
    test: pl.DataFrame
    rows: pl.DataFrame
    search: dict[str, Any]


def run(home: Home, task: Task, *, source: str | None, as_of: datetime | None, trials: int,
        seed: int, study: str, progress: Progress, challengers: bool = False) -> Trained:  # fmt: skip
    """Train a model.

    Parameters
    ----------
    home : Home
        Where the lake is.
    task : Task
        Which model.
    source : str, optional
        Whose data; needed when the lake holds several sources.
    as_of : datetime, optional
        Last moment (UTC) whose facts may be used; now when not given.
    trials : int
        Optuna trials.
    seed : int
        Of search and model: the same seed on the same lake gives the same model.
    study : str
        Name of the Optuna study.
    progress : callable
        Told a line per step.
    challengers : bool
        Whether the task's challengers are measured too.
    """
    door = FeatureDoor(home)
    source = _source(door, task, source)
    as_of = as_of or datetime.now(UTC)
    learner = prepare(door, task, source, as_of, seed, progress)
    parts = split.by_time(learner.rows["order"].to_numpy(), learner.rows["entity"].to_numpy())
    progress(
        f"{learner.rows.height:,} rows of {learner.rows['entity'].n_unique():,}: fit {parts.fit.sum():,}, "
        f"validate {parts.validate.sum():,}, test {parts.test.sum():,}"
    )
    return _Job(home, task, learner, parts, source, as_of, progress).run(trials, study, door, challengers)


def prepare(door: FeatureDoor, task: Task, source: str, as_of: datetime, seed: int, progress: Progress) -> Learner:
    """Return a task's labelled rows with their features in time.

    Parameters
    ----------
    door : FeatureDoor
    task : Task
    source : str
        Whose data.
    as_of : datetime
        Last moment (UTC) whose facts are used.
    seed : int
        Of the sample, where rows are many, and of the models.
    progress : callable
        Told a line per step.
    """
    progress("marts and features")
    door.refresh()
    rows = _sampled(task.rows(door.lake, source, as_of), task.most_rows, seed, progress)
    frame = door.frame(task.service, rows)
    return Learner(task, [vars(column) for column in door.columns(task.service)], frame, rows, seed)


@dataclass(frozen=True)
class _Job:
    home: Home
    task: Task
    learner: Learner
    parts: split.Split
    source: str
    as_of: datetime
    progress: Progress

    def run(self, trials: int, study: str, door: FeatureDoor, challengers: bool) -> Trained:
        from training.tuning import tune

        learner, parts = self.learner, self.parts
        found = tune(
            learner, self._origins(),
            trials=trials, journal=self.home.optuna / "journal.log", study=study, progress=self.progress,
        )  # fmt: skip
        self.progress("out-of-time test")
        card = self._card(found.parameters | {"utilities": found.designs}, door)
        tested = fit(learner, parts.train, found.parameters, card)
        metrics, test = evidence.measure(learner, tested, parts.train, parts.test, challengers)
        card = replace(card, metrics=metrics)
        if tested.spread:
            shared = common_factor.learn(learner, parts.test, test["score"])
            card = replace(card, coverage=coverage.by_slice(test), common_factor=shared)
        self.progress("final fit and explanation table")
        final = fit(learner, np.ones(learner.rows.height, bool), found.parameters, card)
        search = {"trials": found.trials, "pruned": found.pruned, "utility": found.utility, "designs": found.designs}
        return Trained(final, metrics, test, learner.rows, search)

    def _origins(self) -> list[split.Origin]:
        """Return where candidates are compared: three origins where rows are few and luck is large."""
        rows = self.learner.rows
        count = 3 if rows.height <= FEW_ROWS else 1
        return split.origins(rows["order"].to_numpy(), rows["entity"].to_numpy(), self.parts.train, count)

    def _card(self, parameters: dict[str, Any], door: FeatureDoor) -> Card:
        rows, learner = self.learner.rows, self.learner
        horizons = sorted(set(rows["horizon_months_asked"])) if "horizon_months_asked" in rows.columns else []
        return Card(
            name=self.task.name,
            service=self.task.service,
            columns=learner.columns,
            link=self.task.link,
            source=self.source,
            as_of=self.as_of.isoformat(),
            seed=learner.seed,
            lake=door.lake.snapshot(),
            code=code_revision(),
            rows=rows.height,
            horizons=horizons,
            parameters=learner.fixed() | parameters,
            population=population.describe(learner.frame, learner.columns, learner.seed),
            **self.task.beside(door, self.source, self.as_of, learner.seed),
        )


def fit(learner: Learner, part: np.ndarray, parameters: dict[str, Any], card: Card) -> ModelPackage:
    """Fit a design on a part of the rows and package it: explanation table, spread, reference rows.

    Parameters
    ----------
    learner : Learner
    part : ndarray of bool, shape (n,)
    parameters : dict
        ``design``, its own settings and CatBoost's parameters, such as a card keeps them.
    card : Card
        What is known of the model beside what the fit adds.

    Raises
    ------
    ArithmeticError
        When explanations or curves do not agree with CatBoost.
    """
    curve = learner.curve(part)
    model = learner.fit(part, parameters, curve)
    shap = LeafShap.build(model)
    upper = None
    if curve:
        upper, distribution = spread.fit(learner, part, curve)
        card = replace(
            card,
            curve=curve.to_card(),
            distribution=distribution.to_card(),
            extrapolated_beyond=curve.horizons[-1] if curve.horizons[-1] < ULTIMATE else None,
        )
    package = ModelPackage(model, shap, card, pl.DataFrame(), upper)
    verified = learner.frame.filter(part).head(_VERIFIED_ROWS)
    shap.verify(model, package.pool(verified))
    if upper:
        package.verify(verified)
    reference = learner.frame.filter(part & learner.rows["judged"].to_numpy())
    reference = reference.sample(min(_REFERENCE_ROWS, reference.height), seed=learner.seed)
    if card.horizons:
        reference = reference.with_columns(horizon_months=pl.lit(max(card.horizons)))
    scores = pl.Series("score", package.scores(reference, threads=2))
    return replace(package, reference=reference.with_columns(scores))


def _source(door: FeatureDoor, task: Task, source: str | None) -> str:
    feed = "loans" if task.name == "recovery" else "contacts"
    held = door.lake.sources(feed)
    if source is None and len(held) > 1:
        raise RecoupError(f"the lake holds {feed} of {', '.join(held)}: say which with --source")
    if not held or (source or held[0]) not in held:
        wanted = f" of source {source!r}" if source else ""
        raise RecoupError(f"the lake holds no {feed}{wanted}: run `recoup ingest FILE --source NAME` first")
    return source or held[0]


def _sampled(rows: pl.DataFrame, most: int, seed: int, progress: Progress) -> pl.DataFrame:
    """Keep whole entities up to about ``most`` rows; where rows are many, a sample teaches as well."""
    if rows.height <= most:
        return rows
    progress(f"a sample of about {most:,} out of {rows.height:,} rows")
    share = int(most / rows.height * 2**32)
    chosen = rows["entity"].hash(seed=seed) % 2**32 < share
    return rows.filter(chosen)
