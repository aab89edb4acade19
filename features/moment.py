"""Features that depend on the moment of the question: how long since, how long until, what hour there.

A mart stores instants; only a question at a moment makes an age of them. Each function here is the
one definition of its features: Feast calls it as an on-demand view, and the door to Feast calls it
on whole columns.

Columns are sequences of equal length, or single values for one row; ``moment`` is in seconds since 1970,
UTC. Unknown is NaN among numbers and ``missing`` among categories.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from features.feeds.contacts import CHANNELS, POINT_KINDS
from features.marts.columns import MISSING, Feature

Columns = Mapping[str, Sequence[Any] | np.ndarray | float]

_DAY = 86_400.0
_MONTH = 365.25 / 12 * _DAY
_YEAR = 365.25 * _DAY

VALUATION = [
    Feature("horizon_months", "number", "how far ahead recovery is counted", "months"),
    Feature("age_years", "number", "age of the debtor", "years"),
    Feature("credit_history_years", "number", "length of the credit history", "years"),
    Feature("months_on_book", "number", "life of the loan until its default", "months"),
    Feature("months_since_default", "number", "age of the debt", "months"),
    Feature("default_year", "number", "calendar time of the default", "year"),
    Feature("paid_through_year", "number", "calendar time that the instalments paid reach to", "year"),
    Feature("months_since_cutoff", "number", "time since the cut-off", "months"),
    Feature("months_since_last_payment", "number", "time since the last payment to the seller", "months"),
    Feature("months_since_last_collected", "number", "time since the last payment to us", "months"),
    Feature("months_to_limitation", "number", "time until the claim lapses", "months"),
    Feature("months_since_legal_step", "number", "time since the last court step", "months"),
    Feature("days_since_attempt", "number", "time since the last attempt", "days"),
    Feature("days_since_right_party", "number", "time since the debtor was last reached", "days"),
]
VALUATION_INPUTS = {
    "customer": ["birth_year", "oldest_account_at"],
    "asset": ["originated_at", "default_at", "cutoff_at", "limitation_at", "legal_step_at"],
    "financial": ["instalments_paid", "last_payment_at", "last_collected_at"],
    "contact": ["last_attempt_at", "last_right_party_at"],
}
VALUATION_REQUEST = {"moment": "number", "horizon_months_asked": "number"}

ATTEMPT = [
    Feature("channel", "category", "channel of the attempt"),
    Feature("point_kind", "category", "kind of contact point"),
    Feature("local_hour", "number", "hour at the debtor's place", "hour"),
    Feature("local_weekday", "number", "day of the week there, Monday is 0"),
    Feature("day_of_month", "number", "day of the month there"),
    Feature("month_of_year", "number", "month there"),
    Feature("age_years", "number", "age of the debtor", "years"),
    Feature("months_since_default", "number", "age of the debt", "months"),
    Feature("days_since_attempt", "number", "time since the last attempt", "days"),
    Feature("days_since_right_party", "number", "time since the debtor was last reached", "days"),
    Feature("attempts_by_channel", "number", "attempts so far by this channel"),
    Feature("right_parties_by_channel", "number", "reached so far by this channel"),
    Feature("attempts_at_point", "number", "attempts so far at this contact point"),
    Feature("right_parties_at_point", "number", "reached so far at this contact point"),
    Feature("bounced_at_point", "number", "messages that bounced at this contact point"),
    Feature("delivered_at_point", "number", "messages delivered at this contact point, unanswered"),
    Feature("reach_at_point", "number", "reached so far at this contact point, over what is usual", "share"),
    Feature("last_attempt_hour", "number", "hour at the debtor's place of the last attempt", "hour"),
    Feature("last_right_party_hour", "number", "hour there at which he was last reached", "hour"),
]
_AT_POINT = ("attempts", "right_parties", "bounced", "delivered")
_TRUST = 0.7
"""Usual right parties that a debtor's own figure weighs against."""
ATTEMPT_INPUTS = {
    "customer": ["birth_year", "time_zone"],
    "asset": ["default_at"],
    "contact": [
        "last_attempt_at",
        "last_right_party_at",
        *[f"attempts_{name}" for name in CHANNELS],
        *[f"right_parties_{name}" for name in CHANNELS],
        *[f"{what}_at_{kind}" for what in (*_AT_POINT, "usual") for kind in POINT_KINDS],
    ],
}
ATTEMPT_REQUEST = {
    "moment": "number",
    "channel_asked": "category",
    "point_kind_asked": "category",
}


