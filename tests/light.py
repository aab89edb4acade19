"""Both models' tasks with few trees that learn fast, for tests that ask how models are made, kept and served."""

from dataclasses import replace

from training.train import TASKS

_FAST = {"iterations": (30, 50), "learning_rate": (0.1, 0.2)}

LIGHT = {name: replace(task, search=task.search | _FAST, challengers={}) for name, task in TASKS.items()}
