"""What the portfolio's value comes from, input by input, and why its best and worst loans are so."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from features.marts.columns import MISSING
from serving.diligence.subject import UNKNOWN, Subject

_SHOWN = 15
_LOANS = 20
_REASONS = 3


def drivers(subject: Subject) -> dict[str, Any]:
    """Explain a portfolio's expected recovery and its extreme loans.

    The contributions are exact: average recovery, every input's share and nothing else add up to the
    expected recovery of each loan without collateral, and so of all of these (`training.leaf_shap`).

    Parameters
    ----------
    subject : Subject

    Returns
    -------
    dict
        ``base`` (what the loans would bring if each were the model's average loan), ``inputs`` (the
        largest sums of contributions, money), ``other``, and ``secured`` (what loans with collateral
        bring, which auctions decide): they add up to ``expected_recovery``. ``most`` and ``least``: the
        twenty loans with the highest and lowest net present value, each with its reasons.
    """
    explained = subject.package.explain(subject.inputs, threads=2)
    owed = np.where(subject.secured, 0.0, subject.loans["balance"].to_numpy())
    money = explained.contributions * owed[:, None]
    sums = money.sum(axis=0)
    order = np.argsort(-np.abs(sums), kind="stable")
    columns = subject.package.card.columns
    inputs = [
        {"input": columns[place]["name"], "about": columns[place]["about"], "effect": float(sums[place])}
        for place in order[:_SHOWN]
    ]
    by_value = np.argsort(-subject.loans["npv"].to_numpy(), kind="stable")
    count = min(_LOANS, len(by_value))
    reader = _Reader(subject, money)
    return {
        "base": float((explained.base * owed).sum()),
        "inputs": inputs,
        "other": float(sums[order[_SHOWN:]].sum()),
        "secured": float(subject.valued.expected[subject.secured].sum()),
        "expected_recovery": float(subject.valued.expected.sum()),
        "most": [reader.loan(int(row)) for row in by_value[:count]],
        "least": [reader.loan(int(row)) for row in by_value[::-1][:count]],
    }


@dataclass(frozen=True)
class _Reader:
    """Loans as a person reads them."""

    subject: Subject
    money: np.ndarray

    def loan(self, row: int) -> dict[str, Any]:
        loan = self.subject.loans.row(row, named=True)
        kept = ("loan_id", "balance", "recovery_rate", "recovery_rate_lower", "recovery_rate_upper",
                "expected_recovery", "npv", "price")  # fmt: skip
        if self.subject.secured[row]:
            reasons = [_of_collateral(loan[f"reason_{place}"]) for place in range(1, _REASONS + 1)]
        else:
            order = np.argsort(-np.abs(self.money[row]), kind="stable")[:_REASONS]
            reasons = [self._reason(row, int(place)) for place in order]
        return {name: loan[name] for name in kept} | {"reasons": reasons}

    def _reason(self, row: int, place: int) -> dict[str, Any]:
        column = self.subject.package.card.columns[place]
        value = self.subject.inputs[column["name"]][row]
        return {
            "input": column["name"],
            "about": column["about"],
            "value": worded(value, column["unit"], column["kind"], self.subject.currency),
            "effect": float(self.money[row, place]),
        }


def _of_collateral(reason: str) -> dict[str, Any]:
    """Read a reason of ``prices.parquet``: a step of the auction, and the money that it moves."""
    about, effect = reason.rsplit(" ", 1)
    return {"input": None, "about": about, "value": None, "effect": float(effect)}


def worded(value: float | str | None, unit: str | None, kind: str, currency: str) -> str:
    """Return an input's value as a person writes it.

    Examples
    --------
    >>> worded(0.254, "share", "number", "USD"), worded(33.04, "months", "number", "USD")
    ('25 %', '33 months')
    >>> worded(1.0, None, "flag", "USD"), worded("debt_consolidation", None, "category", "USD")
    ('yes', 'debt consolidation')
    """
    if value is None or value == MISSING:
        return UNKNOWN
    if isinstance(value, str):
        return value.replace("_", " ")
    if kind == "flag":
        return "yes" if value else "no"
    if unit in ("share", "per year"):
        return f"{value:.0%}".replace("%", " %") + (" a year" if unit == "per year" else "")
    value = round(value, 6)
    number = f"{value:,.0f}" if abs(value) >= 10 or value == int(value) else f"{value:.2g}"
    if unit == "year":
        return f"{value:.1f}"
    return {"currency": f"{number} {currency}", "percent": f"{number} %", None: number}.get(unit, f"{number} {unit}")
