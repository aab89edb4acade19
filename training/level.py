"""The level of a recovery model, moved as a whole: what recent cash says before its outcomes are ripe.

A model learns from outcomes of half a year and more. When every debtor pays half as often since last month, no
labelled row shows it yet; the order of the loans and the shape of the curve still hold, and the level is what
is wrong. A chain ladder has such a factor for the calendar time of the payments (Taylor 1977, "Separation of
inflation and other effects from the distribution of non-life insurance claim delays").
"""

from dataclasses import replace

import polars as pl

from training.curve import HorizonCurve
from training.distribution import Distribution
from training.package import ModelPackage

FACTOR = "factor"


def levelled(package: ModelPackage, level: dict[str, float]) -> ModelPackage:
    """Return a recovery model whose average curve, and intervals with it, are a multiple of what they were.

    Parameters
    ----------
    package : ModelPackage
    level : dict of str to float
        ``factor``, and what it rests on; goes to the card. Empty: the package is returned as it is.
    """
    if not level:
        return package
    curve = HorizonCurve.from_card(package.card.curve)
    spread = Distribution.from_card(package.card.distribution)
    factor = level[FACTOR]
    card = replace(
        package.card,
        curve=replace(curve, shares=curve.shares * factor, rate=curve.rate * factor).to_card(),
        distribution=replace(spread, scales=spread.scales * factor).to_card(),
        level=level,
    )
    moved = ModelPackage(package.model, package.shap, card, package.reference, package.spread)
    rows = package.reference.drop("score")
    scores = pl.Series("score", moved.scores(rows, threads=2))
    return replace(moved, reference=rows.with_columns(scores))
