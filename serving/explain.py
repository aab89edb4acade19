"""Why a score is what it is, for a person: text and a waterfall plot."""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from features.home import Home
from serving import letters, turn
from serving.journal import Journal
from serving.pricing.answers import Pricing
from serving.schemas import PricedLoan, PriceRequest
from training import registry
from training.package import ModelPackage
from training.registry import Registered

_SHOWN = 10


def explain(home: Home, loan_id: str, moment: datetime | None) -> tuple[str, Path]:
    """Value a loan and explain the value.

    Parameters
    ----------
    home : Home
    loan_id : str
        A loan in the online store.
    moment : datetime, optional
        As of when (UTC); now when not given.

    Returns
    -------
    text : str
        The value, its interval, what moved it, and what it rests on.
    plot : Path
        A waterfall plot (PNG) from the base to the expected recovery.

    Raises
    ------
    RecoupError
        When no model is trained, the store was never filled, or the loan is unknown.
    """
    champion, priced, record = _decided(home, loan_id, moment)
    plot = waterfall(record, champion.package, home.reports / "explain" / f"{priced.decision_id}.png")
    money = priced.currency
    interval = f"{priced.recovery_rate_lower:.1%} to {priced.recovery_rate_upper:.1%}"
    since = ", ".join(f"{mart} {known:%Y-%m-%d}" for mart, known in priced.features_known_at.items())
    lines = [
        f"loan {loan_id}: {priced.owed:,.2f} {money} owed, decision {priced.decision_id}",
        f"expected recovery {priced.expected_recovery:,.2f} {money}, {priced.recovery_rate:.1%} of what is owed "
        f"(90 % interval {interval}); price {priced.price:,.2f} {money}",
        f"  {priced.base_effect:>+12,.2f}  the model's average loan",
        *[
            f"  {reason.effect:>+12,.2f}  {reason.about}: {_shown(reason.value)}  [{reason.feature}]"
            for reason in priced.reasons
        ],
        f"  {priced.other_effect:>+12,.2f}  everything else",
        f"  {priced.expected_recovery:>12,.2f}  expected recovery",
        f"model {priced.model_version}; known since: {since}",
    ]
    lines += [f"stale: {mart} was last materialized {since:%Y-%m-%d}" for mart, since in priced.stale.items()]
    return "\n".join(lines), plot


def letter(home: Home, loan_id: str, moment: datetime | None, language: str) -> str:
    """Value a loan and tell its debtor why, in plain words, and what would change it.

    Parameters
    ----------
    home : Home
    loan_id : str
        A loan in the online store.
    moment : datetime, optional
        As of when (UTC); now when not given.
    language : str
        ``en`` or ``zh``.

    Raises
    ------
    RecoupError
        When no model is trained, the store was never filled, the loan is unknown, or the language is.
    """
    champion, priced, record = _decided(home, loan_id, moment)
    return letters.write(record, champion.package, priced.currency, language)


def _decided(home: Home, loan_id: str, moment: datetime | None) -> tuple[Registered, PricedLoan, dict[str, Any]]:
    """Value a loan by the model in force: the model, the answer, and the decision's record."""
    champion = registry.load(home, "recovery")
    pricing = Pricing(home, champion.package.rows, champion.label)
    (priced,) = turn.alone(pricing.price, PriceRequest(loan_ids=[loan_id], moment=moment)).loans
    return champion, priced, Journal(home).find(priced.decision_id)


def waterfall(record: dict[str, Any], package: ModelPackage, path: Path) -> Path:
    """Plot a journalled decision's contributions from base to score, in the reader's unit."""
    import matplotlib.pyplot as plt
    import shap

    path.parent.mkdir(parents=True, exist_ok=True)
    unit = record["unit"]
    shap.plots.waterfall(
        shap.Explanation(
            values=np.array(record["contributions"]) * unit,
            base_values=record["base"] * unit,
            data=np.array([_shown(record["features"][name]) for name in package.names], dtype=object),
            feature_names=package.names,
        ),
        max_display=_SHOWN,
        show=False,
    )
    figure = plt.gcf()
    figure.suptitle(f"{record['kind']} of {record['subject']} by {record['model_version']}")
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)
    return path


def _shown(value: float | str | None) -> str:
    if value is None:
        return "unknown"
    return value if isinstance(value, str) else f"{value:,.4g}"