def at_valuation(columns: Columns) -> dict[str, np.ndarray]:
    """Return the `VALUATION` features of loans at a moment.

    Examples
    --------
    >>> column = {name: [float("nan")] for names in VALUATION_INPUTS.values() for name in names}
    >>> column |= {"moment": [86400.0 * 365.25], "horizon_months_asked": [12.0], "default_at": [0.0]}
    >>> float(at_valuation(column)["months_since_default"][0])
    12.0
    """
    x = _numbers(columns, _VALUATION_NUMBERS)
    now = x["moment"]
    return {
        "horizon_months": x["horizon_months_asked"],
        "age_years": _age(now, x["birth_year"]),
        "credit_history_years": (now - x["oldest_account_at"]) / _YEAR,
        "months_on_book": (x["default_at"] - x["originated_at"]) / _MONTH,
        "months_since_default": (now - x["default_at"]) / _MONTH,
        "default_year": 1970 + x["default_at"] / _YEAR,
        "paid_through_year": 1970 + (x["originated_at"] + x["instalments_paid"] * _MONTH) / _YEAR,
        "months_since_cutoff": (now - x["cutoff_at"]) / _MONTH,
        "months_since_last_payment": (now - x["last_payment_at"]) / _MONTH,
        "months_since_last_collected": (now - x["last_collected_at"]) / _MONTH,
        "months_to_limitation": (x["limitation_at"] - now) / _MONTH,
        "months_since_legal_step": (now - x["legal_step_at"]) / _MONTH,
        "days_since_attempt": (now - x["last_attempt_at"]) / _DAY,
        "days_since_right_party": (now - x["last_right_party_at"]) / _DAY,
    }


def at_attempt(columns: Columns) -> dict[str, np.ndarray]:
    """Return the `ATTEMPT` features of attempts at a moment, by a channel."""
    x = _numbers(columns, _ATTEMPT_NUMBERS)
    now = np.asarray(x["moment"])
    channels = np.asarray(columns["channel_asked"], dtype=object)
    points = np.asarray(columns["point_kind_asked"], dtype=object)
    zones = np.asarray(columns["time_zone"], dtype=object)
    hour, weekday, day, month = _local_calendar(now, zones)
    at_point = {f"{what}_at_point": _chosen(points, POINT_KINDS, f"{what}_at_", x) for what in _AT_POINT}
    usual = _chosen(points, POINT_KINDS, "usual_at_", x)
    return {
        "channel": channels,
        "point_kind": points,
        "local_hour": hour,
        "local_weekday": weekday,
        "day_of_month": day,
        "month_of_year": month,
        "age_years": _age(now, x["birth_year"]),
        "months_since_default": (now - x["default_at"]) / _MONTH,
        "days_since_attempt": (now - x["last_attempt_at"]) / _DAY,
        "days_since_right_party": (now - x["last_right_party_at"]) / _DAY,
        "attempts_by_channel": _chosen(channels, CHANNELS, "attempts_", x),
        "right_parties_by_channel": _chosen(channels, CHANNELS, "right_parties_", x),
        **at_point,
        "reach_at_point": _reach(at_point["right_parties_at_point"], usual),
        "last_attempt_hour": _local_calendar(np.asarray(x["last_attempt_at"]), zones)[0],
        "last_right_party_hour": _local_calendar(np.asarray(x["last_right_party_at"]), zones)[0],
    }


def _numbers_of(inputs: dict[str, list[str]], request: dict[str, str]) -> list[str]:
    stored = [name for names in inputs.values() for name in names if name != "time_zone"]
    return stored + [name for name, kind in request.items() if kind == "number"]


_VALUATION_NUMBERS = _numbers_of(VALUATION_INPUTS, VALUATION_REQUEST)
_ATTEMPT_NUMBERS = _numbers_of(ATTEMPT_INPUTS, ATTEMPT_REQUEST)


def _numbers(columns: Columns, names: list[str]) -> dict[str, Any]:
    # a plain number is reckoned with sooner than an array that holds it, to the same bits
    return {name: x if type(x := columns[name]) is float else np.asarray(x, dtype=np.float64) for name in names}


def _age(now: np.ndarray, birth_year: np.ndarray) -> np.ndarray:
    return np.floor(1970 + now / _YEAR) - birth_year


def _chosen(own: np.ndarray, names: tuple[str, ...], prefix: str, x: dict[str, np.ndarray]) -> np.ndarray:
    """Pick, row by row, the counter of the row's own channel or kind of contact point."""
    picked = np.full(own.shape, np.nan)
    for name in names:
        picked = np.where(own == name, x[prefix + name], picked)
    return picked


def _reach(reached: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Return right parties over what is usual (percent), drawn towards 1 the more the less was tried."""
    return (np.nan_to_num(reached) + _TRUST) / (np.nan_to_num(usual) / 100 + _TRUST)


def _local_calendar(now: np.ndarray, zones: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return hour, weekday, day and month on the clock and calendar of each row's zone."""
    local = np.full(now.shape, np.nan)
    for zone in set(zones.ravel().tolist()):
        rows = (zones == zone) & np.isfinite(now)
        if zone is not None and zone != MISSING and rows.any():
            local[rows] = now[rows] + _offsets(now[rows], zone)
    days = np.floor(local / _DAY)
    known = np.isfinite(days)
    dates = np.where(known, days, 0).astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    day = (dates - months).astype(np.float64) + 1
    month = months.astype(np.int64) % 12 + 1.0
    return (
        np.floor(local / 3600) % 24,
        (days + 3) % 7,
        np.where(known, day, np.nan),
        np.where(known, month, np.nan),
    )


def _offsets(now: np.ndarray, zone: str) -> np.ndarray:
    """Return seconds ahead of UTC; asked once per distinct minute, since clocks change on the minute."""
    try:
        place = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return np.full(len(now), np.nan)
    minutes, index = np.unique(np.floor(now / 60), return_inverse=True)
    ahead = [datetime.fromtimestamp(minute * 60, UTC).astimezone(place).utcoffset() for minute in minutes]
    return np.array([gap.total_seconds() for gap in ahead if gap is not None])[index]
