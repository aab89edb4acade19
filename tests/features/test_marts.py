"""What a mart says after facts that come late, or out of order."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from features import marts
from features.feeds import FEEDS
from features.marts import MARTS
from features.marts.contact import USUAL
from tests.features.small_world import digest


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


def test_attempts_at_a_contact_point_are_weighed_by_what_their_channels_usually_reach():
    channels = ("call", "sms", "call", "visit")
    kinds = ("mobile", "mobile", "landline", "address")
    contacts = feed("contacts", *(
        {"attempt_id": str(n), "borrower_id": "b", "attempted_at": at(n), "known_at": at(n), "right_party": n == 2,
         "channel": channel, "point_kind": kind}
        for n, (channel, kind) in enumerate(zip(channels, kinds, strict=True), 1)
    ))  # fmt: skip
    table = marts.build("contact", {"contacts": contacts})
    call, sms, visit = (USUAL[name] for name in ("call", "sms", "visit"))
    assert table["usual_at_mobile"].to_list() == [call, *[call + sms] * 3]
    assert table["usual_at_landline"].to_list() == [0, 0, call, call]
    assert table["usual_at_address"].to_list() == [0, 0, 0, visit]


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


@pytest.mark.parametrize(
    ("mart", "key", "field", "value"),
    [("region", "region", "region", "NY"), ("product", "loan_product", "product", "credit_card")],
)
def test_the_books_history_counts_the_performing_and_waits_for_twelve_months(mart, key, field, value):
    def loan(name, month, **facts):
        return {"loan_id": name, field: value, "known_at": at(month), "cutoff_on": date(2024, month, 1),
                "balance": 100.0, "status": "performing"} | facts  # fmt: skip

    def paid(name, month, amount, **facts):
        return {"payment_id": name, "loan_id": "a", "paid_at": at(month), "known_at": at(month), "amount": amount,
                "kind": "recovery"} | facts  # fmt: skip

    later = datetime(2025, 3, 1, tzinfo=UTC)
    loans = feed(
        "loans", loan("a", 1, status="charged_off"), loan("b", 2), loan("c", 3), loan("c", 4, status="charged_off")
    )
    payments = feed(
        "payments",
        paid("1", 6, 30.0),
        paid("2", 7, 50.0, kind="cumulative_recovery"),
        paid("3", 8, 20.0, known_at=later, paid_at=at(8)),
    )
    table = marts.build(mart, {"loans": loans, "payments": payments})
    assert table[key].unique().to_list() == [value]
    assert table[f"{mart}_default_share"].to_list() == [1.0, 1 / 2, 1 / 3, 2 / 3, 2 / 3, 2 / 3]
    assert table[f"{mart}_collected_share"].to_list() == [None, None, None, None, 0.30, 0.15]
    assert table["event_timestamp"].to_list()[-2:] == [
        datetime(2025, 1, 1, tzinfo=UTC),
        datetime(2025, 4, 1, tzinfo=UTC),
    ]


@pytest.mark.parametrize("mart", ["region", "product"])
def test_the_books_history_is_the_same_to_the_bit_whatever_the_order_of_payments(filled, mart):
    feeds = {feed: filled.lake.scan(feed) for feed in MARTS[mart].FEEDS}
    shuffled = feeds["payments"].collect().sample(fraction=1.0, shuffle=True, seed=1).lazy()
    assert digest(marts.build(mart, feeds | {"payments": shuffled})) == digest(marts.build(mart, feeds))
