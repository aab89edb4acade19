"""No direct identifier of a person is ever written: only keyed tokens, equal for equal values."""

import json

import polars as pl
import pytest

from features import tokens
from features.home import Home
from features.lake import Lake
from tests.features.small_world import everything_written, loan, write_csv

IDENTIFIERS = {
    "borrowers": ["borrower_id", "name", "phone", "phone_alt", "email", "address"],
    "contacts": ["borrower_id", "contact_point"],
    "loans": ["borrower_id"],
}
PERSON = {
    "borrower_id": "CUST-77001", "name": "Zoë Quartermain", "phone": "+1 555 010 7788",
    "phone_alt": "+1 555 010 9911", "email": "zoe.q@example.org", "address": "5 Nightingale Row",
    "region": "TX", "changed_at": "2021-01-01", "known_at": "2021-01-02",
}  # fmt: skip


def test_nothing_in_a_whole_home_names_a_person(filled, world):
    written = everything_written(filled.home.root)
    raw = {
        value.lower()
        for feed, names in IDENTIFIERS.items()
        for name in names
        for value in world[feed][name].drop_nulls().to_list()
    }
    assert len(raw) > 500
    assert [value for value in raw if value in written] == []
    assert world["loans"]["loan_id"][0].lower() in written


@pytest.mark.parametrize(
    "fault",
    [
        {"birth_year": "1200"},
        {"jurisdiction": "MARS"},
        {"changed_at": "never"},
        {"region": ""},
    ],
)
def test_rejected_row_names_nobody(home, tmp_path, fault):
    path = write_csv(tmp_path / "people.csv", [PERSON, {**PERSON, "changed_at": "2021-02-01", **fault}])
    batch = Lake(home).ingest(path, "canonical", "borrowers")
    assert (batch.accepted, batch.rejected) == ({"borrowers": 1}, {"borrowers": 1})
    written = everything_written(home.root)
    assert [PERSON[name] for name in IDENTIFIERS["borrowers"] if PERSON[name].lower() in written] == []


def test_reason_of_an_unreadable_identifier_does_not_quote_it(home, tmp_path):
    mine = tmp_path / "mine.yaml"
    kinds = dict.fromkeys(PERSON, "text") | {"phone": "number", "changed_at": "date", "known_at": "date"}
    rules = {"columns": {name: name for name in PERSON}}
    mine.write_text(json.dumps({"source": "mine", "read": kinds, "feeds": {"borrowers": rules}}))
    batch = Lake(home).ingest(write_csv(tmp_path / "people.csv", [PERSON]), str(mine))
    reason = Lake(home).rejected(batch.id, "borrowers")["reason"][0]
    assert "phone: cannot read a direct identifier as number" in reason
    assert PERSON["phone"] not in everything_written(home.root)


def test_free_text_columns_are_not_kept(home, tmp_path):
    row = loan(1, notes="debtor said her sister Wilhelmina will pay", collector_memo="xyzzy")
    Lake(home).ingest(write_csv(tmp_path / "tape.csv", [row]), "canonical")
    written = everything_written(home.root)
    assert "wilhelmina" not in written and "xyzzy" not in written and "collector_memo" not in written


def test_one_person_has_one_token_in_every_feed_and_spelling(home, tmp_path):
    lake = Lake(home)
    lake.ingest(write_csv(tmp_path / "1.csv", [PERSON]), "canonical", "borrowers")
    same_person = [loan(1, borrower_id=" cust-77001 "), loan(2, borrower_id="CUST-77002")]
    lake.ingest(write_csv(tmp_path / "2.csv", same_person), "canonical")
    (person,) = lake.scan("borrowers").collect()["borrower_id"]
    debtors = lake.scan("loans").collect()["borrower_id"].to_list()
    assert debtors[0] == person and debtors[1] != person
    assert all(len(token) == 34 and token.startswith("t_") for token in debtors)


def test_other_keys_give_other_tokens(tmp_path, monkeypatch):
    path = write_csv(tmp_path / "people.csv", [PERSON, {**PERSON, "changed_at": "2021-02-01"}])
    found = {}
    for number in range(3):
        monkeypatch.setenv(tokens.KEY_VARIABLE, f"key number {number} of three keys")
        lake = Lake(Home(tmp_path / str(number)))
        lake.ingest(path, "canonical", "borrowers")
        frame = lake.scan("borrowers").collect()
        found[number] = {frame[name][0] for name in IDENTIFIERS["borrowers"]}
        assert all(frame[name].n_unique() == 1 for name in IDENTIFIERS["borrowers"])
    assert len(set.union(*found.values())) == 3 * len(IDENTIFIERS["borrowers"])


def test_a_value_that_is_not_there_has_no_token():
    values = tokens.tokenise(pl.Series("phone", ["+1 555", None, "+1 555", "+1 556"]))
    assert values.is_null().to_list() == [False, True, False, False]
    assert values[0] == values[2] != values[3]
