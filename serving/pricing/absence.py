"""What no loan of a tape has, though the model knew it of every loan: told once, and paid for in certainty.

An input that is absent from a whole tape, such as all that is known of the debtors when only their debts
are on offer, tells no loan from another: it is the tape that lies outside the population. How much
certainty is lost with it is asked of the training population, priced with the input and without.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from features.marts.columns import MISSING
from serving.pricing.population import Population
from training.outlook import Outlook
from training.package import ModelPackage

_HELD = 0.95
"""Share of the ends of the population's intervals, priced with the inputs, that the widened ones reach."""


@dataclass(frozen=True)
class Absence:
    """The inputs that a tape does not have, and what intervals without them are widened by.

    Attributes
    ----------
    names : tuple of str
    fall, rise : float
        Factors on the lower (at most 1) and on the upper end (at least 1) of every interval.
    """

    names: tuple[str, ...]
    fall: float = 1.0
    rise: float = 1.0

    @classmethod
    def of(cls, package: ModelPackage, population: Population, frame: pl.DataFrame) -> "Absence":
        """Return what is absent from a tape's model inputs, shape (n, features)."""
        names = tuple(name for name, held in population.known.items() if _is_absent(population, held, frame[name]))
        if not names:
            return cls(names)
        with_them = population.outlook
        blind, _, _ = package.appraise(without(population.seen, names, package), 0)
        return cls(
            names,
            fall=min(1.0, float(np.quantile(_ratio(with_them.lower, blind.lower), 1 - _HELD))),
            rise=max(1.0, float(np.quantile(_ratio(with_them.upper, blind.upper), _HELD))),
        )

    def left_out(self, population: Population) -> Population:
        """Return a population that is compared in the other inputs only."""
        return replace(
            population, known={name: held for name, held in population.known.items() if name not in self.names}
        )

    def widened(self, outlook: Outlook) -> Outlook:
        """Return an outlook with the ends of all intervals moved apart by the factors, within [0, 1]."""
        if not self.names:
            return outlook
        return replace(outlook, lower=outlook.lower * self.fall, upper=np.minimum(outlook.upper * self.rise, 1.0))

    def warnings(self, debtors: int) -> list[str]:
        """Return one sentence that names the inputs, none when none is absent.

        Parameters
        ----------
        debtors : int
            Of how many of the tape's debtors anything is known.
        """
        if not self.names:
            return []
        what = "data absent" if debtors else "debtor data absent"
        mend = "" if debtors else "; `recoup ingest FILE --source NAME --feed borrowers` brings them"
        return [
            f"{what}: no loan of the tape has {', '.join(self.names)}, which the model knew of every loan; every "
            f"interval ends {1 - self.fall:.0%} lower and {self.rise - 1:.0%} higher for it{mend}"
        ]


def without(frame: pl.DataFrame, names: Iterable[str], package: ModelPackage) -> pl.DataFrame:
    """Return model inputs with some of them made unknown."""
    kinds = {column["name"]: column["kind"] for column in package.card.columns}
    return frame.with_columns(
        pl.lit(MISSING if kinds[name] == "category" else None, frame.schema[name]).alias(name) for name in names
    )


def _is_absent(population: Population, held: list[object], values: pl.Series) -> bool:
    """Tell whether an input is unknown of all loans and was known of every loan in training."""
    if values.dtype.is_numeric():
        return values.name in population.always and values.null_count() == len(values)
    return MISSING not in held and bool((values == MISSING).all())


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """Return top over bottom where there is a bottom; a factor moves no end that lies at 0."""
    return np.asarray(top[bottom > 0] / bottom[bottom > 0]) if (bottom > 0).any() else np.ones(1)
