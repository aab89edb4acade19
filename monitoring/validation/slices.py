"""Parts of the out-of-time rows that a reader knows by name: segments, and vintages."""

import numpy as np
import polars as pl

from features.marts.columns import MISSING
from monitoring.validation.evidence import Evidence

FEWEST = 60
"""Rows below which a part says nothing by itself."""
_BY = ("product", "debt_region", "credit_grade", "legal_status", "occupation", "channel", "point_kind")
_FIFTHS = {"balance": "balance", "months_since_default": "age of the debt", "local_hour": "local hour"}


def segments(evidence: Evidence) -> pl.DataFrame:
    """Return, by dimension that the model knows, the segment of each row: text, null where unknown."""
    frame = evidence.frame
    named = [pl.col(name).replace(MISSING, None).alias(name.replace("_", " ")) for name in _BY if name in frame.columns]
    cut = [_fifth(frame[name]).alias(title) for name, title in _FIFTHS.items() if name in frame.columns]
    horizon = []
    if "horizon_months" in frame.columns:
        horizon = [pl.format("{} months", pl.col("horizon_months").cast(pl.Int64)).alias("horizon")]
    return frame.select(*named, *cut, *horizon)


def vintages(evidence: Evidence) -> pl.Series:
    """Return the quarter of each row: of the loan's origination, or of the attempt."""
    when = "originated_on" if "originated_on" in evidence.rows.columns else "moment"
    quarter = pl.format("{} Q{}", pl.col(when).dt.year(), pl.col(when).dt.quarter())
    return evidence.rows.select(quarter.alias("vintage")).to_series()


def parts(labels: pl.Series) -> dict[str, np.ndarray]:
    """Return the rows (mask) of every label that has enough of them, in the labels' order."""
    found = {}
    for label in sorted(labels.drop_nulls().unique()):
        rows = (labels == label).fill_null(False).to_numpy()
        if rows.sum() >= FEWEST:
            found[label] = rows
    return found


def _fifth(values: pl.Series) -> pl.Series:
    known = values.drop_nulls()
    edges = np.unique(np.quantile(known, [0.2, 0.4, 0.6, 0.8])) if len(known) else np.array([])
    places = np.searchsorted(edges, values.to_numpy(), side="left")
    bounds = ["lowest", *(f"{edge:,.4g}" if abs(edge) < 1e4 else f"{edge:,.0f}" for edge in edges), "highest"]
    labels = [f"{place + 1}: {bounds[place]} to {bounds[place + 1]}" for place in range(len(edges) + 1)]
    return pl.Series([labels[place] for place in places], dtype=pl.String).set(values.is_null(), None)
