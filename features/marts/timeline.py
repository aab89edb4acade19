"""Facts in the order in which they became known.

A mart row says what was known about an entity from one moment on. Its ``event_timestamp`` is the
later of "it happened" and "we learnt it", so that a fact learnt late changes only what was known
from then on, and nothing learnt after a moment can reach a training row of that moment.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from features.feeds import FEEDS
from features.feeds.columns import INSTANT

KNOWN = "event_timestamp"
LEARNT = "created_timestamp"


def known(rows: pl.LazyFrame, feed: str) -> pl.LazyFrame:
    """Add both timestamps to the rows of a feed."""
    happened = pl.col(FEEDS[feed].HAPPENED).cast(INSTANT)
    return rows.with_columns(pl.max_horizontal(happened, "known_at").alias(KNOWN), pl.col("known_at").alias(LEARNT))


def standing(rows: pl.LazyFrame, feed: str, key: str) -> pl.LazyFrame:
    """Add both timestamps, and drop a row that, when it was learnt, was already out of date.

    A change of January that is learnt in March must not undo one of February.
    """
    happened = FEEDS[feed].HAPPENED
    return known(rows, feed).sort(key, KNOWN, happened, maintain_order=True).filter(latest(happened, key))


def latest(happened: str, key: str) -> pl.Expr:
    """Tell, of rows in the order of knowledge, which describe the latest event known by then."""
    return pl.col(happened) == pl.col(happened).cum_max().over(key)


def state(rows: pl.LazyFrame, key: str, features: list[str]) -> pl.DataFrame:
    """Carry each feature forward along an entity's rows and keep the last row of each moment.

    Parameters
    ----------
    rows : polars.LazyFrame
        Changes: ``key``, both timestamps, and any of the features; null where a row says nothing
        of a feature.
    key : str
        The entity's column.
    features : list of str
        The mart's columns, in order.

    Returns
    -------
    polars.DataFrame
        ``key``, both timestamps and the features: one row per entity and moment of change.
    """
    table = rows.collect()
    table = table.with_columns(pl.lit(None).alias(name) for name in features if name not in table.columns).sort(
        key, KNOWN, maintain_order=True
    )
    if table[key].n_unique() < table.height:
        table = table.with_columns(pl.col(features).forward_fill().over(key))
    table = table.unique([key, KNOWN], keep="last", maintain_order=True)
    return table.select(key, KNOWN, LEARNT, *features)


def on_loans(rows: pl.LazyFrame, feed: str, loans: pl.LazyFrame) -> pl.LazyFrame:
    """Add to a feed's rows both timestamps and the loan's first known balance, which shares refer to.

    A fact about a loan that was not known yet counts from the moment when the loan was.
    """
    balances = (
        known(loans, "loans")
        .sort(KNOWN, maintain_order=True)
        .group_by("loan_id", maintain_order=True)
        .agg(pl.col("balance", KNOWN, LEARNT).first())
    )
    joined = known(rows, feed).join(balances, on="loan_id", how="inner", suffix="_of_loan", maintain_order="left")
    return joined.with_columns(pl.max_horizontal(name, f"{name}_of_loan") for name in (KNOWN, LEARNT))


def ratio(top: pl.Expr | str, bottom: pl.Expr | str) -> pl.Expr:
    """Return top over bottom: null where either is unknown or the bottom is not above zero.

    By numpy: polars divides by a single value as a product with its reciprocal, so the last bit of a
    loan's ratio would depend on how many loans stand beside it.
    """
    terms = [pl.col(term) if isinstance(term, str) else term for term in (top, bottom)]
    return pl.map_batches(terms, _divided, return_dtype=pl.Float64, is_elementwise=True)


def _divided(terms: Sequence[pl.Series]) -> pl.Series:
    top, bottom = (term.cast(pl.Float64).to_numpy() for term in terms)
    above = np.where(bottom > 0, bottom, np.nan)
    return pl.Series(top / above).fill_nan(None)


def epoch_seconds(column: str) -> pl.Expr:
    """Return a date or instant as seconds since 1970 in UTC, as a float; null stays null."""
    return pl.col(column).cast(INSTANT).dt.epoch("s").cast(pl.Float64)
