"""From a file to validated feed rows, with every rejected row kept and its reason.

`read_feeds` is the one way in: the lake appends what it returns, pricing values it.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from features import reading, tokens
from features.errors import RecoupError
from features.feeds import FEEDS
from features.feeds.columns import INSTANT
from features.mapping import ROW_NUMBER, Column, FeedMapping, Mapping, expression

_KINDS = {pl.String: "text", pl.Float64: "number", pl.Boolean: "flag", pl.Date: "date"}


@dataclass(frozen=True)
class FeedRows:
    """One feed's share of a file.

    Attributes
    ----------
    accepted : polars.DataFrame
        Canonical columns and ``file_row``.
    rejected : polars.DataFrame
        The same, with ``field`` and ``reason`` (semicolons join several problems).
    """

    feed: str
    accepted: pl.DataFrame
    rejected: pl.DataFrame


def content_id(path: Path, mapping: Mapping, feed: str | None) -> str:
    """Return the id of a file's content as read by a mapping: equal inputs give equal ids."""
    if not path.is_file():
        raise RecoupError(f"{path}: no such file")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(mapping.model_dump_json().encode())
    digest.update((feed or "").encode())
    return digest.hexdigest()[:32]


def read_feeds(path: Path, mapping: Mapping, feed: str | None = None) -> list[FeedRows]:
    """Read, tokenise and validate every feed of a file.

    Parameters
    ----------
    path : Path
        CSV, gzipped CSV or Parquet.
    mapping : Mapping
        How the source writes.
    feed : str, optional
        Only this feed. A mapping whose feeds take ``columns: all`` reads one feed from a file:
        ``loans`` when none is named.

    Returns
    -------
    list of FeedRows

    Raises
    ------
    RecoupError
        When the file is unreadable, a needed column is missing, or identifiers come without a key.
    """
    wanted = _wanted(mapping, feed)
    columns = dict(mapping.read)
    for name, part in wanted.items():
        if part.columns == "all":
            columns |= _canonical_columns(name)
    table, problems = reading.read(path, mapping, columns)
    return [_feed_rows(path, name, part, table, problems) for name, part in wanted.items()]


def _wanted(mapping: Mapping, feed: str | None) -> dict[str, FeedMapping]:
    if feed is None and any(part.columns == "all" for part in mapping.feeds.values()):
        feed = "loans"
    if feed is None:
        return mapping.feeds
    if feed not in mapping.feeds:
        raise RecoupError(f"mapping {mapping.source} has no feed {feed!r}; it has {', '.join(mapping.feeds)}")
    return {feed: mapping.feeds[feed]}


def _canonical_columns(feed: str) -> dict[str, Column]:
    schema = FEEDS[feed].SCHEMA.columns
    return {
        name: Column.model_validate(_KINDS.get(column.dtype.type.base_type(), "instant"))
        for name, column in schema.items()
    }


def _feed_rows(path: Path, feed: str, part: FeedMapping, table: pl.DataFrame, problems: pl.DataFrame) -> FeedRows:
    schema = FEEDS[feed].SCHEMA
    sql = {name: f'"{name}"' for name in schema.columns} if part.columns == "all" else part.columns
    rules = {name: expression(name, text) for name, text in sql.items()}
    _check_columns(path, feed, rules, table)
    identifiers = [
        name for name, column in schema.columns.items()
        if (column.metadata or {}).get("identifier") and name not in part.pseudonymous
    ]  # fmt: skip
    try:
        if part.where:
            table = _chosen(table, expression("where", part.where), problems)
        frame = _project(table, rules, feed)
    except pl.exceptions.PolarsError as error:
        raise RecoupError(
            f"{path}: the mapping's rules for {feed} do not fit the types under `read`: {error}"
        ) from error
    found = _unread(problems, rules, identifiers, frame)
    if part.distinct:
        frame = _distinct(frame, found)
    frame = frame.with_columns(tokens.tokenise(frame[name]) for name in identifiers)
    found = pl.concat([found, _invalid(feed, frame)])
    return _split(feed, frame, pl.concat([found, _repeated(feed, frame, found)]))


def _check_columns(path: Path, feed: str, rules: dict[str, pl.Expr], table: pl.DataFrame) -> None:
    for name, column in FEEDS[feed].SCHEMA.columns.items():
        if column.nullable or name == "known_at":
            continue
        roots = rules[name].meta.root_names() if name in rules else [name]
        absent = [root for root in roots if root not in table.columns]
        if absent and (len(absent) == len(set(roots)) or "coalesce" not in str(rules[name])):
            raise RecoupError(
                f"{path}: missing column {', '.join(sorted(set(absent)))}, needed for {feed}.{name}; "
                "add it to the file or map another one in the --source mapping"
            )


