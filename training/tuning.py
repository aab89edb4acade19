"""Optuna's search for CatBoost parameters, on data that follows what the model was fitted on."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from catboost import CatBoost, Pool
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna_integration import CatBoostPruningCallback

MOST_TREES = 400
PATIENCE = 50
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Tuned:
    """The best trial's parameters with its number of trees, its loss, and how many were pruned."""

    parameters: dict[str, Any]
    loss: float
    trials: int
    pruned: int


def tune(fit: Pool, validate: Pool, fixed: dict[str, Any], search: dict[str, tuple[float, float]], *,
         trials: int, seed: int, journal: Path, study: str, progress: Progress) -> Tuned:  # fmt: skip
    """Search learning rate, depth and regularisation.

    Parameters
    ----------
    fit, validate : catboost.Pool
        ``validate`` lies later in time; its loss is what is minimised.
    fixed : dict
        Parameters that are not searched: loss function, constraints, seed.
    search : dict of str to tuple
        Range of each parameter; integers for ``depth``, logarithmic but for ``rsm``.
    trials : int
        How many to run, one after another: seeds do not hold in parallel.
    seed : int
        Of the sampler.
    journal : Path
        Optuna's journal file; the study is kept there under ``study``.
    progress : callable
        Told a line per trial.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal.parent.mkdir(parents=True, exist_ok=True)
    trialled = optuna.create_study(
        study_name=study,
        storage=JournalStorage(JournalFileBackend(str(journal))),
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=50),
    )

    def objective(trial: optuna.Trial) -> float:
        with warnings.catch_warnings():
            # Optuna calls its CatBoost callback experimental, at every trial
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            pruning = CatBoostPruningCallback(trial, fixed["eval_metric"])
        model = CatBoost(fixed | _suggest(trial, search) | {"iterations": MOST_TREES})
        model.fit(fit, eval_set=validate, early_stopping_rounds=PATIENCE, callbacks=[pruning])
        pruning.check_pruned()
        trial.set_user_attr("trees", model.tree_count_)
        return model.get_best_score()["validation"][fixed["eval_metric"]]

    def report(_: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        outcome = "pruned" if trial.value is None else f"loss {trial.value:.5f}"
        progress(f"trial {trial.number + 1}/{trials}: {outcome}")

    trialled.optimize(objective, n_trials=trials, callbacks=[report])
    best = trialled.best_trial
    pruned = sum(trial.state == optuna.trial.TrialState.PRUNED for trial in trialled.trials)
    parameters = best.params | {"iterations": max(best.user_attrs["trees"], 1)}
    return Tuned(parameters, float(best.values[0]), len(trialled.trials), pruned)


def _suggest(trial: optuna.Trial, search: dict[str, tuple[float, float]]) -> dict[str, Any]:
    return {
        name: trial.suggest_int(name, int(low), int(high))
        if name == "depth"
        else trial.suggest_float(name, low, high, log=name != "rsm")
        for name, (low, high) in search.items()
    }
