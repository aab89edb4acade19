"""What a simulated world knows of each training row, and nobody in the real one."""

from pathlib import Path

import numpy as np
import polars as pl

from features.errors import RecoupError
from features.world import load_truth


def expected(folder: Path, rows: pl.DataFrame, model: str) -> np.ndarray:
    """Return the true expectation of each row's target.

    Parameters
    ----------
    folder : Path
        A world's ``truth``.
    rows : polars.DataFrame, shape (n, ...)
        Labelled rows of a task.
    model : str
        ``recovery`` (known at a loan's cut-off, up to 60 months ahead) or ``contact``.

    Returns
    -------
    ndarray, shape (n,)
        NaN where it is not known.

    Raises
    ------
    RecoupError
        When the folder is not a truth, or not that of these rows.
    """
    try:
        truth = load_truth(folder)
    except OSError as error:
        raise RecoupError(f"{folder}: not the truth folder of a simulated world: {error}") from error
    known = _attempts(truth.attempts, rows) if model == "contact" else _curves(truth.curves, rows)
    values = known.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    if np.isnan(values).all():
        raise RecoupError(f"{folder}: knows none of the rows that the model learnt from: is it of another world?")
    return values


def _attempts(truth: pl.DataFrame, rows: pl.DataFrame) -> pl.Series:
    asked = rows.select(pl.col("entity").alias("attempt_id"))
    return asked.join(truth, on="attempt_id", how="left", maintain_order="left")["contact_chance"]


def _curves(truth: pl.DataFrame, rows: pl.DataFrame) -> pl.Series:
    asked = rows.select("loan_id", "horizon_months_asked", pl.col("moment") == pl.col("cutoff"))
    found = asked.join(truth, on="loan_id", how="left", maintain_order="left")
    month = pl.col("horizon_months_asked").cast(pl.Int64) - 1
    told = pl.when("moment").then(pl.col("expected").arr.get(month, null_on_oob=True))
    return found.select(told).to_series()
