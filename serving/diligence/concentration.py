"""How much of the claim hangs on how few loans, regions and products."""

from typing import Any

import numpy as np
import polars as pl

from serving.diligence.subject import UNKNOWN, Subject

_LARGEST = 10
_POINTS = 101
_SHOWN = 8


def concentration(subject: Subject) -> dict[str, Any]:
    """Measure the concentration of the claim.

    Parameters
    ----------
    subject : Subject

    Returns
    -------
    dict
        ``largest`` loans; ``top_10_share`` and ``top_100_share`` of the claim; ``gini`` of balances and
        ``lorenz`` (shares of loans and of claim, smallest first); ``groups``: for debtors, regions and
        products the Herfindahl index, the number of equal groups that it stands for, and the largest.
    """
    claims = np.sort(subject.loans["balance"].to_numpy())
    share = np.concatenate([[0.0], np.cumsum(claims)]) / claims.sum()
    places = np.linspace(0, len(claims), _POINTS).round().astype(int)
    return {
        "largest": _largest(subject),
        "top_10_share": float(claims[-10:].sum() / claims.sum()),
        "top_100_share": float(claims[-100:].sum() / claims.sum()),
        "gini": float(1 - 2 * np.trapezoid(share, dx=1 / len(claims))),
        "lorenz": {"loans": (places / len(claims)).tolist(), "claim": share[places].tolist()},
        "groups": [_group(subject, by) for by in ("debtor", "region", "product")],
    }


def _largest(subject: Subject) -> list[dict[str, Any]]:
    largest = subject.loans.sort("balance", descending=True, maintain_order=True).head(_LARGEST)
    return largest.select(
        "loan_id",
        "product",
        "region",
        "balance",
        (pl.col("balance") / subject.claim).alias("claim_share"),
        "recovery_rate",
        "price",
    ).to_dicts()


def _group(subject: Subject, by: str) -> dict[str, Any]:
    """Measure one grouping; debtors are counted, never shown."""
    column = "borrower_id" if by == "debtor" else by
    groups = subject.loans.group_by(pl.col(column).fill_null(UNKNOWN).alias("name")).agg(
        pl.len().alias("loans"), pl.col("balance", "price").sum()
    )
    groups = groups.with_columns((pl.col("balance") / subject.claim).alias("claim_share"))
    index = float((groups["claim_share"] ** 2).sum())
    groups = groups.sort("balance", "name", descending=[True, False])
    shown = [] if by == "debtor" else groups.rename({"balance": "claim"}).head(_SHOWN).to_dicts()
    return {
        "by": by,
        "count": groups.height,
        "herfindahl": index,
        "equal_groups": 1 / index,
        "largest_share": float(groups["claim_share"][0]),
        "groups": shown,
    }
