"""From a reason to a challenger on trial: trained on what is known now, brought to recent cash, validated.

Every step leaves the version in force as it is, and is found done when the same request is made again.
"""

import dataclasses
import tempfile
from datetime import datetime
from pathlib import Path

import numpy as np

from features.home import Home
from features.lake import Lake
from features.progress import Progress
from monitoring.loop import pace
from monitoring.loop.trial import ON_TRIAL, REFUSED, TRAINING, Trial, Trials
from monitoring.validation import validate
from serving.versions.lineup import CHALLENGER_ALIAS
from training import job, plots, registry
from training.card import Card
from training.level import levelled
from training.registry import Registered
from training.task import Task
from training.train import TASKS

_WIDTH = 0.01
"""How far around the champion's a parameter may lie that is no whole number."""
_GREEN = ("green", "not applicable")


def retrain(home: Home, name: str, because: str, *, as_of: datetime, alerts: list[str] | None = None,
            trials: int = 0, seed: int = 7, progress: Progress = print) -> Trial:  # fmt: skip
    """Train a challenger, validate it and put it on trial; the same request again changes nothing.

    Parameters
    ----------
    home : Home
    name : str
        ``recovery`` or ``contact``; one has to be in force.
    because : str
        Why.
    as_of : datetime
        Last moment (UTC) whose facts may be used.
    alerts : list of str, optional
        Ids of the alerts that this answers.
    trials : int
        Optuna trials; 0: the champion's own design and parameters on the new rows.
    seed : int
        Of search and model.
    progress : callable
        Told a line per step.

    Returns
    -------
    Trial
        On record in the home, and open; an earlier one that was open is refused as superseded.

    Raises
    ------
    RecoupError
        When no version is in force, or nothing can be learnt from the lake.
    """
    champion, kept = registry.load(home, name), Trials(home, name)
    trial = kept.begun(name, because, alerts or [], as_of)
    if trial.state != TRAINING:
        return trial
    for earlier in kept.all():
        if earlier.open and earlier.id != trial.id:
            kept.keep(earlier, state=REFUSED, reason=f"superseded by a challenger trained because of {because}")
    trial = kept.keep(trial, champion=champion.label)
    if not trial.version:
        card = champion.package.card
        challenger = registered(
            home, TASKS[name] if trials else _like(card), source=card.source, as_of=as_of, trials=trials or 1,
            seed=seed, progress=progress,
        )  # fmt: skip
        told = {"loop.trial": trial.id, "loop.because": because}
        registry.note(home, challenger, told)
        trial = kept.keep(trial, version=challenger.version, level=challenger.package.card.level)
    registry.promote(home, name, trial.version, alias=CHALLENGER_ALIAS)
    pack = validate(home, name, trial.version, progress=lambda line: None)
    lacking = [
        f"{check['title'].lower()} is {check['verdict']}"
        for check in pack.content["checks"].values()
        if check["verdict"] not in _GREEN
    ]
    progress(f"{trial.label}: pack {pack.content['verdict']}{': ' if lacking else ''}{', '.join(lacking)}")
    return kept.keep(trial, state=ON_TRIAL, lacking=lacking, reason="nothing has come since to compare it by")


def registered(home: Home, task: Task, *, source: str | None, as_of: datetime, trials: int, seed: int,
               progress: Progress) -> Registered:  # fmt: skip
    """Train and register a version, with its level brought to recent cash where that is off by more than chance.

    Parameters
    ----------
    home : Home
    task : Task
    source : str, optional
        Whose data; needed when the lake holds several sources.
    as_of : datetime
        Last moment (UTC) whose facts may be used.
    trials, seed : int
        Optuna trials; seed of search and model.
    progress : callable
        Told a line per step.
    """
    name = task.name
    progress(f"{name}: training on what is known by {as_of:%Y-%m-%d}")
    with registry.started(home, name) as run_id, tempfile.TemporaryDirectory() as scratch:
        trained = job.run(
            home, task, source=source, as_of=as_of, trials=trials, seed=seed,
            study=f"{name}-{run_id}", progress=lambda line: None,
        )  # fmt: skip
        card = trained.package.card
        found = pace.measure(Lake(home), card.source, as_of) if card.curve else None
        if found:
            progress(found.line())
            trained = dataclasses.replace(trained, package=levelled(trained.package, found.level()))
        images = plots.save(trained, home.reports / "training" / name)
        return registry.register(home, trained, images, Path(scratch) / "package")


def _like(card: Card) -> Task:
    """Return the card's task with its own design and parameters as the only ones to choose from."""
    task = TASKS[card.name]

    def around(value: float) -> tuple[float, float]:
        return (value, value) if isinstance(value, int | np.integer) else (value * (1 - _WIDTH), value * (1 + _WIDTH))

    kept = {name: around(card.parameters[name]) for name in task.search}
    return dataclasses.replace(task, designs=(card.parameters["design"],), search=kept)
