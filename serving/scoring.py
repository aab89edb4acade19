"""A score with all that travels with it: explained, checked, journalled, and made again.

A decision's record holds the model's inputs as they were read, so the score can be rebuilt to the
last bit from the journal and the registered model alone.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from features.errors import RecoupError
from features.online import iso
from features.online_row import OnlineRow, RowReader
from serving.journal import Journal
from serving.refusals import TooEarly
from serving.schemas import ReasonCode
from training.row_model import RowModel, RowScore

if TYPE_CHECKING:
    import polars as pl

    from training.package import ModelPackage

REASONS = 5
CHAMPION, CHALLENGER, SHADOW = "champion", "challenger", "shadow"
"""What part a version plays: it answers, it answers for a share of the loans, it is journalled and not answered."""


class Decision(NamedTuple):
    """A score and what it rests on.

    ``base_effect`` and the effects of *all* inputs add up to the score in the reader's unit; the
    largest few are given as reasons, and ``other_effect`` is the rest.
    """

    decision_id: str
    score: float
    base_effect: float
    reasons: list[ReasonCode]
    other_effect: float
    model_version: str
    known_at: dict[str, str]
    stale: dict[str, str]


class Inputs(NamedTuple):
    """A row of model inputs and what it rests on.

    Attributes
    ----------
    numbers, texts
        See `RowModel.explain`.
    known_at, stale : dict of str to str
        See `features.online_row.OnlineRow`; empty for inputs that the caller gave.
    """

    numbers: np.ndarray
    texts: Mapping[int, str]
    known_at: dict[str, str]
    stale: dict[str, str]

    @classmethod
    def read(cls, row: OnlineRow) -> "Inputs":
        """Return a row as the online store gave it."""
        return cls(row.numbers, row.texts, row.known_at, row.stale)


def require_standing(asked: datetime | None, moment: datetime, known_at: Mapping[str, str]) -> None:
    """Refuse values that were not known yet at the moment that they would be scored for.

    Parameters
    ----------
    asked : datetime, optional
        The moment that the caller names.
    moment : datetime
        That, or else what this machine's clock says (UTC).
    known_at : dict of str to str
        Since when each view's values have stood (ISO 8601, UTC).

    Raises
    ------
    TooEarly
        When the caller asks about the past.
    RecoupError
        When this machine's clock is behind what is known.
    """
    since = max(known_at.values(), default="")
    if since <= iso(int(moment.timestamp())):
        return
    if asked is not None:
        raise TooEarly(since)
    raise RecoupError(f"the clock here says {moment.isoformat()}, and the online store knows of {since}: set the clock")


@dataclass(frozen=True)
class Scorer:
    """Scores of one model version, journalled; ``role`` is the part that it plays."""

    model: RowModel
    label: str
    journal: Journal
    role: str = CHAMPION

    @contextmanager
    def together(self, reader: RowReader) -> Iterator[None]:
        """Let this thread's answers in a block share a sight of the online store and a write to the journal.

        Raises
        ------
        RecoupError
            At the end, when the journal cannot be written: none of them may be told.
        """
        with reader.steady(), self.journal.together():
            yield

    def decide(self, kind: str, subject: str, inputs: Inputs, unit: float, scored: RowScore,
               context: dict[str, Any]) -> Decision:  # fmt: skip
        """Journal a score and give it with its reasons.

        Parameters
        ----------
        kind : str
            What was asked, such as ``price``.
        subject : str
            The loan.
        inputs : Inputs
            What was scored.
        unit : float
            What a score of 1 is worth to the reader: the money owed, or 1 for a probability.
        scored : RowScore
        context : dict
            What else the answer says; goes to the journal.

        Raises
        ------
        RecoupError
            When the score, or what it is worth, is no finite number, or the journal cannot be written.
        """
        if not math.isfinite(scored.score * unit):
            raise RecoupError(
                f"{self.label} gives {subject or 'the loan'} no finite score, so it is not answered: see its features"
            )
        values: list[float | str] = inputs.numbers.tolist()
        for place, text in inputs.texts.items():
            values[place] = text
        record = {
            "kind": kind,
            "subject": subject,
            "model_version": self.label,
            "role": self.role,
            "fingerprint": self.model.fingerprint,
            "features": dict(zip(self.model.names, values, strict=True)),
            "known_at": inputs.known_at,
            "stale": inputs.stale,
            "score": scored.score,
            "base": scored.base,
            "unit": unit,
            "contributions": scored.contributions,
            **context,
        }
        effects = scored.contributions * unit
        places = (-np.abs(effects)).argsort(kind="stable")[:REASONS].tolist()
        reasons = [self._reason(place, values[place], effects.item(place)) for place in places]
        return Decision(
            decision_id=self.journal.append(record),
            score=scored.score,
            base_effect=scored.base * unit,
            reasons=reasons,
            other_effect=np.add.reduce(effects).item() - sum(reason.effect for reason in reasons),
            model_version=self.label,
            known_at=inputs.known_at,
            stale=inputs.stale,
        )

    def _reason(self, place: int, value: float | str, effect: float) -> ReasonCode:
        column = self.model.card.columns[place]
        return ReasonCode(column["name"], column["about"], None if value != value else value, effect)


@dataclass(frozen=True)
class Replayed:
    """A decision made again, and whether every bit is the same."""

    decision: dict[str, Any]
    score: float
    same_score: bool
    same_contributions: bool


def replay(decision: dict[str, Any], package: "ModelPackage") -> Replayed:
    """Rebuild a decision's score from its record.

    Parameters
    ----------
    decision : dict
        A journal record.
    package : ModelPackage
        The model version that it names.

    Raises
    ------
    RecoupError
        When the package is not the model that decided.
    """
    require_model(decision, package)
    again = package.explain(frame_of(decision["features"], package))
    return Replayed(
        decision=decision,
        score=float(again.scores[0]),
        same_score=float(again.scores[0]) == decision["score"],
        same_contributions=again.contributions[0].tolist() == decision["contributions"],
    )


def require_model(decision: dict[str, Any], package: "ModelPackage") -> None:
    """Refuse a package that is not the model that decided.

    Raises
    ------
    RecoupError
        Naming both.
    """
    if package.fingerprint != decision["fingerprint"]:
        raise RecoupError(
            f"{decision['model_version']} is now {package.fingerprint}, the decision was made by "
            f"{decision['fingerprint']}: the registered model was changed"
        )


def frame_of(features: dict[str, Any], package: "ModelPackage") -> "pl.DataFrame":
    """Return journalled features as the model's one-row input."""
    import polars as pl

    kinds = {column["name"]: column["kind"] for column in package.card.columns}
    return pl.DataFrame(
        {
            name: pl.Series(name, [features[name]], pl.String if kind == "category" else pl.Float64)
            for name, kind in kinds.items()
        }
    )


def carried(loan_id: str, decision: Decision) -> dict[str, Any]:
    """Return what every answer carries; see `serving.schemas.Answered`."""
    return {
        "decision_id": decision.decision_id,
        "loan_id": loan_id,
        "model_version": decision.model_version,
        "base_effect": decision.base_effect,
        "reasons": decision.reasons,
        "other_effect": decision.other_effect,
        "features_known_at": {view: _instant(text) for view, text in decision.known_at.items()},
        "stale": {view: _instant(text) for view, text in decision.stale.items()},
    }


_instant = lru_cache(maxsize=65_536)(datetime.fromisoformat)
"""Of the few texts that many loans have in common."""
