"""A debtor's segment, and the tags that a clerk should see first: rules on what is known, each with its reason."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from training.attempt_value import AGE_BANDS

Row = dict[str, Any]
_LAPSES = timedelta(days=90)
_RECENT = timedelta(days=90)


def segment(debts: list[Row], moment: datetime) -> Row | None:
    """Return how the largest open debt is classed: product, band of debt age, court stage, region; none without one."""
    if not (still_owed := [debt for debt in debts if debt["owed"]]):
        return None
    debt = max(still_owed, key=lambda debt: debt["owed"])
    months = (moment - debt["default_at"]).days / 30.4375 if debt["default_at"] else None
    return {
        "product": debt["product"],
        "debt_age": _band(months),
        "legal_status": debt["legal_status"],
        "region": debt["debt_region"],
        "debts": len(debts),
    }


def tags(debts: list[Row], customer: Row, contact: Row, payments: list[Row], moment: datetime) -> list[Row]:
    """Return each tag that holds, and why.

    Parameters
    ----------
    debts : list of dict
        See `serving.profile.profile.debts`.
    customer, contact : dict
        The debtor's rows of those marts, empty where there is none.
    payments : list of dict
        Rows of the feed, the latest first.
    moment : datetime
        UTC.
    """
    ends = [debt["limitation_at"] for debt in debts if debt["owed"] and debt["limitation_at"]]
    next_end = min((end for end in ends if end >= moment), default=None)
    last_paid = payments[0]["paid_at"] if payments else None
    attempts, reached = (int(contact.get(name) or 0) for name in ("attempts", "right_parties"))
    found = {
        "do not contact": bool(customer.get("do_not_contact")) and "has asked not to be contacted",
        "disputed": bool(customer.get("disputed")) and "disputes the debt",
        "insolvent": any(debt["legal_status"] == "insolvency" for debt in debts) and "a debt is in insolvency",
        "in court": any(debt["legal_status"] in ("filed", "judgment", "enforcement") for debt in debts)
        and "a debt is before the court",
        "about to lapse": next_end is not None and next_end - moment <= _LAPSES
        and f"the claim lapses on {next_end:%Y-%m-%d}",
        "paying": last_paid is not None and moment - last_paid <= _RECENT and f"paid on {last_paid:%Y-%m-%d}",
        "has promised": bool(contact.get("promises")) and f"{contact.get('promises') or 0:.0f} promises so far",
        "never reached": attempts > 0 and not reached and f"{attempts} attempts, none reached him",
        "several debts": len(debts) > 1 and f"{len(debts)} debts",
        "nothing owed": not any(debt["owed"] for debt in debts) and "no open balance",
    }  # fmt: skip
    return [{"tag": name, "why": why} for name, why in found.items() if why]


def _band(months: float | None) -> str | None:
    """Return the band of a debt's age.

    Examples
    --------
    >>> _band(3), _band(12), _band(40), _band(None)
    ('under 12 months', '12 to 24 months', 'over 36 months', None)
    """
    if months is None:
        return None
    if months < AGE_BANDS[0]:
        return f"under {AGE_BANDS[0]:.0f} months"
    for low, high in pairwise(AGE_BANDS):
        if months < high:
            return f"{low:.0f} to {high:.0f} months"
    return f"over {AGE_BANDS[-1]:.0f} months"
