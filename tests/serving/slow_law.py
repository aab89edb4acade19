"""The contact rules again, from their text and minute by minute: slow, and written another way.

`broken` says which clauses a slot breaks for a debtor; `serving.dispatch.contact_rules` has to agree.
"""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

REG_F, CBA = date(2021, 11, 30), date(2026, 1, 1)
US_PLACES = ["America/Puerto_Rico", "America/New_York", "America/Chicago", "America/Denver",
             "America/Phoenix", "America/Los_Angeles", "America/Anchorage", "America/Adak",
             "Pacific/Honolulu", "Pacific/Pago_Pago", "Pacific/Guam"]  # fmt: skip
CALLS = ("call", "auto_call")

Row = dict[str, Any]


def broken(way: Row, slot: datetime, attempts: list[Row], sharers: int = 1) -> set[str]:
    """Return every clause that an attempt in a slot (UTC, an hour) would break.

    ``sharers`` debtors, this one among them, may be tried at the contact point on the day.
    """
    found = _without_place(way)
    zones = _zones(way)
    if not zones:
        found.add("unknown: time zone")
    for zone in zones:
        minutes = [(slot + timedelta(minutes=m)).astimezone(ZoneInfo(zone)) for m in range(60)]
        for minute in minutes:
            found |= _at(way, minute)
        for day in {minute.date() for minute in minutes}:
            found |= _by_calls(way, day, zone, attempts, sharers)
    return found


def _zones(way: Row) -> list[str]:
    try:
        return [ZoneInfo(way["time_zone"]).key]
    except (TypeError, ValueError, OSError, KeyError):
        return US_PLACES if way["jurisdiction"] == "US" else []


def _without_place(way: Row) -> set[str]:
    found = set()
    if way["jurisdiction"] is None:
        found.add("unknown: jurisdiction")
    for column, name in (("contact_point", "contact point"), ("do_not_contact", "do not contact"),
                         ("disputed", "dispute")):  # fmt: skip
        if way[column] is None:
            found.add(f"unknown: {name}")
    if way["do_not_contact"]:
        found.add("house: do not contact")
    if way["channel"] != "letter":
        if way["consent"] is None:
            found.add("unknown: consent")
        elif not way["consent"]:
            found.add("house: consent")
        if way["disputed"]:
            found.add("house: dispute")
    return found


def _at(way: Row, minute: datetime) -> set[str]:
    """What one minute at the debtor's place breaks."""
    law, day, letter = way["jurisdiction"], minute.date(), way["channel"] == "letter"
    us, cn = law == "US" and day >= REG_F, law == "CN" and day >= CBA
    found = set()
    if not (us or cn):
        old = law == "US" and day >= date(1979, 10, 1)
        found |= {"unknown: rule"} if not old else set()
        found |= {"unknown: rule on hours"} if not letter else set()
    if us and not letter and not 8 <= minute.hour < 21:
        found.add("12 CFR 1006.6(b)(1)(i)")
    if cn and not letter and not 8 <= minute.hour < 22:
        found.add("CBA 2026: hours")
    if us and way["do_not_contact"]:
        found.add("12 CFR 1006.6(c)(1)")
    if us and way["disputed"] and not letter:
        found.add("12 CFR 1006.38(d)(2)")
    if law == "US" and way["insolvent"]:
        found.add("11 U.S.C. 362(a)(6)")
    if law == "US" and way["channel"] in ("auto_call", "sms") and way["consent"] is False:
        found.add("47 U.S.C. 227(b)(1)(A)")
    return found


def _by_calls(way: Row, day: date, zone: str, attempts: list[Row], sharers: int) -> set[str]:
    """What earlier attempts forbid on a local date."""
    found, made, unanswered = set(), 0, 0
    dated = [(at["attempted_at"].astimezone(ZoneInfo(zone)).date(), at) for at in attempts]
    for when, at in dated:
        mine = at["borrower_id"] == way["borrower_id"]
        here = at["contact_point"] == way["contact_point"] or (mine and at["contact_point"] is None)
        if at["channel"] not in CALLS:
            continue
        if mine and at["loan_id"] in (way["loan_id"], None) and (day - when).days <= 6:
            made += 1
            if at["right_party"] and way["jurisdiction"] == "US":
                found.add("12 CFR 1006.14(b)(2)(i)(B)")
        unanswered += here and when == day and not at["right_party"] and at["outcome"] != "wrong_party"
    if way["jurisdiction"] == "US" and made + 1 > 7:
        found.add("12 CFR 1006.14(b)(2)(i)(A)")
    if way["channel"] not in CALLS or (way["jurisdiction"] == "US" and day < REG_F):
        found.clear()
    if way["jurisdiction"] == "CN" and day >= CBA:
        if way["channel"] in CALLS and unanswered + sharers > 6:
            found.add("CBA 2026: unanswered calls")
        if _stranger_answers(way, attempts):
            found.add("CBA 2026: third parties")
    return found


def _stranger_answers(way: Row, attempts: list[Row]) -> bool:
    answered = [
        at
        for at in sorted(attempts, key=lambda at: at["attempted_at"])
        if at["borrower_id"] == way["borrower_id"]
        and at["contact_point"] == way["contact_point"] is not None
        and (at["right_party"] or at["outcome"] == "wrong_party")
    ]
    return bool(answered) and not answered[-1]["right_party"]
