"""Column kinds shared by the six feeds, as pandera columns that carry unit and EBA field number."""

import datetime as dt
from collections.abc import Callable
from functools import cached_property
from typing import Any

import polars as pl

CURRENCIES = ("AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "INR",
              "JPY", "KRW", "MXN", "NOK", "NZD", "PLN", "RON", "SEK", "SGD", "TRY", "USD", "ZAR")  # fmt: skip
EARLIEST = dt.date(1950, 1, 1)
INSTANT = pl.Datetime("us", "UTC")


class Schema:
    """A feed's pandera schema, made when first asked for: loading pandera takes longer than a service may to start.

    Parameters
    ----------
    make : callable
        Of the module ``pandera.polars``, gives a ``DataFrameSchema``.
    """

    def __init__(self, make: Callable[[Any], Any]):
        self._make = make

    @property
    def columns(self) -> dict[str, Any]:
        """The feed's columns by name."""
        return self._schema.columns

    def validate(self, frame: pl.DataFrame, lazy: bool) -> pl.DataFrame:
        """Check a frame; ``lazy`` collects every failure before it raises."""
        return self._schema.validate(frame, lazy=lazy)

    @cached_property
    def _schema(self) -> Any:
        return self._make(_pandera())


def _pandera() -> Any:
    import pandera.polars

    return pandera.polars


def _column(dtype, description, *, checks=(), required=False, eba=None, **metadata):
    metadata = {key: value for key, value in {"eba": eba, **metadata}.items() if value is not None}
    return _pandera().Column(
        dtype,
        list(checks),
        nullable=not required,
        required=True,
        description=description,
        metadata=metadata,
    )


def text(description, **options):
    """A category or key, kept as text."""
    return _column(pl.String, description, **options)


def identifier(description, **options):
    """A direct identifier of a person: replaced by a keyed token on entry."""
    return _column(pl.String, description, identifier=True, **options)


def one_of(values, description, **options):
    """Text out of a closed list."""
    check = _pandera().Check.isin(values, error=f"must be one of: {', '.join(values)}")
    return _column(pl.String, description, checks=[check], allowed=list(values), **options)


def number(description, *, low=None, high=None, unit=None, **options):
    """A number with its unit, within ``[low, high]`` where these are given."""
    checks = [_pandera().Check(_finite, error="must be a finite number")]
    if low is not None:
        checks.append(_pandera().Check.ge(low, error=f"must be at least {low}"))
    if high is not None:
        checks.append(_pandera().Check.le(high, error=f"must be at most {high}"))
    return _column(pl.Float64, description, checks=checks, unit=unit, **options)


def money(description, *, low=0, **options):
    """An amount in the row's own currency."""
    return number(description, low=low, unit="currency", **options)


def flag(description, **options):
    """True, false or unknown."""
    return _column(pl.Boolean, description, **options)


def date(description, *, past=False, **options):
    """A calendar date; one in the ``past`` lies between `EARLIEST` and today, wherever it is today."""
    checks = [
        _pandera().Check.ge(EARLIEST, error=f"must be {EARLIEST} or later"),
        _pandera().Check(_past, error="must not be in the future"),
    ]
    return _column(pl.Date, description, checks=checks if past else [], unit="date", **options)


def instant(description, **options):
    """A moment in UTC."""
    return _column(INSTANT, description, unit="UTC", **options)


def row_check(expression, error):
    """A rule over several columns of one row; rows where it is unknown pass."""

    def check(data):
        return data.lazyframe.select(expression.fill_null(True))

    return _pandera().Check(check, error=error)


def _finite(data):
    return data.lazyframe.select(pl.col(data.key).is_finite())


def _past(data):
    tomorrow = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)
    return data.lazyframe.select(pl.col(data.key) <= tomorrow)
