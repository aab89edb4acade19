"""``region``: how the book's loans of a region have fared."""

import polars as pl

from features.marts import history

ENTITY = "region"
FEEDS = history.FEEDS
FEATURES = history.features(ENTITY)


def build(feeds: dict[str, pl.LazyFrame]) -> pl.DataFrame:
    """Return the mart from the ``loans`` and ``payments`` feeds."""
    return history.build(feeds, ENTITY)
