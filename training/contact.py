"""The contact model: chance that an attempt reaches the debtor in person.

A training row is an attempt, seen one second before it was made.

The source ``bank_marketing`` checks the same code on real calls. The AUC of 0.80 that is published of that campaign
(Moro, Cortez and Rita 2014, doi:10.1016/j.dss.2014.03.001) is of other rows and inputs: calls after July 2012, which
the public file, ending in 2010, lacks; a model made anew as the test rolls on; and 22 inputs chosen from 150, of which
it names who called whom and the agent's experience among those that mattered, and the file has neither. Here one model
of the first three quarters meets the last. Neither side uses the call's duration.
"""

from datetime import datetime
from typing import Any

import polars as pl

from features.errors import RecoupError
from features.lake import Lake
from features.marts.contact import JUST_BEFORE
from features.store import FeatureDoor
from training import attempt_effect, baselines, challengers, metrics
from training.task import Task


def rows(lake: Lake, source: str, as_of: datetime) -> pl.DataFrame:
    """Return every attempt whose outcome was known at ``as_of`` (UTC), in the order they were made.

    Raises
    ------
    RecoupError
        When the source has no attempts, or none that did or none that did not reach anybody.
    """
    attempts = (
        lake.scan("contacts", source)
        .filter(pl.col("known_at") <= as_of)
        .sort("attempted_at", "file_row")
        .select(
            "loan_id",
            "borrower_id",
            (pl.col("attempted_at") - JUST_BEFORE).alias("moment"),
            pl.col("channel").alias("channel_asked"),
            pl.col("point_kind").fill_null("unknown").alias("point_kind_asked"),
            pl.col("right_party").cast(pl.Float64).alias("target"),
            pl.lit(1.0).alias("weight"),
            pl.col("attempt_id").alias("entity"),
            pl.lit(True).alias("judged"),
        )
        .with_row_index("order")
        .collect()
    )
    if attempts["target"].n_unique() < 2:
        raise RecoupError(
            f"source {source!r} has {attempts.height} attempts known by {as_of:%Y-%m-%d}, and no "
            "two with different outcomes: ingest contacts, or give a later --as-of"
        )
    return attempts


def _attempt_value(door: FeatureDoor, source: str, as_of: datetime, seed: int) -> dict[str, Any]:
    found = attempt_effect.estimate(door, source, as_of, seed)
    return {"attempt_value": found.to_card()} if found else {}


TASK = Task(
    name="contact",
    service="contact_v3",
    link="logistic",
    fixed={"loss_function": "Logloss", "eval_metric": "Logloss"},
    rows=rows,
    metrics=metrics.contact,
    baselines={"logistic": baselines.logistic},
    challengers=challengers.CONTACT,
    search={
        "iterations": (100, 400), "depth": (4, 6), "learning_rate": (0.04, 0.15), "l2_leaf_reg": (1, 30),
        "rsm": (0.4, 1.0),
    },
    utility=lambda measured: -measured["log_loss"],
    beside=_attempt_value,
)  # fmt: skip
