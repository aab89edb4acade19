"""What reaching the debtor adds, from logged attempts: extra net cash within 30 days, by channel and age of debt.

A doubly robust comparison (Robins, Rotnitzky and Zhao 1994, doi:10.1080/01621459.1994.10476818) of the attempts
that reached the debtor with those by the same channel that missed him: what he would have paid anyway, and the
chance to reach him, are both foretold from what was known just before, each by a model that has not seen him
(cross-fitting, Chernozhukov et al. 2018, doi:10.1111/ectj.12097); the difference is right where either model is.
Weights 1 / propensity make a channel's attempts stand for all attempts. The assumption: whom an attempt happened
to reach says nothing of what he would have paid, beyond what was known. It leaves out what an attempt that misses
may do, and counts a conversation's harm to later payments as far as 30 days show it.

Cash is counted per typical debt, as a power of what is owed, and up to a limit, so that a few settlements do not
drown it. A cell is drawn towards its channel's mean and that towards the mean of all, the more the less is known
(random effects, DerSimonian and Laird 1986, doi:10.1016/0197-2456(86)90046-2). Within a cell the figure is
proportional to what debtors differ in.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from features.errors import RecoupError
from features.store import FeatureDoor
from training.logged_attempts import features, logged

AGE_BANDS = (12.0, 24.0, 36.0)
"""Edges of the bands of debt age, months since default."""
DIFFER = ("annual_income", "credit_score")
"""What makes one debtor's figure higher than another's; candidates may have these columns."""
_CELL = ["channel", "age_band"]
_LIMIT = 0.95
"""Quantile of the cash of the months in which any came: more counts as much."""
_FEWEST = 30
"""Attempts that a side of a cell needs: below, its rare payments hide its variance."""
_SLOPE = 0.5
"""How far, a priori, one standard deviation of `DIFFER` moves the figure: a standard deviation, relative."""
_RANGE = (0.25, 3.0)
_NINETY = 1.645


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
    """How a column of `DIFFER` moves the figure: by ``slope`` for each ``spread`` of its logarithm from ``mean``."""

    name: str
    mean: float
    spread: float
    slope: float

    def standard(self) -> pl.Expr:
        """Return the column in standard deviations, 0 where unknown."""
        return ((pl.col(self.name).clip(1.0).log() - self.mean) / self.spread).clip(-3, 3).fill_null(0.0)


@dataclass(frozen=True)
class AttemptValue:
    """The estimate.

    Attributes
    ----------
    cells : polars.DataFrame
        Per ``channel`` and ``age_band``: ``added`` (currency per right-party contact on a typical debt, after
        collection costs) with its 90 % interval ``lower``, ``upper``; ``raw`` and its ``standard_error``
        before shrinkage, ``attempts``.
    overall : float
        What a cell without evidence gets (currency).
    size : Size
        How cash grows with what is owed.
    differences : list of Difference
        How it differs among debtors.
    costs : polars.DataFrame
        Per ``channel``: mean logged cost of an attempt that missed and one that reached (currency).
    """

    cells: pl.DataFrame
    overall: float
    size: Size
    differences: list[Difference]
    costs: pl.DataFrame

    def of(self, candidates: pl.DataFrame) -> pl.DataFrame:
        """Add ``added_value``, ``cost`` and ``net_value`` (currency) to candidates.

        ``candidates`` has ``channel``, ``months_since_default``, ``owed`` and ``chance``; a column of
        `DIFFER` that it lacks is unknown.
        """
        known = candidates.with_columns(age_band())
        known = known.join(self.cells.select(*_CELL, "added"), on=_CELL, how="left", maintain_order="left")
        known = known.join(self.costs, on="channel", how="left", maintain_order="left")
        chance, added = pl.col("chance"), pl.col("added").fill_null(self.overall) * self.size.scale()
        return known.with_columns(
            added_value=pl.min_horizontal(added * self._multiple(candidates.columns), "owed"),
            cost=(1 - chance) * pl.col("cost_missed") + chance * pl.col("cost_reached"),
        ).select(
            *candidates.columns, "added_value", "cost",
            (chance * pl.col("added_value") - pl.col("cost")).alias("net_value"),
        )  # fmt: skip

    def to_card(self) -> dict[str, Any]:
        """Return the estimate as plain values."""
        plain = {"cells": self.cells.to_dicts(), "costs": self.costs.to_dicts(), "overall": self.overall}
        return plain | {"size": asdict(self.size), "differences": [asdict(found) for found in self.differences]}

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> "AttemptValue":
        """Read what `to_card` wrote.

        Raises
        ------
        RecoupError
            When the model was trained without it.
        """
        if not card:
            raise RecoupError(
                "the contact model does not know what a contact adds: ingest attempts with their propensity, "
                "made at least 30 days before --as-of, and run `recoup train contact`"
            )
        cells, costs = (pl.DataFrame(card[name], infer_schema_length=None) for name in ("cells", "costs"))
        differences = [Difference(**found) for found in card["differences"]]
        return cls(cells, card["overall"], Size(**card["size"]), differences, costs)

    def _multiple(self, columns: list[str]) -> pl.Expr:
        moves = [found.slope * found.standard() for found in self.differences if found.name in columns]
        return pl.sum_horizontal(pl.lit(1.0), *moves).clip(*_RANGE)


def estimate(door: FeatureDoor, source: str, as_of: datetime, seed: int) -> AttemptValue | None:
    """Estimate from what was known by a moment.

    Parameters
    ----------
    door : FeatureDoor
        Refreshed.
    source : str
        Whose attempts.
    as_of : datetime
        UTC.
    seed : int
        Of the models that foretell cash and contact.

    Returns
    -------
    AttemptValue or None
        None where no attempt with a propensity is older than 30 days, or too few are.
    """
    from training.cross_fit import cross_fitted, kept_apart

    log = logged(door.lake, source, as_of)
    if log["right_party"].n_unique() < 2:
        return None
    frame = features(door, log)
    size = _size(log)
    log = log.with_columns(frame.select("months_since_default", *DIFFER)).with_columns(age_band(), _counted(log, size))
    reached, fold = log["right_party"].to_numpy(), log["fold"].to_numpy()
    chance = kept_apart(cross_fitted(frame, reached, fold, seed, chance=True)[0])
    usual = cross_fitted(frame, log["cash"].to_numpy(), fold, seed, learn=~reached)[0]
    log = log.with_columns(
        rest=log["cash"].to_numpy() - usual,
        chance=pl.Series(chance),
        weight=log["weight"].to_numpy() * np.where(reached, 1.0, chance / (1 - chance)),
    )
    cells = _cells(log)
    if cells.is_empty():
        return None
    cells, overall = _shrunk(cells)
    return AttemptValue(cells, overall, size, _differences(log, cells), _costs(log))


def counted(log: pl.DataFrame) -> np.ndarray:
    """Return the cash of `logged_attempts.logged` as far as it counts, shape (n,), in currency."""
    size = _size(log)
    return log.select(_counted(log, size).alias("cash") * size.scale())["cash"].to_numpy()


def _size(log: pl.DataFrame) -> Size:
    """Fit the power by least squares on logarithms, where cash came; it lies in [0, 1]."""
    typical = float(np.median(log["owed"].to_numpy()))
    paid = log.filter(pl.col("cash") > 0).select(pl.col("owed", "cash").log())
    if paid["owed"].n_unique() < 2:
        return Size(typical, 0.0)
    power = np.polyfit(paid["owed"].to_numpy(), paid["cash"].to_numpy(), 1)[0]
    return Size(typical, float(np.clip(power, 0, 1)))


def _counted(log: pl.DataFrame, size: Size) -> pl.Series:
    """Return cash per typical debt, up to the limit."""
    scaled = log.select((pl.col("cash") / size.scale()).alias("cash")).to_series()
    return scaled.clip(upper_bound=scaled.filter(scaled > 0).quantile(_LIMIT) or 0.0)


def age_band() -> pl.Expr:
    """Return the band of ``months_since_default``, null where unknown."""
    months, edges = pl.col("months_since_default"), [int(edge) for edge in AGE_BANDS]
    band = pl.lit(f"under {edges[0]}")
    for edge, end in zip(edges, [*edges[1:], None], strict=True):
        band = pl.when(months >= edge).then(pl.lit(f"{edge}-{end}" if end else f"{edge} up")).otherwise(band)
    return pl.when(months.is_not_null()).then(band).alias("age_band")


def _cells(log: pl.DataFrame) -> pl.DataFrame:
    """Return per cell how much more the reached paid than was foretold, beside the missed; errors by debtor."""
    side, weight = [*_CELL, "right_party"], pl.col("weight")
    mean = (weight * pl.col("rest")).sum().over(side) / weight.sum().over(side)
    luck = log.with_columns(mean=mean, luck=weight * (pl.col("rest") - mean) / weight.sum().over(side))
    clustered = luck.group_by(*side, "borrower_id", maintain_order=True).agg(
        pl.col("luck").sum(), pl.len(), pl.col("mean").first()
    )
    sides = clustered.group_by(side, maintain_order=True).agg(
        pl.col("mean").first(), variance=(pl.col("luck") ** 2).sum(), attempts=pl.col("len").sum()
    )
    reached, missed = (
        sides.filter((pl.col("right_party") == which) & (pl.col("attempts") >= _FEWEST)) for which in (True, False)
    )
    pairs = reached.join(missed, on=_CELL, nulls_equal=True, suffix="_missed").sort(_CELL)
    return pairs.select(
        *_CELL,
        raw=pl.col("mean") - pl.col("mean_missed"),
        standard_error=(pl.col("variance") + pl.col("variance_missed")).sqrt(),
        attempts=pl.col("attempts") + pl.col("attempts_missed"),
    ).filter(pl.col("standard_error") > 0)


def _shrunk(cells: pl.DataFrame) -> tuple[pl.DataFrame, float]:
    """Draw each cell towards its channel's mean, and each channel towards the mean of all."""
    raw, error = cells["raw"].to_numpy(), cells["standard_error"].to_numpy()
    channel = cells["channel"].rank("dense").to_numpy().astype(int) - 1
    count = channel.max() + 1
    within = between(raw, error**2, channel)
    precision = np.bincount(channel, 1 / (error**2 + within))
    means = np.bincount(channel, raw / (error**2 + within)) / precision
    among = between(means, 1 / precision, np.zeros(count, int))
    overall = np.average(means, weights=1 / (among + 1 / precision))
    trust = among / (among + 1 / precision)
    centre, centre_variance = trust * means + (1 - trust) * overall, trust / precision
    trust = within / (within + error**2)
    added = trust * raw + (1 - trust) * centre[channel]
    spread = np.sqrt(trust * error**2 + (1 - trust) ** 2 * centre_variance[channel])
    interval = {"lower": added - _NINETY * spread, "upper": added + _NINETY * spread}
    return cells.with_columns(added=pl.Series(added), **{k: pl.Series(v) for k, v in interval.items()}), float(overall)


