"""A score with all that travels with it: explained, checked, journalled, and made again.

A decision's record holds the model's inputs as they were read, so the score can be rebuilt to the
last bit from the journal and the registered model alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from features.errors import RecoupError
from features.online import iso
from features.online_rows import InputRows
from serving.journal import Journal
from serving.refusals import TooEarly
from serving.schemas import ReasonCode
from training.row_model import RowModel, RowScores, largest

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
    """Rows of model inputs and what they rest on.

    Attributes
    ----------
    numbers, texts
        See `RowModel.explain`.
    known_at, stale : list of dict of str to str, n
        See `features.online_rows.InputRows`; empty for inputs that the caller gave.
    """

    numbers: np.ndarray
    texts: Mapping[int, Sequence[str]]
    known_at: list[dict[str, str]]
    stale: list[dict[str, str]]

    @classmethod
    def read(cls, found: InputRows) -> "Inputs":
        """Return rows as the online store gave them."""
        return cls(found.numbers, found.texts, found.known_at, found.stale)

    @classmethod
    def stacked(cls, parts: Sequence["Inputs"]) -> "Inputs":
        """Return the rows of one part after the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.numbers for part in parts]),
            {place: [text for part in parts for text in part.texts[place]] for place in parts[0].texts},
            [row for part in parts for row in part.known_at],
            [row for part in parts for row in part.stale],
        )

    def of(self, rows: Sequence[int]) -> "Inputs":
        """Return some of the rows, in rising order."""
        if len(rows) == len(self.numbers):
            return self
        texts = {place: [known[row] for row in rows] for place, known in self.texts.items()}
        known_at, stale = ([side[row] for row in rows] for side in (self.known_at, self.stale))
        return Inputs(self.numbers[list(rows)], texts, known_at, stale)

    def values(self) -> list[list[float | str]]:
        """Return each row's inputs in order."""
        rows: list[list[float | str]] = self.numbers.tolist()
        for place, texts in self.texts.items():
            for row, text in zip(rows, texts, strict=True):
                row[place] = text
        return rows


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

    def decide(self, kind: str, subjects: Iterable[str], inputs: Inputs, units: np.ndarray, scored: RowScores,
               contexts: Iterable[dict[str, Any]]) -> list[Decision]:  # fmt: skip
        """Journal n scores, all or none, and give them with their reasons.

        Parameters
        ----------
        kind : str
            What was asked, such as ``price``.
        subjects : iterable of str, n
            The loans.
        inputs : Inputs
            What was scored, n rows.
        units : ndarray, shape (n,)
            What a score of 1 is worth to the reader: the money owed, or 1 for a probability.
        scored : RowScores
        contexts : iterable of dict, n
            What else the answers say; goes to the journal.

        Raises
        ------
        RecoupError
            When a score, or what it is worth, is no finite number, or the journal cannot be written.
        """
        if not np.isfinite(scored.scores * units).all():
            raise RecoupError(f"{self.label} gives a score that is not finite, so it is not answered")
        values = inputs.values()
        records = [
            {
                "kind": kind,
                "subject": subject,
                "model_version": self.label,
                "role": self.role,
                "fingerprint": self.model.fingerprint,
                "features": dict(zip(self.model.names, values[row], strict=True)),
                "known_at": inputs.known_at[row],
                "stale": inputs.stale[row],
                "score": scored.scores.item(row),
                "base": scored.base,
                "unit": units.item(row),
                "contributions": scored.contributions[row],
                **context,
            }
            for row, (subject, context) in enumerate(zip(subjects, contexts, strict=True))
        ]
        ids = self.journal.append_all(records)
        effects = scored.contributions * units[:, None]
        moved, (places, most) = np.add.reduce(effects, axis=1).tolist(), largest(effects, REASONS)
        reasons = [
            [self._reason(place, row[place], effect) for place, effect in zip(of_row, by, strict=True)]
            for of_row, row, by in zip(places.tolist(), values, most.tolist(), strict=True)
        ]
        return [
            Decision(
                decision_id=decision_id,
                score=record["score"],
                base_effect=record["base"] * record["unit"],
                reasons=of_row,
                other_effect=effect - sum(reason.effect for reason in of_row),
                model_version=self.label,
                known_at=record["known_at"],
                stale=record["stale"],
            )
            for decision_id, record, of_row, effect in zip(ids, records, reasons, moved, strict=True)
        ]

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
