"""What reaching the debtor adds: extra net cash within 30 days, by channel, age of debt, debtor and agency.

`training.attempt_effect` estimates it from logged attempts. A cell, channel and age of debt, has a figure in currency
for a typical debt and debtor. It grows as a power of what is owed, and it is multiplied by what debtors differ in and
by the skill of the agency that works the debt.
"""

from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from features.errors import RecoupError

AGE_BANDS = (12.0, 24.0, 36.0)
"""Edges of the bands of debt age, months since default."""
DIFFER = ("annual_income", "credit_score")
"""What makes one debtor's figure higher than another's; candidates may have these columns, and ``agency``."""
CELL = ["channel", "age_band"]
_RANGE = (0.25, 3.0)


@dataclass(frozen=True)
class Size:
    """Cash on a debt over cash on a ``typical`` one (currency): (owed / typical) ** ``power``."""

    typical: float
    power: float

    def scale(self) -> pl.Expr:
        """Return the multiple for rows with ``owed``."""
        return (pl.col("owed") / self.typical) ** self.power


@dataclass(frozen=True)
class Difference:
    """How a column of `DIFFER` moves the figure: by the factor exp(``slope``) for each ``spread`` of its logarithm."""

    name: str
    mean: float
    spread: float
    slope: float

    def standard(self) -> pl.Expr:
        """Return the column's logarithm in standard deviations from its mean, 0 where unknown."""
        return ((pl.col(self.name).clip(1.0).log() - self.mean) / self.spread).clip(-3, 3).fill_null(0.0)


@dataclass(frozen=True)
class AttemptValue:
    """The estimate.

    Attributes
    ----------
    cells : polars.DataFrame
        Per ``channel`` and ``age_band``: ``added`` (currency per right-party contact on a typical debt of a typical
        debtor, after collection costs) with its 90 % interval ``lower``, ``upper``; ``raw`` and its ``standard_error``
        before shrinkage, ``attempts``.
    overall : float
        What a cell without evidence gets (currency).
    size : Size
        How cash grows with what is owed.
    differences : list of Difference
        How it differs among debtors.
    skills : dict of str to float
        By agency, the multiple of the figure where that agency works the debt; 1 where unknown.
    costs : polars.DataFrame
        Per ``channel``: mean logged cost of an attempt that missed and one that reached (currency).
    """

    cells: pl.DataFrame
    overall: float
    size: Size
    differences: list[Difference]
    skills: dict[str, float]
    costs: pl.DataFrame

    def of(self, candidates: pl.DataFrame) -> pl.DataFrame:
        """Add ``added_value``, ``cost`` and ``net_value`` (currency) to candidates.

        ``candidates`` has ``channel``, ``months_since_default``, ``owed`` and ``chance``; a column of
        `DIFFER`, or the ``agency``, that it lacks is unknown.
        """
        known = candidates.with_columns(age_band())
        known = known.join(self.cells.select(*CELL, "added"), on=CELL, how="left", maintain_order="left")
        known = known.join(self.costs, on="channel", how="left", maintain_order="left")
        chance, added = pl.col("chance"), pl.col("added").fill_null(self.overall) * self.size.scale()
        return known.with_columns(
            added_value=pl.min_horizontal(added * self.multiple(candidates.columns), "owed"),
            cost=(1 - chance) * pl.col("cost_missed") + chance * pl.col("cost_reached"),
        ).select(
            *candidates.columns, "added_value", "cost",
            (chance * pl.col("added_value") - pl.col("cost")).alias("net_value"),
        )  # fmt: skip

    def to_card(self) -> dict[str, Any]:
        """Return the estimate as plain values."""
        plain = {"cells": self.cells.to_dicts(), "costs": self.costs.to_dicts(), "overall": self.overall}
        differences = [asdict(found) for found in self.differences]
        return plain | {"size": asdict(self.size), "differences": differences, "skills": self.skills}

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> "AttemptValue":
        """Read what `to_card` wrote.

        Raises
        ------
        RecoupError
            When the model was trained without it, or by a release that counted otherwise.
        """
        if not card:
            raise RecoupError(
                "the contact model does not know what a contact adds: ingest attempts with their propensity, "
                "made at least 30 days before --as-of, and run `recoup train contact`"
            )
        if "skills" not in card:
            raise RecoupError(
                "the contact model is of an earlier release, which counted otherwise what a contact adds: "
                "run `recoup train contact`"
            )
        cells, costs = (pl.DataFrame(card[name], infer_schema_length=None) for name in ("cells", "costs"))
        differences = [Difference(**found) for found in card["differences"]]
        return cls(cells, card["overall"], Size(**card["size"]), differences, card["skills"], costs)

    def multiple(self, columns: list[str]) -> pl.Expr:
        """Return what is known in some columns multiplies the figure by."""
        moved = multiple([found for found in self.differences if found.name in columns])
        if "agency" in columns and self.skills:
            moved *= pl.col("agency").replace_strict(self.skills, default=1.0, return_dtype=pl.Float64)
        return moved.clip(*_RANGE)


def multiple(differences: list[Difference]) -> pl.Expr:
    """Return what all differences together multiply the figure by."""
    return pl.sum_horizontal(pl.lit(0.0), *(found.slope * found.standard() for found in differences)).exp()


def age_band() -> pl.Expr:
    """Return the band of ``months_since_default``, null where unknown."""
    months, edges = pl.col("months_since_default"), [int(edge) for edge in AGE_BANDS]
    band = pl.lit(f"under {edges[0]}")
    for edge, end in zip(edges, [*edges[1:], None], strict=True):
        band = pl.when(months >= edge).then(pl.lit(f"{edge}-{end}" if end else f"{edge} up")).otherwise(band)
    return pl.when(months.is_not_null()).then(band).alias("age_band")
