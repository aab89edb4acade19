"""Mapping files: how a source writes its values, and which canonical field each becomes.

A mapping is YAML, not code. ``read`` names the source's columns and how to read them; ``feeds``
gives, for each feed the file holds, one SQL expression over those columns per canonical field.
``columns: all`` takes a file that already uses the canonical names.
"""

from datetime import date
from pathlib import Path
from typing import Literal

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from features.errors import RecoupError
from features.feeds import FEEDS

BUILT_IN = Path(__file__).parent / "mappings"
ROW_NUMBER = "file_row"
WALKED_DAY = "walked_day"


class Column(BaseModel):
    """How one source column is read."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["text", "number", "date", "instant", "flag"]
    column: str | None = None
    format: str | None = None
    pattern: str | None = None
    nulls: list[str] = []

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value):
        return {"kind": value} if isinstance(value, str) else value


class Walk(BaseModel):
    """Dates rebuilt for a file in date order that writes only month and weekday.

    The day goes forward from ``start`` to the next one that has the row's month and weekday.
    """

    model_config = ConfigDict(extra="forbid")

    month: str
    weekday: str
    start: date


class FeedMapping(BaseModel):
    """One feed out of the file.

    ``pseudonymous`` lists identifier fields that the publisher already replaced by a row number:
    they are kept as they stand, where any other identifier becomes a keyed token.
    """

    model_config = ConfigDict(extra="forbid")

    columns: dict[str, str] | Literal["all"]
    where: str | None = None
    distinct: bool = False
    pseudonymous: list[str] = []


class Mapping(BaseModel):
    """A whole mapping file."""

    model_config = ConfigDict(extra="forbid")

    source: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    about: str = ""
    separator: str = ","
    read: dict[str, Column] = {}
    walk: Walk | None = None
    feeds: dict[str, FeedMapping]

    @model_validator(mode="after")
    def _known_names(self):
        for name in (self.walk.month, self.walk.weekday) if self.walk else ():
            if name not in self.read:
                raise ValueError(f"walk: {name} is not under `read`")
        known = {*self.read, ROW_NUMBER, *([WALKED_DAY] if self.walk else [])}
        for name, feed in self.feeds.items():
            if name not in FEEDS:
                raise ValueError(f"unknown feed {name!r}; feeds are {', '.join(FEEDS)}")
            fields = set(FEEDS[name].SCHEMA.columns)
            rules = {} if feed.columns == "all" else feed.columns
            unknown = sorted({*rules, *feed.pseudonymous} - fields)
            if unknown:
                raise ValueError(f"feed {name}: unknown field {', '.join(unknown)}")
            readable = known | fields if feed.columns == "all" else known
            for field, sql in [*rules.items(), ("where", feed.where or "TRUE")]:
                missing = sorted(set(expression(field, sql).meta.root_names()) - readable)
                if missing:
                    raise ValueError(f"feed {name}, {field}: {', '.join(missing)} is not under `read`")
        return self


def expression(field: str, sql: str) -> pl.Expr:
    """Parse one SQL expression of a mapping.

    Raises
    ------
    ValueError
        When it is not an expression that polars understands.
    """
    try:
        return pl.sql_expr(sql)
    except (pl.exceptions.PolarsError, pl.exceptions.SQLSyntaxError) as error:
        raise ValueError(f"{field}: cannot parse {sql!r}: {error}") from error


def load(source: str) -> Mapping:
    """Load a mapping by its built-in name or by its path.

    Parameters
    ----------
    source : str
        ``canonical``, ``lending_club``, ``bank_marketing``, or the path of a YAML file.

    Returns
    -------
    Mapping

    Raises
    ------
    RecoupError
        When there is no such mapping, or it names a field, feed or column that is not known.
    """
    path = BUILT_IN / f"{source}.yaml"
    if not path.is_file():
        path = Path(source)
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in BUILT_IN.glob("*.yaml")))
        raise RecoupError(f"no mapping {source!r}: give one of {names}, or the path of a YAML file")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Mapping.model_validate(content)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecoupError(f"mapping {path}: not a YAML file: {error}") from error
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc'])) or 'mapping'}: {item['msg']}" for item in error.errors()]
        raise RecoupError(f"mapping {path}: " + "; ".join(problems)) from error