def between(raw: np.ndarray, variance: np.ndarray, group: np.ndarray) -> float:
    """Return how much true values vary within groups beyond their errors' variance.

    Parameters
    ----------
    raw, variance : ndarray, shape (n,)
        Measured values, and the variance of their errors.
    group : ndarray of int, shape (n,)

    Examples
    --------
    >>> round(between(np.array([1.0, 3.0]), np.array([0.5, 0.5]), np.array([0, 0])), 3)
    1.5
    >>> between(np.array([1.0, 3.0]), np.array([0.5, 0.5]), np.array([0, 1]))
    0.0
    """
    precision = 1 / variance
    total = np.bincount(group, precision)
    mean = np.bincount(group, precision * raw) / total
    excess = (precision * (raw - mean[group]) ** 2).sum() - (len(raw) - len(total))
    scale = (total - np.bincount(group, precision**2) / total).sum()
    return float(max(excess / scale, 0.0)) if scale > 0 else 0.0


def _differences(log: pl.DataFrame, cells: pl.DataFrame) -> list[Difference]:
    """Fit how the figure moves with `DIFFER`: one ridge regression (Nie and Wager 2021, doi:10.1093/biomet/asaa076)."""
    shapes = []
    for name in DIFFER:
        logs = log[name].drop_nulls().clip(1.0).log().to_numpy()
        if len(np.unique(logs)) > 1:
            shapes.append(Difference(name, float(logs.mean()), float(logs.std()), 0.0))
    if not shapes:
        return []
    table = log.join(cells.select(*_CELL, "added"), on=_CELL, how="left", maintain_order="left", nulls_equal=True)
    surprise = (table["right_party"].cast(pl.Float64) - table["chance"]) * table["added"].fill_null(0.0)
    moved = (
        table.select(shape.standard().alias(shape.name) for shape in shapes).to_numpy() * surprise.to_numpy()[:, None]
    )
    rest = table["rest"].to_numpy()
    noise = rest.var()
    slopes = np.linalg.solve(moved.T @ moved / noise + np.eye(len(shapes)) / _SLOPE**2, moved.T @ rest / noise)
    return [Difference(s.name, s.mean, s.spread, float(slope)) for s, slope in zip(shapes, slopes, strict=True)]


def _costs(log: pl.DataFrame) -> pl.DataFrame:
    cost = pl.col("cost")
    missed, reached = cost.filter(~pl.col("right_party")).mean(), cost.filter("right_party").mean()
    return (
        log.group_by("channel", maintain_order=True)
        .agg(cost_missed=pl.coalesce(missed, cost.mean()), cost_reached=pl.coalesce(reached, cost.mean()))
        .sort("channel")
    )
