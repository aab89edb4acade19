"""What each loan of a tape is worth: valued, bounded and explained, a part of the tape at a time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl

from serving.pricing import secured, valuation
from serving.pricing.absence import Absence
from serving.pricing.offer import Offer
from serving.pricing.population import Outside, Population
from serving.pricing.valuation import Assumptions, Valued

REASONS = 3
_REASONS = [f"reason_{place + 1}" for place in range(REASONS)]
_PART_LOANS = 65_536  # what is worked out of them lies near the processor
_THREADS = 2


@dataclass(frozen=True, eq=False)
class Prices:
    """The loans of a tape, valued.

    Attributes
    ----------
    table : polars.DataFrame, shape (n, ...)
        The columns of ``prices.parquet``.
    valued : Valued
    shapes : ndarray
        What ``outlook.shape`` refers to.
    absence : Absence
        Inputs that the model knew of every loan and the tape has of none; all intervals are wider for it.
    outside : Outside
        What else lies outside the training population; such loans have wider intervals.
    """

    table: pl.DataFrame
    valued: Valued
    shapes: np.ndarray
    absence: Absence
    outside: Outside


def prices(offer: Offer, given: Assumptions) -> Prices:
    """Value the loans of a tape that was read."""
    package = offer.champion.package
    population = Population.of(package)
    absence = Absence.of(package, population, offer.frame)
    outside = absence.left_out(population).outside(offer.frame)
    owed = offer.loans["balance"].to_numpy()

    def part(rows: slice) -> tuple[Valued, pl.DataFrame]:
        outlook, places, moves = package.appraise(offer.frame[rows], REASONS)
        outlook = population.widened(absence.widened(outlook), outside.distance[rows])
        valued = valuation.value(outlook, owed[rows], given)
        return valued, pl.DataFrame([*_values(valued), *_reasons(package.names, places, moves * owed[rows, None])])

    with ThreadPoolExecutor(_THREADS) as executor:
        parts, tables = zip(*executor.map(part, _parts(offer.frame.height)), strict=True)
        valued = valuation.joined(parts, executor)
    shapes, told = package.shapes, pl.concat(tables)
    if offer.collateral:
        valued, shapes = secured.combine(valued, offer.collateral, shapes, given)
        texts = zip(*secured.reasons(offer.collateral, valued, REASONS), strict=True)
        told = told.with_columns(
            *_values(valued),
            *[told[name].scatter(offer.collateral.rows, text) for name, text in zip(_REASONS, texts, strict=True)],
        )
    table = offer.loans.select("loan_id", "currency", "balance").hstack(told)
    table = table.with_columns(outside.names, pl.lit(offer.champion.label).alias("model_version"))
    return Prices(table, valued, shapes, absence, outside)


def _parts(loans: int) -> Iterator[slice]:
    return (slice(start, start + _PART_LOANS) for start in range(0, loans, _PART_LOANS))


def _values(valued: Valued) -> list[pl.Series]:
    return [pl.Series(name, column) for name, column in (valued.columns() | valued.by_horizon()).items()]


def _reasons(names: list[str], places: np.ndarray, money: np.ndarray) -> list[pl.Series]:
    """Return the inputs that move each loan's recovery most, with what they move it by."""
    known = pl.Series(names)
    return (
        pl.DataFrame(
            {f"name_{k}": known.gather(places[:, k]) for k in range(REASONS)}
            | {f"money_{k}": money[:, k] for k in range(REASONS)}
        )
        .select(
            pl.format("{} {}", f"name_{k}", pl.col(f"money_{k}").round(2)).alias(name)
            for k, name in enumerate(_REASONS)
        )
        .get_columns()
    )
