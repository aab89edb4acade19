"""The marts: what was known about whom, from which moment on.

Each module builds one Feast feature view's table from the feeds. The customer, asset, financial
and public marketplaces of the platform stand beside the contact history and the book's own history by region
and product.
"""

import hashlib
from pathlib import Path

import polars as pl

from features.marts import asset, columns, contact, customer, financial, product, public, region

MARTS = {
    "customer": customer,
    "asset": asset,
    "financial": financial,
    "public": public,
    "region": region,
    "product": product,
    "contact": contact,
}

OURS = {"region", "product"}
"""Marts about the book itself: a tape on offer adds nothing to them."""


def definition() -> str:
    """Return a fingerprint of the marts' own code: tables built by other code are out of date."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def build(mart: str, feeds: dict[str, pl.LazyFrame]) -> pl.DataFrame:
    """Return one mart's table.

    Parameters
    ----------
    mart : str
        A key of `MARTS`.
    feeds : dict of str to polars.LazyFrame
        The feeds that the mart names in its ``FEEDS``.

    Returns
    -------
    polars.DataFrame
        The entity's key, ``event_timestamp`` and ``created_timestamp`` (UTC), then the features:
        floats, and text for categories.
    """
    return columns.settle(MARTS[mart].build(feeds), MARTS[mart].FEATURES)
