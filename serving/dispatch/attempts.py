"""The attempts of a plan with all that they rest on: what the journal keeps, and what makes one again from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from features.errors import RecoupError
from serving.dispatch import contact_rules
from serving.dispatch.valuing import Known
from serving.scoring import frame_of
from training.attempt_value import DIFFER, AttemptValue
from training.package import Explained, ModelPackage
from training.registry import Registered

_THREADS = 2
_MONEY = ["added_value", "cost", "net_value"]
_CONTACT = ["loan_id", "borrower_id", "channel", "pool", "contact_point", "point_kind", "planned_at", "local_hour",
            "chance", *_MONEY, "currency", "policy", "probability"]  # fmt: skip
_SLOT = ["channel", "pool", "contact_point", "point_kind", "planned_at", "local_hour", "chance", *_MONEY, "currency"]
_CASE = ["owed", "months_since_default", "agency", *DIFFER]
"""What the value of an attempt rests on, besides channel and chance."""


@dataclass(frozen=True)
class Attempts:
    """Attempts of a plan, n of them.

    Attributes
    ----------
    contacts : polars.DataFrame
        Who, how, when, by whom, and what it is worth.
    cases : polars.DataFrame
        What its value rests on.
    inputs : polars.DataFrame
        The model's inputs.
    explained : Explained
    """

    contacts: pl.DataFrame
    cases: pl.DataFrame
    inputs: pl.DataFrame
    explained: Explained

    @classmethod
    def of(cls, ways: Known, chosen: pl.DataFrame, model: Registered, values: AttemptValue) -> "Attempts":
        """Return chosen candidates, in order of time, channel and loan, valued together.

        Arithmetic on a column of one row differs in the last bit from that on many, so that what is to be made
        again to the bit is computed of all attempts at once.

        Parameters
        ----------
        ways : Known
        chosen : polars.DataFrame
            ``way``, ``slot`` (UTC), ``pool``, ``policy`` and ``probability``.
        model : Registered
        values : AttemptValue
        """
        rows, frame = ways.at(chosen.select("way", "slot", "pool", "policy", "probability"))
        place = rows.select(pl.arg_sort_by("slot", "channel", "loan_id")).to_series()
        rows, frame = rows[place], frame[place]
        chance, explained = _scored(model.package, frame)
        hour = frame.get_column("local_hour", default=pl.Series("local_hour", [], pl.Float64))
        valued = values.of(rows.with_columns(chance, hour)).rename({"slot": "planned_at"})
        contacts = valued.select(
            *_CONTACT, model_version=pl.lit(model.label), rule_set=pl.lit(contact_rules.load().label)
        )
        return cls(contacts, rows.select(_CASE), frame, explained)

    def decided(self) -> pl.DataFrame:
        """Return the attempts as decisions: a row each, as `serving.scoring.Scorer` journals a score."""
        planned_at = pl.col("planned_at").dt.strftime("%Y-%m-%dT%H:%M:%S+00:00")
        slot = self.contacts.with_columns(planned_at).select(pl.struct(_SLOT).alias("slot"))
        return pl.DataFrame([
            pl.repeat("attempt", self.contacts.height, eager=True).alias("kind"),
            self.contacts["loan_id"].alias("subject"),
            *self.contacts.select("policy", "probability"),
            self.inputs.to_struct("features"),
            pl.Series("score", self.explained.scores),
            pl.Series("base", self.explained.base),
            pl.Series("contributions", self.explained.contributions, dtype=pl.List(pl.Float64)),
            slot["slot"],
            self.cases.to_struct("case"),
        ])  # fmt: skip


def require_same_money(attempts: pl.DataFrame, decision: Mapping[str, Any], registered: Registered) -> None:
    """Refuse a planned attempt whose chance or value comes out otherwise than it was journalled.

    Parameters
    ----------
    attempts : polars.DataFrame
        All attempts of the plan, see `Attempts.decided`.
    decision : dict
        The record of one of them.
    registered : Registered
        The version that it names.

    Raises
    ------
    RecoupError
        Naming what differs.
    """
    frame = frame_of(decision["features"], registered.package)
    if registered.package.scores(frame)[0] != decision["slot"]["chance"]:
        raise RecoupError("the rebuilt chance differs from the journal")
    journalled = attempts.select(pl.col("slot").struct.unnest())
    bare = pl.concat([journalled.drop(_MONEY), attempts.select(pl.col("case").struct.unnest())], how="horizontal")
    again = AttemptValue.from_card(registered.package.card.attempt_value).of(bare)
    row = int(decision["decision_id"].rpartition(".")[2])
    for name in _MONEY:
        if again[name][row] != decision["slot"][name]:
            raise RecoupError(f"the rebuilt {name} differs from the journal")


def _scored(package: ModelPackage, frame: pl.DataFrame) -> tuple[pl.Series, Explained]:
    """Return chances and contributions; there is nothing to ask the model of no rows."""
    if frame.is_empty():
        nothing = np.empty(0)
        return pl.Series("chance", nothing), Explained(nothing, np.empty((0, len(package.names))), nothing)
    scores = package.scores(frame, threads=_THREADS)
    return pl.Series("chance", scores), package.explain(frame, threads=_THREADS)