def _chosen(table: pl.DataFrame, where: pl.Expr, problems: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows of the feed, and those whose place cannot be told: they are to be rejected."""
    unsure = problems.filter(pl.col("field").is_in(where.meta.root_names()))[ROW_NUMBER].unique()
    return _with_columns(table, where).filter(where | pl.col(ROW_NUMBER).is_in(unsure.to_list()))


def _distinct(frame: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Drop repeated rows; one with an unreadable value is like no other."""
    unread = pl.col(ROW_NUMBER).is_in(found[ROW_NUMBER].unique().to_list())
    marked = frame.with_columns(pl.when(unread).then(ROW_NUMBER).alias("unread"))
    return marked.unique(pl.exclude(ROW_NUMBER), keep="first", maintain_order=True).drop("unread")


def _with_columns(table: pl.DataFrame, *rules: pl.Expr) -> pl.DataFrame:
    """Add the columns that the rules name and the file lacks, as unknown."""
    roots = {root for rule in rules for root in rule.meta.root_names()}
    absent = [pl.lit(None).alias(root) for root in sorted(roots) if root not in table.columns]
    return table.with_columns(absent)


def _project(table: pl.DataFrame, rules: dict[str, pl.Expr], feed: str) -> pl.DataFrame:
    table = _with_columns(table, *rules.values())
    columns = FEEDS[feed].SCHEMA.columns
    casts = {name: column.dtype.type for name, column in columns.items()}
    values = [_as(rules.get(name, pl.lit(None)), dtype, table).alias(name) for name, dtype in casts.items()]
    frame = table.select(*values, pl.col(ROW_NUMBER))
    now = pl.lit(datetime.now(UTC)).cast(INSTANT)
    return frame.with_columns(pl.col("known_at").fill_null(now))


def _as(rule: pl.Expr, dtype: pl.DataType, table: pl.DataFrame) -> pl.Expr:
    """Cast a rule's values to the schema's type; a date becomes midnight UTC."""
    if dtype == INSTANT:
        found = table.select(rule).to_series().dtype
        if not isinstance(found, pl.Datetime) or found.time_zone is None:
            return rule.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return rule.cast(dtype)


def _unread(
    problems: pl.DataFrame, rules: dict[str, pl.Expr], identifiers: list[str], frame: pl.DataFrame
) -> pl.DataFrame:
    """Keep the reading problems of the rows and source columns that this feed uses."""
    used = {root for rule in rules.values() for root in rule.meta.root_names()}
    secret = {root for name in identifiers if name in rules for root in rules[name].meta.root_names()}
    hidden = pl.col("reason").str.replace(r"(?s)'.*'", "a direct identifier")
    reason = pl.when(pl.col("field").is_in(sorted(secret))).then(hidden).otherwise("reason").alias("reason")
    kept = problems.filter(pl.col("field").is_in(sorted(used))).with_columns(reason)
    return kept.join(frame.select(pl.col(ROW_NUMBER).cast(pl.UInt32)), on=ROW_NUMBER, how="semi")


def _invalid(feed: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return what the schema finds wrong, one row per value."""
    import pandera.errors

    try:
        FEEDS[feed].SCHEMA.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        rows = frame[ROW_NUMBER].cast(pl.UInt32)
        cases = errors.failure_cases
        reason = (
            pl.when(pl.col("check") == "not_nullable")
            .then(pl.lit("is missing"))
            .when(pl.col("schema_context") == "Column")
            .then(pl.format("{}, is {}", pl.col("check"), pl.col("failure_case")))
            .otherwise(pl.col("check"))
        )
        return cases.select(
            rows.gather(cases["index"]).alias(ROW_NUMBER),
            pl.coalesce("column", pl.lit("row")).alias("field"),
            reason.alias("reason"),
        )
    return pl.DataFrame(schema=reading.PROBLEM)


def _repeated(feed: str, frame: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Return the rows whose key an earlier sound row has: a rejected row keeps no other out."""
    key = list(FEEDS[feed].KEY)
    sound = ~pl.col(ROW_NUMBER).is_in(found[ROW_NUMBER].unique().to_list())
    first = pl.when(sound).then(ROW_NUMBER).min().over(key)
    complete = pl.all_horizontal(
        pl.col(name).is_not_null() for name in key if not FEEDS[feed].SCHEMA.columns[name].nullable
    )
    repeated = frame.select(ROW_NUMBER, *key, first.alias("first")).filter(
        complete, pl.col(ROW_NUMBER) > pl.col("first")
    )
    return repeated.select(
        pl.col(ROW_NUMBER).cast(pl.UInt32),
        pl.lit(key[0]).alias("field"),
        pl.format("duplicate {}, first seen in row {}", pl.lit(", ".join(key)), "first").alias("reason"),
    )


def _split(feed: str, frame: pl.DataFrame, problems: pl.DataFrame) -> FeedRows:
    frame = frame.with_columns(pl.col(ROW_NUMBER).cast(pl.UInt32))
    by_row = problems.group_by(ROW_NUMBER, maintain_order=True).agg(
        pl.col("field").unique(maintain_order=True).str.join(", "),
        pl.format("{}: {}", "field", "reason").unique(maintain_order=True).str.join("; ").alias("reason"),
    )  # fmt: skip
    return FeedRows(
        feed,
        frame.join(by_row, on=ROW_NUMBER, how="anti"),
        frame.join(by_row, on=ROW_NUMBER, how="inner", maintain_order="left"),
    )
