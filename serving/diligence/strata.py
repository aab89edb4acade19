"""The tape cut into strata: claim, expected recovery and price of each, with the interval of its total."""

from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from serving.diligence.subject import UNKNOWN, Subject

_MOST = 12
_MONTHS = (6.0, 12.0, 24.0, 36.0, 60.0)
_LIMITATION = (0.0, 12.0, 24.0, 48.0)
_Cut = tuple[list[str], np.ndarray]
"""Names of strata in order, and the place of each loan's among them, shape (n,)."""
_LADDER = [step * 10.0**power for power in range(1, 10) for step in (1, 2, 5)]


def stratify(subject: Subject) -> list[dict[str, Any]]:
    """Return the stratifications: by balance, age of debt, product, region, legal status, limitation.

    Parameters
    ----------
    subject : Subject

    Returns
    -------
    list of dict
        ``by`` and ``rows``; each row has ``stratum``, ``loans``, ``claim``, ``claim_share``,
        ``mean_balance``, ``recovery_rate`` with bounds, ``expected_recovery``, ``price``,
        ``price_share`` (of the claim), ``worth_lower`` and ``worth_upper`` (90 % interval of what
        the stratum turns out to be worth at the required return, after all cost).
    """
    loans, inputs = subject.loans, subject.inputs
    cuts = {
        "balance": _balances(loans["balance"], subject.currency),
        "age of debt": _banded(inputs["months_since_default"], _MONTHS, "{} to {} months", "under {} months",
                               "{} months and more"),
        "product": _named(loans["product"].str.replace_all("_", " ")),
        "region": _named(loans["region"]),
        "legal status": _named(loans["legal_status"].str.replace("none", "no court step")),
        "limitation": _banded(inputs["months_to_limitation"], _LIMITATION, "lapses in {} to {} months",
                              "time-barred", "lapses in {} months or later"),
    }  # fmt: skip
    return [{"by": by, "rows": _rows(subject, cut)} for by, cut in cuts.items()]


def _rows(subject: Subject, cut: _Cut) -> list[dict[str, Any]]:
    names, places = cut
    parts = [(name, np.flatnonzero(places == place)) for place, name in enumerate(names)]
    return [_row(subject, name, rows) for name, rows in parts if len(rows)]


def _row(subject: Subject, name: str, rows: np.ndarray) -> dict[str, Any]:
    part = subject.loans[rows]
    claim, price = float(part["balance"].sum()), float(part["price"].sum())
    recovery = subject.recovery_spread(rows)
    lower, upper = recovery.interval
    worth_lower, worth_upper = subject.worth_spread(rows).interval
    return {
        "stratum": name,
        "loans": part.height,
        "claim": claim,
        "claim_share": claim / subject.claim,
        "mean_balance": claim / part.height,
        "expected_recovery": recovery.mean,
        "recovery_rate": recovery.mean / claim,
        "recovery_rate_lower": lower / claim,
        "recovery_rate_upper": min(upper / claim, 1.0),
        "price": price,
        "price_share": price / claim,
        "worth_lower": worth_lower,
        "worth_upper": worth_upper,
    }


def _named(values: pl.Series) -> _Cut:
    """Return a category's strata, largest first; the small ones beyond the first dozen are one."""
    values = values.fill_null(UNKNOWN)
    counts = values.value_counts(sort=True).sort("count", values.name, descending=[True, False])
    names = counts[values.name].to_list()
    places = {name: min(place, _MOST) for place, name in enumerate(names)}
    rest = [f"{len(names) - _MOST} others"] if len(names) > _MOST else []
    return [*names[:_MOST], *rest], values.replace_strict(places, return_dtype=pl.Int64).to_numpy()


def _balances(values: pl.Series, currency: str) -> _Cut:
    """Cut at round amounts between the fifth and the ninety-fifth percentile."""
    low, high = np.quantile(values.to_numpy(), (0.05, 0.95))
    edges = [step for step in _LADDER if low < step < high][-6:]
    return _banded(values, edges, f"{{}} to {{}} {currency}", f"under {{}} {currency}", f"{{}} {currency} and more")


def _banded(values: pl.Series, edges: tuple[float, ...] | list[float], between: str, under: str,
            above: str) -> _Cut:  # fmt: skip
    """Cut numbers at edges; a value at an edge belongs to the band above it."""
    shown = [f"{edge:,.0f}" for edge in edges]
    if shown:
        middle = [between.format(*pair) for pair in pairwise(shown)]
        names = [under.format(shown[0]), *middle, above.format(shown[-1])]
    else:
        names = ["all"]
    place = np.searchsorted(np.array(edges), values.fill_null(0.0).to_numpy(), side="right")
    place = np.where(values.is_null().to_numpy(), len(names), place)
    return [*names, UNKNOWN], place
