"""How a mart declares its features: name, kind, unit, meaning."""

from dataclasses import dataclass

import polars as pl

MISSING = "missing"


@dataclass(frozen=True)
class Feature:
    """One column of a mart; ``kind`` is ``number``, ``flag`` (1, 0 or null) or ``category``."""

    name: str
    kind: str
    about: str
    unit: str | None = None


def settle(table: pl.DataFrame, features: list[Feature]) -> pl.DataFrame:
    """Give every feature the one type that training, Feast and serving share.

    Numbers and flags become floats with null for unknown; categories become text with an explicit
    ``missing``, because CatBoost takes no null there.
    """
    casts = [
        pl.col(feature.name).cast(pl.String).fill_null(MISSING)
        if feature.kind == "category"
        else pl.col(feature.name).cast(pl.Float64)
        for feature in features
    ]
    return table.with_columns(casts)
