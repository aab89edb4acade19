"""The portfolio at a glance: claim, expected recovery over time, price, bid curve, stresses."""

from itertools import pairwise
from typing import Any

import numpy as np

from serving.diligence.subject import Subject

_RATES = (0.0, 0.01, 0.02, 0.05, 0.10, 0.20, 0.50, 1.0)


def overview(subject: Subject) -> dict[str, Any]:
    """Sum a portfolio up; its distribution is that of ``portfolio.json``.

    Parameters
    ----------
    subject : Subject

    Returns
    -------
    dict
        Totals in the currency with 90 % intervals (``worth``: what the loans turn out to be worth at the
        required return; its mean is the price); ``curve``: expected cash by months ahead; ``bid_curve``,
        ``value_at_risk``, ``expected_shortfall`` and ``stress`` as `serving.pricing.portfolio` and
        `serving.pricing.stress` give them; ``rates``: loans and shares of claim and price by band of the
        expected recovery rate; ``best_tenth_share``: of the price, in the tenth of loans with the highest.
    """
    totals, prices = subject.totals, np.sort(subject.loans["price"].to_numpy())[::-1]
    spread = totals["distribution"]
    ultimate = spread["recovery"][-1]
    count = len(prices)
    return {
        "currency": subject.currency,
        "loans": count,
        "claim": subject.claim,
        "mean_balance": subject.claim / count,
        "median_balance": float(np.median(subject.loans["balance"].to_numpy())),
        "expected_recovery": totals["expected_recovery"],
        "recovery_rate": totals["recovery_rate"],
        "recovery_lower": ultimate["lower"],
        "recovery_upper": ultimate["upper"],
        "price": subject.price,
        "price_share": totals["price_share"],
        "worth_lower": spread["value"]["lower"],
        "worth_upper": spread["value"]["upper"],
        "unpriced_loans": int((prices == 0).sum()),
        "best_tenth_share": float(prices[: max(1, count // 10)].sum() / prices.sum()) if prices.sum() else None,
        "curve": spread["recovery"],
        "bid_curve": spread["bid_curve"],
        "value_at_risk": spread["value_at_risk"],
        "expected_shortfall": spread["expected_shortfall"],
        "stress": totals["stress"],
        "rates": _rates(subject),
    }


def _rates(subject: Subject) -> list[dict[str, Any]]:
    rate, claim, price = (subject.loans[name].to_numpy() for name in ("recovery_rate", "balance", "price"))
    band = np.clip(np.searchsorted(_RATES, rate, side="right") - 1, 0, len(_RATES) - 2)
    return [
        {
            "from": low,
            "to": high,
            "loans": int((band == place).sum()),
            "claim_share": float(claim[band == place].sum() / claim.sum()),
            "share_of_price": float(price[band == place].sum() / price.sum()) if price.sum() else 0.0,
        }
        for place, (low, high) in enumerate(pairwise(_RATES))
    ]
