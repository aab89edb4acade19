"""How each column is compared, and how far it may move: read from ``thresholds.yaml``.

Methods are distances: they measure how far a column moved. What it takes to be no chance is learnt from
the reference (`monitoring.drift`); a threshold here is the distance from which on a move matters at all.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, Field, PositiveFloat, PositiveInt, ValidationError

from features.errors import RecoupError

SHIPPED = Path(__file__).with_name("thresholds.yaml")
SCORE = "score"
Method = Literal["wasserstein", "jensenshannon", "hellinger", "psi"]
_NUMBERS_ONLY = "wasserstein"


class Within(BaseModel, extra="forbid"):
    """A category ``by`` whose values a column is also compared within, one by one.

    What happens in one region drowns among all.
    """

    by: str
    threshold: PositiveFloat


@dataclass(frozen=True)
class Rule:
    """How one column is compared.

    Attributes
    ----------
    column, kind : str
        The model input (or ``score``), and whether it is a ``number``, ``flag`` or ``category``.
    method : str
        A distance of Evidently's.
    threshold : float
        Distance from which on a move matters.
    missing : float
        Change in the share of values that are missing, out of range or never seen from which on it matters.
    skip : str, optional
        Why the column is not compared at all.
    within : Within, optional
        Where else it is compared.
    """

    column: str
    kind: str
    method: Method
    threshold: float
    missing: float
    skip: str | None = None
    within: Within | None = None


class Chunks(BaseModel, extra="forbid"):
    """How time is cut: a week or a month, how many of them are the reference, at most so many rows of each."""

    every: Literal["1w", "1mo"]
    reference: PositiveInt
    most: PositiveInt


class Performance(BaseModel, extra="forbid"):
    """How often a chunk whose scores are as good as ever may alert, and the share by which it must differ."""

    false_alarms: Annotated[float, Field(gt=0, lt=1)]
    least: PositiveFloat


class Money(Performance):
    """The same of a vintage's cash; ``by`` is the input that says which loans are alike."""

    by: str


class _Kind(BaseModel, extra="forbid"):
    method: Method
    threshold: PositiveFloat


class _Kinds(BaseModel, extra="forbid"):
    number: _Kind
    flag: _Kind
    category: _Kind


class _Column(BaseModel, extra="forbid"):
    method: Method | None = None
    threshold: PositiveFloat | None = None
    missing: PositiveFloat | None = None
    within: Within | None = None
    skip: bool = False
    why: str


class Thresholds(BaseModel, extra="forbid"):
    """The file's content; see the comments there."""

    false_alarms: Annotated[float, Field(gt=0, lt=1)]
    fewest: PositiveInt
    fewest_within: PositiveInt
    chunks: dict[str, Chunks]
    performance: Performance
    money: Money
    missing: PositiveFloat
    kinds: _Kinds
    columns: dict[str, _Column]

    @classmethod
    def load(cls, path: Path = SHIPPED) -> "Thresholds":
        """Read a thresholds file.

        Raises
        ------
        RecoupError
            When it cannot be read, or says something that is not understood.
        """
        try:
            found = cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise RecoupError(f"{path}: cannot be read as thresholds: {error}") from error
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(str(part) for part in fault['loc']) or 'file'}: {fault['msg']}" for fault in error.errors()
            )
            raise RecoupError(f"{path}: {faults}") from error
        return found

    def rules(self, model: str, columns: list[dict[str, Any]]) -> list[Rule]:
        """Return a rule for each input of a model, and for its score.

        Parameters
        ----------
        model : str
            ``recovery`` or ``contact``.
        columns : list of dict
            Inputs as a model's card lists them: ``name`` and ``kind`` of each.

        Raises
        ------
        RecoupError
            When a column is of a kind that its method cannot compare.
        """
        return [
            self._rule(model, column["name"], column["kind"])
            for column in [*columns, {"name": SCORE, "kind": "number"}]
        ]

    def _rule(self, model: str, name: str, kind: str) -> Rule:
        """Resolve a column: ``model.name`` goes before ``name``, and that before the kind."""
        default: _Kind = getattr(self.kinds, kind)
        own = self.columns.get(f"{model}.{name}") or self.columns.get(name) or _Column(why="as its kind")
        method = own.method or default.method
        if method == _NUMBERS_ONLY and kind != "number":
            raise RecoupError(f"thresholds: {model}.{name} is a {kind}, which {method} cannot compare")
        return Rule(
            column=name,
            kind=kind,
            method=method,
            threshold=own.threshold or default.threshold,
            missing=own.missing or self.missing,
            skip=own.why if own.skip else None,
            within=own.within,
        )
