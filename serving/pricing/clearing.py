"""Our prices beside those at which the market cleared: by how much they differ by segment, and why.

A desk gives a CSV file, a row for each sale: ``price`` (share of balance), ``date`` (YYYY-MM-DD) and
the segment that was sold in any of the columns ``product``, ``region``, ``legal_status``,
``currency`` (as on the tape), ``balance_band`` (in the tape's money) and ``age_band`` (months since
default). A band is ``LOW-HIGH`` or ``LOW+``; its high end does not belong to it. An empty cell means any.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from features.errors import RecoupError
from features.feeds import columns
from features.feeds.loans import LEGAL_STATUSES, PRODUCTS
from serving.pricing.portfolio import Worked
from serving.pricing.valuation import Assumptions, Valued

_KNOWN = {"product": PRODUCTS, "legal_status": LEGAL_STATUSES, "currency": columns.CURRENCIES, "region": None}
_DAYS = 365.25 / 12
_BANDS = {
    "balance_band": pl.col("balance"),
    "age_band": (pl.col("cutoff_on") - pl.col("default_on")).dt.total_days() / _DAYS,
}


@dataclass(frozen=True)
class Sale:
    """A price at which a segment was sold.

    Attributes
    ----------
    segment : dict of str to str
        What was sold, in the file's words.
    price : float
        Share of balance.
    day : date
    holds : polars.Expr
        Which loans of a tape belong to the segment.
    """

    segment: dict[str, str]
    price: float
    day: date
    holds: pl.Expr

    @property
    def name(self) -> str:
        """The segment in a line."""
        return ", ".join(f"{column} {text}" for column, text in self.segment.items()) or "all loans"


def read(path: Path) -> list[Sale]:
    """Read sales.

    Raises
    ------
    RecoupError
        When the file cannot be read, or a row makes no sense: it names the row and the column.
    """
    try:
        table = pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise RecoupError(f"clearing prices {path}: {error}") from error
    known = ("price", "date", *_KNOWN, *_BANDS)
    if strange := [name for name in table.columns if name not in known]:
        raise RecoupError(f"clearing prices {path}: no column {strange[0]!r} is known; there are {', '.join(known)}")
    if lacking := [name for name in ("price", "date") if name not in table.columns]:
        raise RecoupError(f"clearing prices {path}: column {lacking[0]!r} is missing")
    return [_sale(path, number, row) for number, row in enumerate(table.iter_rows(named=True), start=1)]


def compare(sales: list[Sale], loans: pl.DataFrame, valued: Valued, given: Assumptions) -> dict[str, Any]:
    """Set our prices beside sales.

    Parameters
    ----------
    sales : list of Sale
    loans : polars.DataFrame, shape (n, ...)
        The tape's canonical columns.
    valued : Valued
        The same loans.
    given : Assumptions

    Returns
    -------
    dict
        ``segments``: see `_beside`, one for each sale and currency. ``unmatched``: segments of which the
        tape has no loan. ``uncovered``: share of the tape's loans that no sale speaks of.
    """
    found, unmatched, covered = [], [], np.zeros(loans.height, dtype=bool)
    for sale in sales:
        held = loans.select(sale.holds.fill_null(False).alias("held"))["held"].to_numpy()
        covered |= held
        if not held.any():
            unmatched.append(sale.name)
        for currency in loans.filter(held)["currency"].unique(maintain_order=True):
            here = held & (loans["currency"] == currency).to_numpy()
            found.append(_beside(sale, currency, loans["balance"].to_numpy(), here, valued, given))
    return {"segments": found, "unmatched": unmatched, "uncovered": float(1 - covered.mean())}


def _beside(sale: Sale, currency: str, owed: np.ndarray, here: np.ndarray, valued: Valued,
            given: Assumptions) -> dict[str, Any]:  # fmt: skip
    """Return our price and the sale's as shares of balance, what would explain the difference, and our price's parts.

    ``implied_return`` is the required return at which we would pay the sale's price,
    ``implied_recoveries`` the multiple of our expected recoveries at which we would. ``parts`` add up to
    our price: recovery, less what channels keep, less what waiting costs, less what is paid at purchase,
    plus what is saved by not working loans that are not worth it.
    """
    balance, worked = owed[here].sum(), here & valued.worked
    cash = (valued.curve[here, -1] * owed[here]).sum()
    sold = 0.0 if valued.auctioned is None else (valued.auctioned[here, -1] * owed[here]).sum()
    left = (cash - sold) * given.passed_on(0.0) + sold
    parts = {
        "recovery": cash,
        "kept_by_channels": left - cash,
        "waiting": valued.worth[here].sum() - left,
        "at_purchase": -valued.cost[here].sum(),
        "not_worked": (valued.price - valued.npv)[here].sum(),
    }
    own, paid = valued.price[here].sum() / balance, np.array([sale.price * balance])
    rate = Worked.of(valued, owed, here).returns(paid, given)[0]
    worth = valued.worth[worked].sum()
    return {
        "segment": sale.name,
        "date": sale.day.isoformat(),
        "currency": currency,
        "loans": int(here.sum()),
        "balance": float(balance),
        "cleared": sale.price,
        "own": float(own),
        "difference": float(own - sale.price),
        "implied_return": None if np.isnan(rate) else float(rate),
        "implied_recoveries": float((paid[0] + valued.cost[worked].sum()) / worth) if worth > 0 else None,
        "parts": {name: float(amount / balance) for name, amount in parts.items()},
    }


def _sale(path: Path, number: int, row: dict[str, str | None]) -> Sale:
    def wrong(column: str, why: str) -> RecoupError:
        return RecoupError(f"clearing prices {path}, row {number}, column {column}: {row[column]!r} {why}")

    try:
        price = float(row["price"] or "")
    except ValueError:
        raise wrong("price", "is not a number") from None
    if not 0 <= price <= 1:
        raise wrong("price", "is not a share of balance: write 0.041 for 4.1 %")
    try:
        day = date.fromisoformat(row["date"] or "")
    except ValueError:
        raise wrong("date", "is not a date: write YYYY-MM-DD") from None
    if day > datetime.now(UTC).date():
        raise wrong("date", "lies in the future")
    segment = {column: text for column, text in row.items() if text and column not in ("price", "date")}
    holds = pl.lit(True)
    for column, text in segment.items():
        if column in _BANDS:
            try:
                holds = holds & _within(_BANDS[column], text)
            except ValueError:
                raise wrong(column, "is not a band: write LOW-HIGH or LOW+") from None
            continue
        allowed = _KNOWN[column]
        if allowed and text not in allowed:
            raise wrong(column, f"is unknown; there are {', '.join(allowed)}")
        holds = holds & (pl.col(column) == text)
    return Sale(segment, price, day, holds)


def _within(amount: pl.Expr, band: str) -> pl.Expr:
    """Return whether an amount lies in a band such as ``1000-5000`` or ``5000+``."""
    if band.endswith("+"):
        return amount >= float(band[:-1])
    low, high = (float(end) for end in band.split("-"))
    if not low < high:
        raise ValueError(band)
    return (amount >= low) & (amount < high)
