"""The evidence that all checks share, made once: out-of-time rows, honest scores, explanations, persons.

The version in the registry was fitted on all rows, the last ones too. Its scores of them flatter it, so that
what is said of its quality rests on the `tested` model: the same design and parameters, fitted on all that
lies before the test. What is said of its behaviour rests on the version itself.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from features.home import Home
from features.progress import Progress
from features.store import FeatureDoor
from monitoring.validation import people, truths
from training import evidence, job, split
from training.learner import Learner
from training.package import Explained, ModelPackage
from training.registry import Registered
from training.split import Split
from training.train import TASKS


@dataclass(frozen=True)
class Evidence:
    """What checks look at; arrays without a shape given are those of the n judged out-of-time rows.

    Attributes
    ----------
    version : Registered
        The version under validation.
    learner : Learner
        All labelled rows and their inputs, as known at the version's own ``as_of``.
    parts : Split
    tested : ModelPackage
        Fitted on ``parts.train`` with the version's parameters.
    metrics : dict of str to dict
        Out-of-time metrics of the tested model, its baselines and its challengers.
    table : polars.DataFrame
        See `training.evidence.measure`.
    people : polars.DataFrame
        ``age band``, ``region``, ``sex`` of the debtor of each row; null where unknown.
    truth : ndarray, shape (rows,), optional
        The true expectation of every labelled row in a simulated world, NaN where nobody knows it.
    lake : str
        What the lake is now.
    """

    version: Registered
    learner: Learner
    parts: Split
    tested: ModelPackage
    metrics: dict[str, dict[str, float]]
    table: pl.DataFrame
    people: pl.DataFrame
    truth: np.ndarray | None
    lake: str

    @property
    def package(self) -> ModelPackage:
        """The version's own model."""
        return self.version.package

    @property
    def chances(self) -> bool:
        """Whether scores are chances of an event, and not shares of money."""
        return self.learner.task.link == "logistic"

    @property
    def order_metric(self) -> str:
        """What `order` is."""
        return "Gini" if self.chances else "Spearman"

    @cached_property
    def mask(self) -> np.ndarray:
        """Judged out-of-time rows among all, shape (rows,)."""
        return self.parts.test & self.learner.rows["judged"].to_numpy()

    @cached_property
    def before(self) -> np.ndarray:
        """Judged rows before the test, shape (rows,)."""
        return self.parts.train & self.learner.rows["judged"].to_numpy()

    @cached_property
    def frame(self) -> pl.DataFrame:
        """Model inputs, shape (n, features)."""
        return self.learner.frame.filter(self.mask)

    @cached_property
    def rows(self) -> pl.DataFrame:
        """Who, when, how much is owed."""
        return self.learner.rows.filter(self.mask)

    @cached_property
    def realised(self) -> np.ndarray:
        """What came."""
        return self.table["realised"].to_numpy()

    @cached_property
    def scores(self) -> np.ndarray:
        """What the tested model had said."""
        return self.table["score"].to_numpy()

    @cached_property
    def weight(self) -> np.ndarray:
        """What a row counts for: money owed, or one attempt."""
        return self.table["weight"].to_numpy()

    @cached_property
    def cluster(self) -> np.ndarray:
        """Whose row it is: rows of one debtor are not independent."""
        return self.rows["borrower_id"].fill_null(self.rows["entity"].cast(pl.String)).to_numpy()

    @cached_property
    def explained(self) -> Explained:
        """Contributions to the version's scores, shape (n, features)."""
        return self.package.explain(self.frame, threads=2)

    def order(self, realised: np.ndarray, scores: np.ndarray) -> float:
        """Return how well scores put outcomes in order: 1 perfectly, 0 not at all, NaN when it cannot be said.

        Gini (twice the area under the ROC curve less one) for events, Spearman's correlation for rates.
        """
        if np.ptp(realised) == 0:
            return float("nan")
        if np.ptp(scores) == 0:
            return 0.0
        if self.chances:
            return 2 * float(roc_auc_score(realised, scores)) - 1
        return float(spearmanr(realised, scores).statistic)

    def level(self, realised: np.ndarray, scores: np.ndarray, weight: np.ndarray) -> float:
        """Return the total foretold over the total that came; NaN when nothing came."""
        came = float((realised * weight).sum())
        return float((scores * weight).sum()) / came if came > 0 else float("nan")


def gather(
    home: Home,
    version: Registered,
    truth: Path | None,
    progress: Progress,
    *,
    most_rows: int | None = None,
    challengers: bool = True,
) -> Evidence:
    """Make the evidence of a version.

    Parameters
    ----------
    home : Home
    version : Registered
    truth : Path, optional
        The truth folder of the simulated world that the lake's feeds are of.
    progress : callable
        Told a line per step.
    most_rows : int, optional
        A first look takes a sample of about so many; as many as the version was trained on when not given.
    challengers : bool
        Whether the task's challengers are fitted too.
    """
    card, door = version.package.card, FeatureDoor(home)
    task = TASKS[card.name]
    if most_rows is not None:
        task = replace(task, most_rows=most_rows)
    as_of = datetime.fromisoformat(card.as_of)
    learner = job.prepare(door, task, card.source, as_of, card.seed, progress)
    parts = split.by_time(learner.rows["order"].to_numpy(), learner.rows["entity"].to_numpy())
    known = truths.expected(truth, learner.rows, card.name) if truth else None
    progress(f"the model as fitted before the test{', its challengers' if challengers else ''}")
    tested = job.fit(learner, parts.train, card.parameters, card)
    metrics, table = evidence.measure(learner, tested, parts.train, parts.test, challengers)
    judged = parts.test & learner.rows["judged"].to_numpy()
    return Evidence(
        version=version,
        learner=learner,
        parts=parts,
        tested=tested,
        metrics=metrics,
        table=table,
        people=people.describe(door.lake, card.source, learner.rows.filter(judged), as_of),
        truth=known,
        lake=door.lake.snapshot(),
    )
