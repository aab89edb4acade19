"""``product``: how the book's loans of a product have fared."""

import polars as pl

from features.marts import history

ENTITY = "loan_product"
"""Not ``product``: the debt has a feature of that name, and Feast keeps keys and features in one table."""
FEEDS = history.FEEDS
FEATURES = history.features("product")


def build(feeds: dict[str, pl.LazyFrame]) -> pl.DataFrame:
    """Return the mart from the ``loans`` and ``payments`` feeds."""
    return history.build(feeds, "product").rename({"product": ENTITY})
