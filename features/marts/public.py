"""``public``: the market and the courts of a region."""

import polars as pl

from features.marts import timeline
from features.marts.columns import Feature

ENTITY = "region"
FEEDS = ("market",)

FEATURES = [
    Feature("unemployment_rate", "number", "share of the labour force", "share"),
    Feature("employment_variation", "number", "quarterly change of employment", "percent"),
    Feature("employed", "number", "people at work", "thousands"),
    Feature("price_index", "number", "consumer prices"),
    Feature("confidence_index", "number", "consumer confidence"),
    Feature("short_rate", "number", "three-month interbank rate", "percent per year"),
    Feature("house_price_index", "number", "house prices"),
    Feature("court_months", "number", "months from filing to judgment", "months"),
]


def build(feeds: dict[str, pl.LazyFrame]) -> pl.DataFrame:
    """Return the mart from the ``market`` feed."""
    rows = timeline.known(feeds["market"], "market")
    return timeline.state(rows, ENTITY, [feature.name for feature in FEATURES])
