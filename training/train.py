"""`recoup train`: one job from the lake to a registered version."""

import tempfile
from datetime import datetime
from pathlib import Path

from features.home import Home
from features.progress import Progress
from training import contact, job, plots, recovery, registry
from training.task import Task

TASKS = {task.name: task for task in (recovery.TASK, contact.TASK)}


def train(model: str | Task, home: Home, *, source: str | None = None, as_of: datetime | None = None,
          trials: int = 12, seed: int = 7, challengers: bool = False, progress: Progress = print,
          ) -> tuple[job.Trained, registry.Registered]:  # fmt: skip
    """Tune, fit, evaluate, explain, track and register a model.

    Parameters
    ----------
    model : str or Task
        ``recovery``, ``contact``, or a way of your own to make one of them.
    home : Home
    source : str, optional
        Whose data; needed when the lake holds several sources.
    as_of : datetime, optional
        Last moment (UTC) whose facts may be used.
    trials : int
        Optuna trials.
    seed : int
        The same seed on the same lake gives the same model.
    challengers : bool
        Whether other methods are measured on the same split too.
    progress : callable
        Told a line per step.

    Returns
    -------
    trained : Trained
    registered : Registered
        Its version; in force when none was before (see `training.registry.promote`).
    """
    task = TASKS[model] if isinstance(model, str) else model
    with registry.started(home, task.name) as run_id, tempfile.TemporaryDirectory() as scratch:
        trained = job.run(
            home, task, source=source, as_of=as_of, trials=trials, seed=seed,
            study=f"{task.name}-{run_id}", progress=progress, challengers=challengers,
        )  # fmt: skip
        progress("plots and registry")
        images = plots.save(trained, home.reports / "training" / task.name)
        return trained, registry.register(home, trained, images, Path(scratch) / "package")
