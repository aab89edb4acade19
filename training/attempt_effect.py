"""How much reaching the debtor adds, from logged attempts: the estimate behind `training.attempt_value`.

A doubly robust comparison (Robins, Rotnitzky and Zhao 1994, doi:10.1080/01621459.1994.10476818) of the attempts
that reached the debtor with those by the same channel that missed him: whether he would have paid anyway, and the
chance to reach him, are both foretold from what was known just before, each by a model that has not seen him
(cross-fitting, Chernozhukov et al. 2018, doi:10.1111/ectj.12097); the difference is right where either model is.
Weights 1 / propensity make a channel's attempts stand for all attempts. The assumption: whom an attempt happened
to reach says nothing of what he would have paid, beyond what was known. It leaves out what an attempt that misses
may do, and counts a conversation's harm to later payments as far as 30 days show it.

Whoever pays counts with what one more payer brings, not with the amount that came: amounts differ so much that they
would drown who pays at all. It grows as a power of what is owed, of income and of credit score, up to a limit, and
is less than the average payer brings where settlements come without a conversation. A cell is drawn towards its
channel's mean and that towards the mean of all, the more the less is known (random effects, DerSimonian and Laird
1986, doi:10.1016/0197-2456(86)90046-2). Within a cell debtors differ, and agencies by the skill of their
conversations, as one regression finds (Nie and Wager 2021, doi:10.1093/biomet/asaa076), drawn towards no difference.
"""

from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl

from features.store import FeatureDoor
from training.attempt_value import CELL, DIFFER, AttemptValue, Difference, Size, age_band, multiple
from training.logged_attempts import features, logged

_LIMIT = 0.95
"""Quantile of the cash of the months in which any came: more counts as much."""
_FEWEST = 30
"""Attempts that a side of a cell needs, and payments that slopes do: below, what is rare hides its variance."""
_SLOPE, _SKILL, _PAYMENT = 0.2, 0.25, 0.25
"""How far one standard deviation of `DIFFER`, one agency from another, and one more payer from the average one, move
the figure a priori: a standard deviation, relative."""
_NINETY = 1.645


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
        Of the models that foretell payment and contact.

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
    log = log.with_columns(frame.select("months_since_default", *DIFFER)).with_columns(age_band())
    size, differences = _payments(log)
    paid, fold = (log["cash"] > 0).to_numpy(), log["fold"].to_numpy()
    reached = log["right_party"].to_numpy()
    chance = kept_apart(cross_fitted(frame, reached, fold, seed, chance=True)[0])
    anyway = cross_fitted(frame, paid, fold, seed, learn=~reached, chance=True)[0]
    log = log.with_columns(
        rest=paid - anyway,
        chance=pl.Series(chance),
        weight=log["weight"].to_numpy() * np.where(reached, 1.0, chance / (1 - chance)),
    )
    payment = _payment(log, _limited(log.select(pl.col("cash") / (size.scale() * multiple(differences)))["cash"]))
    log = log.with_columns(pl.col("rest") * payment)
    cells = _contrasts(log, CELL)
    if cells.is_empty():
        return None
    cells, overall = _shrunk(cells)
    moved, skills = _moved(log, cells, overall, differences)
    return _typical(AttemptValue(cells, overall, size, moved, skills, _costs(log)), differences, log)


def counted(log: pl.DataFrame) -> np.ndarray:
    """Return the cash of `logged_attempts.logged` up to a limit that grows with the debt, shape (n,), in currency."""
    size, _ = _payments(log)
    scaled = log.select((pl.col("cash") / size.scale()).alias("cash"))["cash"]
    limit = scaled.filter(scaled > 0).quantile(_LIMIT) or 0.0
    return (scaled.clip(upper_bound=limit) * log.select(size.scale().alias("scale"))["scale"]).to_numpy()


def _payments(log: pl.DataFrame) -> tuple[Size, list[Difference]]:
    """Fit what payers pay by least squares on logarithms; the power of what is owed lies in [0, 1]."""
    typical = float(np.median(log["owed"].to_numpy()))
    differences = [found for name in DIFFER if name in log.columns and (found := _spread(log[name]))]
    paid = log.filter(pl.col("cash") > 0)
    if paid.height < _FEWEST or paid["owed"].n_unique() < 2:
        return Size(typical, 0.0), differences
    moves = (pl.lit(1.0).alias(""), pl.col("owed").log(), *(found.standard() for found in differences))
    slopes = np.linalg.lstsq(paid.select(moves).to_numpy(), paid["cash"].log().to_numpy(), rcond=None)[0][1:]
    fitted = [replace(found, slope=float(slope)) for found, slope in zip(differences, slopes[1:], strict=True)]
    return Size(typical, float(np.clip(slopes[0], 0, 1))), fitted


