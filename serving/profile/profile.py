"""A debtor's profile: debts, payments, contacts, court, tags and scores, as known at a moment."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from features.home import Home
from features.lake import Lake
from features.marts import MARTS
from features.marts.columns import Feature
from serving.profile import tags
from serving.profile.known import Known, Row, known
from serving.profile.scores import Scores
from training import registry

_SECONDS = "seconds since 1970, UTC"
_SHORT = 8
"""Characters of a token that a masked profile shows."""
_PAYMENT = ("payment_id", "loan_id", "paid_at", "amount", "currency", "kind", "source")
_ATTEMPT = ("attempt_id", "loan_id", "attempted_at", "channel", "point_kind", "contact_point", "outcome",
            "right_party", "promised_amount", "agency", "cost")  # fmt: skip
_STEP = ("case_id", "loan_id", "happened_at", "stage", "claimed_amount", "awarded_amount", "enforced_amount", "cost")
_HIDDEN = {"debtor"}


def profile(home: Home, borrower_id: str, moment: datetime, unmasked: bool = False) -> dict[str, Any]:
    """Return what was known of a debtor.

    Parameters
    ----------
    home : Home
    borrower_id : str
        His token.
    moment : datetime
        Nothing that was learnt later is read (UTC). The models are those in force today.
    unmasked : bool
        Whole tokens and the year of birth, instead of their beginnings and its decade.

    Returns
    -------
    dict
        ``borrower_id``, ``moment``, ``segment``, ``tags``, ``customer`` and ``contact`` (features of these marts),
        ``debts`` (each with its features and, where something is owed, its ``recovery``), ``payments``, ``contacts``
        and ``court`` (the latest first), ``windows`` (see `scores.Scores.windows`; of the largest open debt).
        Money is in each debt's currency, moments are in UTC.

    Raises
    ------
    UnknownDebtor
        When nothing was known of him by then.
    RecoupError
        When no model is trained, or the journal cannot be written.
    """
    moment = moment.astimezone(UTC)
    found = known(Lake(home), borrower_id, moment)
    shown: Callable[[str], str] = str if unmasked else _masked
    customer, contact = (found.mart(name).get(borrower_id, {}) for name in ("customer", "contact"))
    owned = debts(found)
    payments = _latest(found, "payments", _PAYMENT)
    attempts = _latest(found, "contacts", _ATTEMPT)
    told: dict[str, Any] = {
        "borrower_id": shown(borrower_id),
        "moment": moment,
        "segment": tags.segment(owned, moment),
        "tags": tags.tags(owned, customer, contact, payments, moment),
        "customer": _features("customer", customer | _born(customer, unmasked)),
        "contact": _features("contact", contact),
        "debts": [
            {name: debt[name] for name in ("loan_id", "currency", "owed", "settled")}
            | {mart: _features(mart, debt) for mart in ("asset", "financial")}
            for debt in owned
        ],
        "payments": payments,
        "contacts": [row | {"contact_point": row["contact_point"] and shown(row["contact_point"])} for row in attempts],
        "court": _latest(found, "litigation", _STEP),
        "windows": {},
    }
    still_owed = [place for place, debt in enumerate(owned) if debt["owed"]]
    if still_owed:
        recovery, contacting = (registry.load(home, name) for name in ("recovery", "contact"))
        for place in still_owed:
            told["debts"][place]["recovery"] = Scores(home, found, owned[place]).recovery(recovery)
        largest = max(still_owed, key=lambda place: owned[place]["owed"])
        told["windows"] = Scores(home, found, owned[largest]).windows(contacting, customer)
        for way in told["windows"].get("ways", []):
            way["contact_point"] = shown(way["contact_point"])
    return told


def debts(found: Known) -> list[Row]:
    """Return a debtor's debts, the largest first.

    Returns
    -------
    list of dict
        ``loan_id``, the features of the asset and financial marts, moments as such, ``settled``, and ``owed``
        (currency): the balance of a charged-off loan less what came in since, 0 for any other.
    """
    asset, financial, paid = found.mart("asset"), found.mart("financial"), found.feeds["payments"]
    ended = set(paid.filter(paid["kind"] == "settlement")["loan_id"])
    rows = []
    for loan_id, row in asset.items():
        debt: Row = {"loan_id": loan_id} | _dated("asset", row) | _dated("financial", financial.get(loan_id, {}))
        left = (debt["balance"] or 0.0) - (debt.get("collected") or 0.0)
        is_open = debt["status"] == "charged_off" and loan_id not in ended
        rows.append(debt | {"settled": loan_id in ended, "owed": max(left, 0.0) if is_open else 0.0})
    return sorted(rows, key=lambda debt: (-debt["owed"], debt["loan_id"]))


def _dated(mart: str, row: Row) -> Row:
    """Return a mart's row with moments instead of seconds."""
    instants = {feature.name for feature in MARTS[mart].FEATURES if feature.unit == _SECONDS}
    return {
        name: datetime.fromtimestamp(value, UTC) if name in instants and value is not None else value
        for name, value in row.items()
    }


def _features(mart: str, row: Row) -> list[Row]:
    """Return what a mart knows, with its meaning and unit."""
    dated = row if mart in ("asset", "financial") else _dated(mart, row)
    return [_feature(feature, dated[feature.name]) for feature in MARTS[mart].FEATURES
            if feature.name not in _HIDDEN and dated.get(feature.name) is not None]  # fmt: skip


def _feature(feature: Feature, value: Any) -> Row:
    if feature.kind == "flag":
        value = bool(value)
    unit = None if feature.unit == _SECONDS else feature.unit
    return {"name": feature.name, "about": feature.about, "value": value, "unit": unit}


def _latest(found: Known, feed: str, columns: tuple[str, ...]) -> list[Row]:
    """Return a feed's rows, the latest first."""
    rows = found.feeds[feed].select(columns)
    return rows.sort(columns[2], descending=True, maintain_order=True).to_dicts()


def _born(customer: Row, unmasked: bool) -> Row:
    """Return the year of birth as it may be shown."""
    year = customer.get("birth_year")
    return {} if unmasked or year is None else {"birth_year": year // 10 * 10}


def _masked(token: str) -> str:
    """Return the beginning of a token.

    Examples
    --------
    >>> _masked("t_716635b69bd53530ccbf3b8c274dc933")
    't_716635…'
    """
    return f"{token[:_SHORT]}…"
