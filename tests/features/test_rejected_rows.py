"""Every row of a file is accepted, or stands among the rejected with its field and reason."""

import string
from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import intake, mapping
from features.errors import RecoupError
from features.lake import Lake
from tests.features.small_world import GOOD_LOAN, loan, write_campaign, write_csv

# what is changed in a good loan, the field blamed, the reason given
FAULTS = {
    "not a number": ({"balance": "12k"}, "balance", "balance: cannot read '12k' as number"),
    "not a date": ({"cutoff_on": "31.12.2020"}, "cutoff_on", "cannot read '31.12.2020' as date"),
    "no such day": ({"originated_on": "2019-02-30"}, "originated_on", "cannot read '2019-02-30' as date"),
    "not an instant": ({"known_at": "soon"}, "known_at", "known_at: cannot read 'soon' as instant"),
    "other time zone": ({"known_at": "2021-01-01T00:00:00+02:00"}, "known_at", "cannot read '2021-01-01T00"),
    "negative balance": ({"balance": "-0.01"}, "balance", "balance: must be at least 0, is -0.01"),
    "not finite": ({"balance": "inf"}, "balance", "balance: must be a finite number, is inf"),
    "not a value": ({"term_months": "NaN"}, "term_months", "term_months: must be a finite number"),
    "too high": ({"term_months": "9999"}, "term_months", "term_months: must be at most 600, is 9999"),
    "missing balance": ({"balance": ""}, "balance", "balance: is missing"),
    "missing debtor": ({"borrower_id": "  "}, "borrower_id", "borrower_id: is missing"),
    "cut-off too early": ({"cutoff_on": "2018-12-31"}, "row", "row: cutoff_on is before originated_on"),
    "cut-off to come": ({"cutoff_on": "2999-12-31"}, "cutoff_on", "cutoff_on: must not be in the future, is 2999"),
    "placeholder date": ({"originated_on": "1900-01-01"}, "originated_on", "must be 1950-01-01 or later, is 1900"),
    "default to come": ({"default_on": "2021-01-01"}, "row", "row: cutoff_on is before default_on"),
    "rate in percent": ({"interest_rate": "9"}, "interest_rate", "interest_rate: must be at most 4.0, is 9.0"),
    "amount in cents": ({"original_amount": "12.0"}, "row", "row: balance is more than 50 times original_amount"),
    "unknown currency": ({"currency": "XTS"}, "currency", "currency: must be one of: AUD, BRL, .*is XTS"),
    "unknown status": ({"status": "lost"}, "status", "status: must be one of: charged_off, .*is lost"),
    "duplicate id": ({"loan_id": "L0"}, "loan_id", "loan_id: duplicate loan_id, first seen in row 1"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_row_is_kept_apart_with_field_and_reason(home, tmp_path, fault):
    changes, field, reason = FAULTS[fault]
    path = write_csv(tmp_path / "tape.csv", [loan(0), loan(1, **changes), loan(2)])
    lake = Lake(home)
    batch = lake.ingest(path, "canonical")
    assert (batch.accepted, batch.rejected) == ({"loans": 2}, {"loans": 1})
    assert lake.scan("loans").collect()["loan_id"].to_list() == ["L0", "L2"]
    rejected = lake.rejected(batch.id, "loans")
    assert rejected["file_row"].to_list() == [2]
    assert field in rejected["field"][0].split(", ")
    assert pl.Series([rejected["reason"][0]]).str.contains(reason).all(), rejected["reason"][0]


def test_every_problem_of_a_row_is_named(home, tmp_path):
    row = loan(1, balance="-5", currency="XTS", term_months="long")
    batch = Lake(home).ingest(write_csv(tmp_path / "tape.csv", [row]), "canonical")
    rejected = Lake(home).rejected(batch.id, "loans")
    assert set(rejected["field"][0].split(", ")) == {"balance", "currency", "term_months"}
    assert all(part in rejected["reason"][0] for part in ("is -5.0", "is XTS", "cannot read 'long' as number"))


@settings(max_examples=40, deadline=None)
@given(faults=st.lists(st.sampled_from([None, None, *FAULTS]), min_size=1, max_size=30))
def test_a_row_is_rejected_exactly_when_it_has_a_fault(tmp_path_factory, faults):
    rows = [loan(0)] + [loan(n, **FAULTS[fault][0] if fault else {}) for n, fault in enumerate(faults, 1)]
    path = write_csv(tmp_path_factory.mktemp("tape") / "tape.csv", rows)
    (part,) = intake.read_feeds(path, mapping.load("canonical"), "loans")
    assert part.accepted["file_row"].to_list() == [
        number for number, fault in enumerate([None, *faults], 1) if fault is None
    ]
    assert part.rejected["file_row"].to_list() == [number for number, fault in enumerate(faults, 2) if fault]
    assert part.rejected["reason"].str.len_chars().gt(0).all()


@settings(max_examples=60, deadline=None)
@given(
    cells=st.lists(
        st.tuples(
            st.integers(0, 9),
            st.sampled_from(list(GOOD_LOAN)),
            st.one_of(
                st.text(string.printable + "é中\x00", max_size=12),
                st.sampled_from(["-1", "1e308", "1e999", "0x1", "9999-12-31", "0000-00-00", "true", "L1", "L2"]),
            ),
        ),
        max_size=12,
    )
)
def test_no_row_is_lost_whatever_stands_in_it(tmp_path_factory, cells):
    rows = [loan(number) for number in range(10)]
    for number, field, text in cells:
        rows[number][field] = text
    path = write_csv(tmp_path_factory.mktemp("tape") / "tape.csv", rows)
    try:
        (part,) = intake.read_feeds(path, mapping.load("canonical"), "loans")
    except RecoupError as refusal:
        assert str(path) in str(refusal)
        return
    seen = Counter(part.accepted["file_row"].to_list() + part.rejected["file_row"].to_list())
    assert seen == Counter(range(1, 11))
    touched = {number + 1 for number, _, _ in cells}
    clashes = part.rejected["reason"].str.contains("duplicate")
    assert set(part.rejected.filter(~clashes)["file_row"].to_list()) <= touched


def test_payment_with_unreadable_amount_is_rejected_and_not_filtered_away(home, tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "source: mine\nread: {id: text, paid: number, day: date}\nfeeds:\n  payments:\n"
        "    where: paid IS NOT NULL\n    columns: {payment_id: id, loan_id: id, paid_at: day, "
        "amount: paid, currency: \"'USD'\", kind: \"'recovery'\", known_at: day}\n"
    )
    path = tmp_path / "paid.csv"
    path.write_text("id,paid,day\nA,10,2021-01-01\nB,,2021-01-01\nC,ten,2021-01-01\n")
    batch = Lake(home).ingest(path, str(mine))
    assert (batch.accepted, batch.rejected) == ({"payments": 1}, {"payments": 1})
    assert "cannot read 'ten' as number" in Lake(home).rejected(batch.id, "payments")["reason"][0]


def test_good_row_is_not_lost_with_its_unreadable_twin_in_a_distinct_feed(home, tmp_path):
    path = write_campaign(tmp_path / "calls.csv")
    lines = path.read_text().splitlines()
    lines[1] = lines[1].replace("5191", "many")
    path.write_text("\n".join(lines) + "\n")
    batch = Lake(home).ingest(path, "bank_marketing")
    rejected = Lake(home).rejected(batch.id, "market")
    assert (batch.accepted["market"], rejected["file_row"].to_list()) == (4, [1])
    assert "cannot read 'many' as number" in rejected["reason"][0]


def test_a_rejected_row_does_not_keep_out_a_sound_one_of_the_same_id(tmp_path):
    rows = [loan(1, balance="-5"), loan(1), loan(1, balance="7"), loan(1, currency="XTS")]
    (part,) = intake.read_feeds(write_csv(tmp_path / "tape.csv", rows), mapping.load("canonical"), "loans")
    assert part.accepted["file_row"].to_list() == [2]
    assert part.rejected["file_row"].to_list() == [1, 3, 4]
    assert "duplicate" not in part.rejected["reason"][0]
    assert part.rejected["reason"].str.contains("duplicate loan_id, first seen in row 2").to_list()[1:] == [True, True]


def test_unreadable_flag_blames_only_the_feed_that_uses_it(home, tmp_path):
    batch = Lake(home).ingest(write_campaign(tmp_path / "calls.csv"), "bank_marketing")
    assert batch.accepted == {"borrowers": 60, "contacts": 59, "market": 4}
    assert batch.rejected == {"borrowers": 0, "contacts": 1, "market": 0}
    assert "y: cannot read 'maybe' as flag" in Lake(home).rejected(batch.id, "contacts")["reason"][0]


def test_a_users_own_mapping_names_a_users_own_columns(home, tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "source: my_bank\nseparator: '|'\nread:\n  Konto: text\n  Kunde: text\n"
        "  Schuld: {kind: number, pattern: '([\\d.]+)'}\n  Stichtag: {kind: date, format: '%d.%m.%Y'}\n"
        "  Land: {kind: text, nulls: ['-']}\n  begun: {kind: date, column: Vertrag vom, format: '%d.%m.%Y'}\n"
        "feeds:\n  loans:\n    columns:\n      loan_id: '\"Konto\"'\n      borrower_id: '\"Kunde\"'\n"
        "      status: \"'charged_off'\"\n      product: \"'personal_loan'\"\n      currency: \"'EUR'\"\n"
        "      region: '\"Land\"'\n      cutoff_on: '\"Stichtag\"'\n      originated_on: begun\n"
        "      balance: '\"Schuld\"'\n      known_at: '\"Stichtag\"'\n"
    )
    path = tmp_path / "tape.csv"
    path.write_text(
        "Konto|Kunde|Schuld|Stichtag|Land|Vertrag vom\n7|Huber|EUR 120.50|31.12.2020|AT|01.02.2018\n"
        "8|Meier|EUR 1|31.12.2020|-|01.02.2018\n"
    )
    batch = Lake(home).ingest(path, str(mine))
    assert (batch.source, batch.accepted, batch.rejected) == ("my_bank", {"loans": 1}, {"loans": 1})
    row = Lake(home).scan("loans").collect().row(0, named=True)
    assert (row["loan_id"], row["balance"], str(row["originated_on"])) == ("7", 120.5, "2018-02-01")
    assert "region: is missing" in Lake(home).rejected(batch.id, "loans")["reason"][0]