def _spread(values: pl.Series) -> Difference | None:
    """Return how a column is spread, which moves nothing yet; nothing where it is one value."""
    logs = values.drop_nulls().clip(1.0).log().to_numpy()
    return Difference(values.name, float(logs.mean()), float(logs.std()), 0.0) if len(np.unique(logs)) > 1 else None


def _limited(cash: pl.Series) -> pl.Series:
    """Return cash up to the limit."""
    came = cash.filter(cash > 0)
    return cash.clip(upper_bound=came.quantile(_LIMIT)) if len(came) else cash


def _payment(log: pl.DataFrame, cash: pl.Series) -> float:
    """Return what one more payer brings: of the average payer what the reached bring more, for each who pays more.

    How far it is from the average payer's is drawn towards nothing, the more the less is known.
    """
    came = cash.filter(cash > 0)
    if came.is_empty():
        return 0.0
    average = float(came.mean())  # type: ignore[arg-type]
    less = pl.when(cash > 0).then(cash / average - 1).otherwise(0.0)
    more, apart = (
        _contrasts(part, ["all"]) for part in (log.with_columns(all=0), log.with_columns(less.alias("rest"), all=0))
    )
    if more.is_empty() or apart.is_empty() or more["raw"].item() <= 0:
        return average
    found, error = (apart[name].item() / more["raw"].item() for name in ("raw", "standard_error"))
    return average * (1 + found * _PAYMENT**2 / (_PAYMENT**2 + error**2))


def _typical(value: AttemptValue, differences: list[Difference], log: pl.DataFrame) -> AttemptValue:
    """Return a value of the average debtor as one of the typical debtor, whom no difference or skill moves."""
    multiples = {"all": value.multiple(log.columns), "payments": multiple(differences)}
    reached = log.filter("right_party").select("weight", **multiples)
    usual = np.average(reached["all"], weights=reached["weight"])
    usual /= np.average(reached["payments"], weights=reached["weight"])
    cells = value.cells.with_columns(pl.col("raw", "standard_error", "added", "lower", "upper") / usual)
    return replace(value, cells=cells, overall=value.overall / usual)


def _contrasts(log: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Return how much larger ``rest`` of the reached is, beside that of the missed; errors by debtor."""
    side, weight = [*by, "right_party"], pl.col("weight")
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
    pairs = reached.join(missed, on=by, nulls_equal=True, suffix="_missed").sort(by)
    return pairs.select(
        *by,
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


def _moved(log: pl.DataFrame, cells: pl.DataFrame, overall: float,
           differences: list[Difference]) -> tuple[list[Difference], dict[str, float]]:  # fmt: skip
    """Add to the slopes of payments how the chance that a conversation brings one moves, and find agencies' skills."""
    agencies = sorted(log["agency"].drop_nulls().unique())
    signs = [found.standard().alias(found.name) for found in differences]
    signs += [(pl.col("agency") == name).fill_null(False).cast(pl.Float64).alias(f"by {name}") for name in agencies]
    if not signs:
        return differences, {}
    known = log.join(cells.select(*CELL, "added"), on=CELL, how="left", maintain_order="left", nulls_equal=True)
    surprise = (known["right_party"].cast(pl.Float64) - known["chance"]) * known["added"].fill_null(overall)
    moved, rest = log.select(signs).to_numpy() * surprise.to_numpy()[:, None], (log["rest"] - surprise).to_numpy()
    prior = np.array([_SLOPE] * len(differences) + [_SKILL] * len(agencies))
    noise = rest.var()
    slopes = np.linalg.solve(moved.T @ moved / noise + np.diag(prior**-2), moved.T @ rest / noise).tolist()
    both = [replace(found, slope=found.slope + slope) for found, slope in zip(differences, slopes, strict=False)]
    skills = np.exp(slopes[len(differences) :]).tolist()
    return both, dict(zip(agencies, skills, strict=True))


def _costs(log: pl.DataFrame) -> pl.DataFrame:
    cost = pl.col("cost")
    missed, reached = cost.filter(~pl.col("right_party")).mean(), cost.filter("right_party").mean()
    return (
        log.group_by("channel", maintain_order=True)
        .agg(cost_missed=pl.coalesce(missed, cost.mean()), cost_reached=pl.coalesce(reached, cost.mean()))
        .sort("channel")
    )
