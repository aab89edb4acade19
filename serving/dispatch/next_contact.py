"""The best lawful slots for one debt: what the dispatch service answers."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from features.store import FeatureDoor
from serving.dispatch import candidates, valuing
from serving.dispatch.capacities import Capacities
from serving.refusals import NoCase
from training.attempt_value import AttemptValue
from training.package import ModelPackage
from training.row_model import RowModel


@dataclass(frozen=True)
class NextContact:
    """What may be done about a debt in the next 24 hours.

    Attributes
    ----------
    offered : polars.DataFrame
        Lawful slots, best first: ``channel``, ``contact_point`` (token), ``point_kind``, ``planned_at`` (UTC),
        ``local_hour``, ``chance``, ``added_value``, ``cost``, ``net_value`` (``currency``).
    inputs : polars.DataFrame
        The contact model's inputs of each of them, in the same order.
    refused : polars.DataFrame
        ``channel``, ``contact_point``, ``planned_at`` and ``clause`` of the others.
    """

    offered: pl.DataFrame
    inputs: pl.DataFrame
    refused: pl.DataFrame


def next_contact(door: FeatureDoor, package: ModelPackage | RowModel, values: AttemptValue, loan_id: str,
                 moment: datetime, features_of: valuing.FeaturesOf,
                 capacities: Capacities | None = None) -> NextContact:  # fmt: skip
    """Return every slot of the next 24 hours for a debt, lawful or refused.

    Parameters
    ----------
    door : FeatureDoor
        Refreshed.
    package : ModelPackage
        The contact model.
    values : AttemptValue
        What reaching the debtor adds.
    loan_id : str
    moment : datetime
        What was known then counts; slots begin then at the earliest (UTC).
    features_of : callable
        Model inputs of rows, such as ``lambda rows: door.online("contact_v1", rows).frame``.
    capacities : Capacities, optional
        Whose channels and hours are considered; the default's where not given.

    Raises
    ------
    NoCase
        When the loan is unknown, or nothing is owed on it any more.
    """
    case = candidates.cases(door, moment, loan_id)
    if case.is_empty():
        raise NoCase(f"{loan_id} is no case by {moment:%Y-%m-%d %H:%M}: not charged off, paid or settled")
    slots = (capacities or Capacities.load()).slots(moment)
    told = candidates.judged(door, case, slots, moment)
    known = valuing.known(told.ways, told.lawful, moment, features_of)
    parts = [(valuing.valued(part, frame, package, values), frame) for part, frame in known.by_slot(told.lawful)]
    refused = told.refusals().drop("loan_id")
    if not parts:
        return NextContact(pl.DataFrame(), pl.DataFrame(), refused)
    offered, inputs = (pl.concat(frames) for frames in zip(*parts, strict=True))
    order = offered.select(pl.arg_sort_by("net_value", "slot", "way", descending=[True, False, False]))
    columns = ["channel", "contact_point", "point_kind", pl.col("slot").alias("planned_at"), "local_hour", "chance",
               "added_value", "cost", "net_value", "currency"]  # fmt: skip
    best = order.to_series()
    return NextContact(offered[best].select(columns), inputs[best], refused)
