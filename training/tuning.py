"""Optuna's choice among designs and parameters, judged on data that follows what was fitted."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from features.environment import database_url
from features.progress import Progress
from training.designs import DESIGNS
from training.learner import Learner
from training.split import Origin
from training.task import Task

_SCHEMA = "optuna"
_WHOLE = {"iterations", "depth"}
_LOGARITHMIC = {"learning_rate", "l2_leaf_reg"}


@dataclass(frozen=True)
class Tuned:
    """What the search found.

    Attributes
    ----------
    parameters : dict
        The best trial's: ``design``, its own settings, CatBoost's.
    utility : float
        Of that trial.
    trials, pruned : int
        How many were run, and how many of them were given up after an origin.
    designs : dict of str to float
        Best utility by design, of those that were tried to the end.
    """

    parameters: dict[str, Any]
    utility: float
    trials: int
    pruned: int
    designs: dict[str, float]


def tune(learner: Learner, origins: list[Origin], *, trials: int, journal: Path, study: str,
         progress: Progress) -> Tuned:  # fmt: skip
    """Search for the design and the parameters of the highest utility.

    Every design has a turn at the middle of all ranges, in the task's order; the sampler goes on from there.

    Parameters
    ----------
    learner : Learner
    origins : list of Origin
        A trial is fitted and judged at each; utility is that of the metrics' averages. None may touch the test.
    trials : int
        How many to run, one after another: seeds do not hold in parallel.
    journal : Path
        Optuna's journal file, on the embedded profile; the server profile has PostgreSQL. The study is kept there
        under ``study``, each trial with its metrics.
    progress : callable
        Told a line per trial.
    """
    task = learner.task
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    searched = optuna.create_study(
        study_name=study,
        direction="maximize",
        storage=_storage(journal),
        sampler=optuna.samplers.TPESampler(seed=learner.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=len(task.designs)),
    )
    for name in task.designs:
        searched.enqueue_trial(_middle(task, name))

    def objective(trial: optuna.Trial) -> float:
        parameters = _suggested(trial, task)
        measured: list[dict[str, float]] = []
        for step, origin in enumerate(origins):
            measured.append(_measured(learner, origin, parameters))
            trial.report(task.utility(_averaged(measured)), step)
            if step + 1 < len(origins) and trial.should_prune():
                raise optuna.TrialPruned
        trial.set_user_attr("metrics", _averaged(measured))
        return task.utility(_averaged(measured))

    def report(_: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        outcome = "pruned" if trial.value is None else f"utility {trial.value:.4f}"
        progress(f"trial {trial.number + 1}/{trials}: {trial.params['design']}, {outcome}")

    searched.optimize(objective, n_trials=trials, callbacks=[report])
    designs: dict[str, float] = {}
    for trial in searched.trials:
        if trial.value is not None:
            design = trial.params["design"]
            designs[design] = max(trial.value, designs.get(design, trial.value))
    pruned = sum(trial.state == optuna.trial.TrialState.PRUNED for trial in searched.trials)
    return Tuned(searched.best_trial.params, float(searched.best_trial.values[0]), trials, pruned, designs)


def _storage(journal: Path) -> BaseStorage:
    url = database_url()
    if url is None:
        journal.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(journal)))
    from features.postgres import engine_url, make_schema

    make_schema(url, _SCHEMA)
    return RDBStorage(engine_url(url, _SCHEMA))


def _measured(learner: Learner, origin: Origin, parameters: dict[str, Any]) -> dict[str, float]:
    """Fit once before the origin and measure on the judged rows that follow it."""
    judged = origin.after & learner.rows["judged"].to_numpy()
    curve = learner.curve(origin.before)
    model = learner.fit(origin.before, parameters, curve, seeds=1)
    weight = learner.rows["weight"].to_numpy()[judged]
    return learner.task.metrics(learner.target(judged), learner.scores(model, judged, curve), weight)


def _averaged(measured: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([one[name] for one in measured])) for name in measured[0]}


def _suggested(trial: optuna.Trial, task: Task) -> dict[str, Any]:
    design = trial.suggest_categorical("design", task.designs)
    chosen: dict[str, Any] = {"design": design}
    for name, (low, high) in (task.search | DESIGNS[design].search).items():
        if name in _WHOLE:
            chosen[name] = trial.suggest_int(name, int(low), int(high))
        else:
            chosen[name] = trial.suggest_float(name, low, high, log=name in _LOGARITHMIC)
    return chosen


def _middle(task: Task, design: str) -> dict[str, Any]:
    chosen: dict[str, Any] = {"design": design}
    for name, (low, high) in (task.search | DESIGNS[design].search).items():
        middle = float(np.sqrt(low * high) if name in _LOGARITHMIC else (low + high) / 2)
        chosen[name] = int(middle) if name in _WHOLE else middle
    return chosen
