"""What a mart says after facts that come late, or out of order."""

from datetime import UTC, date, datetime

import polars as pl

from features import marts
from features.feeds import FEEDS


def feed(name, *rows):
    types = {column: spec.dtype.type for column, spec in FEEDS[name].SCHEMA.columns.items()}
    return pl.DataFrame(list(rows), schema=types, orient="row").lazy()


def at(month, day=1):
    return datetime(2024, month, day, tzinfo=UTC)


def test_a_change_learnt_late_does_not_undo_a_later_one():
    borrowers = feed(
        "borrowers",
        {"borrower_id": "b", "region": "NY", "changed_at": at(2), "known_at": at(2)},
        {"borrower_id": "b", "region": "CA", "changed_at": at(1), "known_at": at(3)},
    )
    table = marts.build("customer", {"borrowers": borrowers, "loans": feed("loans")})
    assert table["home_region"].to_list() == ["NY"]


def test_an_attempt_learnt_late_counts_but_is_not_the_last():
    reached = {"borrower_id": "b", "right_party": True}
    contacts = feed(
        "contacts",
        {"attempt_id": "2", "attempted_at": at(2), "channel": "sms", "known_at": at(2)} | reached,
        {"attempt_id": "1", "attempted_at": at(1), "channel": "call", "known_at": at(3)} | reached,
    )
    table = marts.build("contact", {"contacts": contacts})
    assert table["attempts"].to_list() == [1.0, 2.0]
    assert table["last_channel"].to_list() == ["sms", "sms"]
    assert table["last_right_party_at"].to_list() == [at(2).timestamp()] * 2


def test_a_payment_learnt_late_adds_up_but_is_not_the_last():
    loan = {"loan_id": "l", "cutoff_on": date(2024, 1, 1), "balance": 100.0, "known_at": at(1)}
    payments = feed(
        "payments",
        {"payment_id": "2", "loan_id": "l", "paid_at": at(3), "amount": 10.0, "known_at": at(3)},
        {"payment_id": "1", "loan_id": "l", "paid_at": at(2), "amount": 5.0, "known_at": at(4)},
    )
    table = marts.build("financial", {"loans": feed("loans", loan), "payments": payments})
    assert table["collected_share"].to_list() == [0.0, 0.10, 0.15]
    assert table["last_collected"].to_list() == [None, 10.0, 10.0]
    assert table["last_collected_at"].to_list()[1:] == [at(3).timestamp()] * 2
