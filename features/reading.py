"""A file as typed columns, and the values in it that could not be read."""

import datetime as dt
import gzip
from pathlib import Path

import polars as pl
import pyarrow as pa
from pyarrow import csv

from features.errors import RecoupError
from features.feeds.columns import INSTANT
from features.mapping import ROW_NUMBER, WALKED_DAY, Column, Mapping, Walk

PROBLEM = {"file_row": pl.UInt32, "field": pl.String, "reason": pl.String}
_MAGIC = {b"PAR1": ".parquet", b"\x1f\x8b": ".gz", b"PK\x03\x04": ".zip"}
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_ISO = {"date": "%Y-%m-%d", "instant": "%Y-%m-%dT%H:%M:%S%.f"}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def read(path: Path, mapping: Mapping, columns: dict[str, Column]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read a CSV, gzipped CSV or Parquet file.

    Parameters
    ----------
    path : Path
        The file; its ending says what it is.
    mapping : Mapping
        Gives the separator and, for files without full dates, the walk.
    columns : dict of str to Column
        Name after reading, and how to read it. Other columns of the file are not read at all.

    Returns
    -------
    table : polars.DataFrame
        One column per name that the file has, and ``file_row``, counted from 1.
    problems : polars.DataFrame
        ``file_row, field, reason`` for every value that was there and could not be read.

    Raises
    ------
    RecoupError
        When the file is missing, empty, or not what its name says.
    """
    raw = _open(path, mapping.separator, {spec.column or name for name, spec in columns.items()})
    present = {name: spec for name, spec in columns.items() if (spec.column or name) in raw.columns}
    typed = raw.select(
        _typed(pl.col(spec.column or name), raw.schema[spec.column or name], spec).alias(name)
        for name, spec in present.items()
    )
    problems = [_unread(raw[spec.column or name], typed[name], spec) for name, spec in present.items()]
    table = typed.with_row_index(ROW_NUMBER, offset=1)
    if mapping.walk:
        absent = [name for name in (mapping.walk.month, mapping.walk.weekday) if name not in table.columns]
        if absent:
            raise RecoupError(f"{path}: missing column {', '.join(absent)}, needed to rebuild the days")
        table = table.with_columns(_walk(table, mapping.walk))
    found = pl.concat(problems) if problems else pl.DataFrame(schema=PROBLEM)
    return table, found


def _open(path: Path, separator: str, wanted: set[str]) -> pl.DataFrame:
    kind = _kind(path)
    try:
        if kind == ".parquet":
            present = pl.scan_parquet(path).collect_schema().names()
            raw = pl.read_parquet(path, columns=[name for name in present if name in wanted])
        else:
            header = pl.read_csv(path, separator=separator, n_rows=0, infer_schema=False).columns
            present = [name for name in header if name in wanted]
            if present:
                _check_shape(path, separator)
            raw = pl.read_csv(path, separator=separator, infer_schema=False, columns=present)
    except (pl.exceptions.PolarsError, OSError, EOFError, ValueError) as error:
        reason = _bad_encoding(path) if "utf-8" in str(error) else str(error)
        raise RecoupError(f"{path}: cannot be read as a {kind[1:]} table: {reason}") from error
    if raw.height == 0:
        found = "no rows" if raw.width else "none of the columns that the mapping reads"
        raise RecoupError(f"{path}: holds {found}; is it the right file and --source?")
    return raw


def _check_shape(path: Path, separator: str) -> None:
    """Refuse a CSV with a row longer or shorter than the header: its values may have shifted."""
    ragged: list[csv.InvalidRow] = []

    def note(row: csv.InvalidRow) -> str:
        ragged.append(row)
        return "error"

    try:
        rows = csv.open_csv(
            path,
            csv.ReadOptions(use_threads=False, block_size=1 << 24, autogenerate_column_names=True),
            csv.ParseOptions(delimiter=separator, newlines_in_values=True, invalid_row_handler=note),
            csv.ConvertOptions(include_columns=["f0"], column_types={"f0": pa.binary()}),
        )
        for _ in rows:
            pass
    except pa.ArrowInvalid as error:
        for row in ragged:
            raise RecoupError(
                f"{path}: row {row.number - 1} has {row.actual_columns} fields, the header "
                f"{row.expected_columns}; look for a cut-off line, or put quotes around a value that holds "
                "the separator"
            ) from error
        # anything else that is wrong, the reader of the values says better


def _bad_encoding(path: Path) -> str:
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return f"line {number} is not UTF-8; save the file as UTF-8"
    return "it is not UTF-8; save the file as UTF-8"


def _kind(path: Path) -> str:
    """Return what the file is, after checking that name and first bytes agree."""
    if not path.is_file():
        raise RecoupError(f"{path}: no such file")
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        raise RecoupError(f"{path}: the file is empty")
    by_name = path.suffix.lower() if path.suffix.lower() in {".parquet", ".gz"} else ".csv"
    by_content = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), ".csv")
    if by_content == ".csv" and b"\x00" in start:
        by_content = "binary"
    if by_name != by_content:
        raise RecoupError(
            f"{path}: the name says {path.suffix.lstrip('.') or 'csv'}, "
            f"the content is {by_content.lstrip('.')}; "
            "give a .csv, .csv.gz or .parquet file under its right name"
        )
    return by_name


def _typed(raw: pl.Expr, dtype: pl.DataType, spec: Column) -> pl.Expr:
    if spec.kind == "text" or dtype != pl.String:
        return _cast(raw, dtype, spec.kind, spec.nulls)
    values = _blank_to_null(raw, spec.nulls)
    if spec.kind == "number":
        if spec.pattern:
            values = values.str.extract(spec.pattern)
        return values.str.strip_chars_end("%").cast(pl.Float64, strict=False)
    if spec.kind == "flag":
        lower = values.str.to_lowercase()
        known = lower.is_in([*_TRUE, *_FALSE])
        return pl.when(known).then(lower.is_in(_TRUE))
    if spec.format:
        wanted = pl.Date if spec.kind == "date" else pl.Datetime("us")
        parsed = values.str.strptime(wanted, spec.format, strict=False)
    elif spec.kind == "date":
        parsed = values.str.strptime(pl.Date, _ISO["date"], strict=False)
    else:
        parsed = _iso_instant(values)
    return parsed if spec.kind == "date" else parsed.dt.replace_time_zone("UTC").cast(INSTANT)


def _iso_instant(values: pl.Expr) -> pl.Expr:
    """Read ``2024-05-01``, ``2024-05-01 10:00:00`` and ``2024-05-01T10:00:00.5Z`` alike, as UTC."""
    plain = values.str.replace(" ", "T", literal=True).str.replace(r"(Z|\+00:?00)$", "")
    days = plain.str.len_chars() == 10
    full = pl.when(days).then(plain + "T00:00:00").otherwise(plain)
    return full.str.strptime(pl.Datetime("us"), _ISO["instant"], strict=False)


def _cast(raw: pl.Expr, dtype: pl.DataType, kind: str, nulls: list[str]) -> pl.Expr:
    if kind == "text":
        return _blank_to_null(raw.cast(pl.String), nulls)
    if kind == "instant" and isinstance(dtype, pl.Datetime) and dtype.time_zone is None:
        raw = raw.dt.replace_time_zone("UTC")
    dtypes: dict[str, pl.DataType] = {
        "number": pl.Float64(), "date": pl.Date(), "instant": INSTANT, "flag": pl.Boolean(),
    }  # fmt: skip
    return raw.cast(dtypes[kind], strict=False)


def _blank_to_null(values: pl.Expr, nulls: list[str]) -> pl.Expr:
    clean = values.str.strip_chars()
    return pl.when(~clean.is_in(["", *nulls])).then(clean)


def _unread(raw: pl.Series, typed: pl.Series, spec: Column) -> pl.DataFrame:
    """Return the values that are there in the file and null after reading."""
    lost = typed.is_null() & raw.is_not_null()
    if not lost.any():
        return pl.DataFrame(schema=PROBLEM)
    frame = pl.DataFrame({"raw": raw.cast(pl.String)}).with_row_index(ROW_NUMBER, offset=1)
    lost &= frame.select(_blank_to_null(pl.col("raw"), spec.nulls)).to_series().is_not_null()
    return frame.filter(lost).select(
        pl.col(ROW_NUMBER).cast(pl.UInt32),
        pl.lit(typed.name).alias("field"),
        pl.format("cannot read '{}' as {}", pl.col("raw"), pl.lit(spec.kind)).alias("reason"),
    )


def _walk(table: pl.DataFrame, walk: Walk) -> pl.Series:
    """Return a day per row, see `Walk`."""
    pairs = table.select(
        pl.col(walk.month).str.to_lowercase().alias("month"),
        pl.col(walk.weekday).str.to_lowercase().alias("weekday"),
    )
    days, day, before = [], walk.start, None
    for row, pair in enumerate(pairs.iter_rows(), start=1):
        if pair != before:
            try:
                day, before = _next_day(day, pair, row), pair
            except OverflowError as error:
                raise RecoupError(f"row {row}: the days run past year 9999; is the file in date order?") from error
        days.append(day)
    return pl.Series(WALKED_DAY, days, dtype=pl.Date)


def _next_day(day: dt.date, pair: tuple[str, str], row: int) -> dt.date:
    month, weekday = pair
    if month not in _MONTHS or weekday not in _WEEKDAYS:
        raise RecoupError(f"row {row}: {month!r}, {weekday!r} is not a month and a weekday")
    target = _MONTHS.index(month) + 1, _WEEKDAYS.index(weekday)
    while (day.month, day.weekday()) != target:
        day += dt.timedelta(days=1)
    return day
