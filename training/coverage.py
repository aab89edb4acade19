"""How often the 90 % intervals held out of time: overall, and in every slice a reviewer would ask for."""

import numpy as np
import polars as pl

_FEWEST = 25
_BY_INPUT = {"grade": "credit_grade", "term": "term_months"}


def slices(frame: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the slice of each row, by each dimension that the data has, as text.

    Parameters
    ----------
    frame : polars.DataFrame, shape (n, features)
        Model inputs.
    rows : polars.DataFrame, shape (n, ...)
        ``weight`` (money owed), ``order`` (date of origination) and ``horizon_months_asked`` of the same rows.

    Returns
    -------
    polars.DataFrame, shape (n, dimensions)
        ``grade``, ``term``, ``balance_fifth``, ``vintage`` and ``horizon``.
    """
    fifths = np.digitize(rows["weight"].to_numpy(), np.quantile(rows["weight"], [0.2, 0.4, 0.6, 0.8])) + 1
    inputs = [frame[name].cast(pl.String).alias(by) for by, name in _BY_INPUT.items() if name in frame.columns]
    return rows.select(
        *inputs,
        pl.Series("balance_fifth", fifths).cast(pl.String),
        pl.format("{}Q{}", pl.col("order").dt.year(), pl.col("order").dt.quarter()).alias("vintage"),
        pl.col("horizon_months_asked").cast(pl.Int64).cast(pl.String).alias("horizon"),
    )


def by_slice(table: pl.DataFrame) -> dict[str, float]:
    """Return the share of intervals that held what was realised, overall and in every slice of 25 rows or more.

    Parameters
    ----------
    table : polars.DataFrame, shape (n, ...)
        ``realised``, ``lower``, ``upper`` and the columns of `slices`.

    Examples
    --------
    >>> table = pl.DataFrame({"realised": [0.0, 0.2], "lower": [0.0, 0.0], "upper": [0.1, 0.1], "grade": ["A", "B"]})
    >>> by_slice(table)
    {'all': 0.5}
    """
    held = pl.col("realised").is_between("lower", "upper").mean().alias("held")
    found = {"all": table.select(held).item()}
    for by in table.columns:
        if table.schema[by] == pl.String:
            parts = table.group_by(by).agg(held, pl.len()).filter(pl.col("len") >= _FEWEST).sort(by)
            found |= {f"{by} {part}": share for part, share, _ in parts.iter_rows()}
    return found
