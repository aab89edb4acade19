"""A file or mapping that cannot be used is refused whole: what is wrong, where, and what to do."""

import gzip
import io
import os
import zipfile
from pathlib import Path

import polars as pl
import pytest

from features import mapping
from features.errors import RecoupError
from features.home import Home
from features.lake import Lake
from tests.features.small_world import GOOD_LOAN, loan, write_campaign, write_csv

HEADER = ",".join(GOOD_LOAN)
ROW = ",".join(GOOD_LOAN.values())
RIGHT_NAME = "give a .csv, .csv.gz or .parquet file under its right name"
RIGHT_FILE = r"is it the right file and --source\?"


def zipped() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("tape.csv", f"{HEADER}\n{ROW}\n")
    return content.getvalue()


def parquet() -> bytes:
    content = io.BytesIO()
    pl.DataFrame([GOOD_LOAN]).write_parquet(content)
    return content.getvalue()


CSV = f"{HEADER}\n{ROW}\n".encode()
BAD_FILES = {
    "empty": ("tape.csv", b"", "the file is empty"),
    "only line ends": ("tape.csv", b"\n\n", "cannot be read as a csv table"),
    "only a header": ("tape.csv", f"{HEADER}\n".encode(), f"holds no rows; {RIGHT_FILE}"),
    "only a header, cut": ("tape.csv", HEADER.encode(), f"holds no rows; {RIGHT_FILE}"),
    "another table": ("tape.csv", b"a,b\n1,2\n", f"none of the columns that .*; {RIGHT_FILE}"),
    "csv named gz": ("tape.csv.gz", CSV, f"name says gz, the content is csv; {RIGHT_NAME}"),
    "gz named csv": ("tape.csv", gzip.compress(CSV), f"name says csv, the content is gz; {RIGHT_NAME}"),
    "gz cut short": ("tape.csv.gz", gzip.compress(CSV)[:-9], "cannot be read as a gz table: .*end of file"),
    "csv named parquet": ("tape.parquet", CSV, f"name says parquet, the content is csv; {RIGHT_NAME}"),
    "parquet named csv": ("tape.csv", parquet(), f"name says csv, the content is parquet; {RIGHT_NAME}"),
    "parquet cut short": ("tape.parquet", parquet()[:-30], "cannot be read as a parquet table"),
    "zip named csv": ("tape.csv", zipped(), f"name says csv, the content is zip; {RIGHT_NAME}"),
    "xlsx": ("tape.xlsx", zipped(), f"name says xlsx, the content is zip; {RIGHT_NAME}"),
    "binary": ("tape.csv", bytes(range(256)) * 4, f"the content is binary; {RIGHT_NAME}"),
    "utf-16": ("tape.csv", CSV.decode().encode("utf-16"), f"the content is binary; {RIGHT_NAME}"),
    "latin-1": (
        "tape.csv",
        CSV + ROW.replace("TX", "Málaga").encode("latin-1"),
        "line 3 is not UTF-8; save the file as UTF-8",
    ),
    "row too long": ("tape.csv", CSV + f"{ROW},x\n".encode(), "row 2 has 12 fields, the header 11; look for"),
    "row too short": ("tape.csv", CSV + b"L2,B2\n" + CSV, "row 2 has 2 fields, the header 11; look for"),
    "last row cut": ("tape.csv", CSV + ROW[:-30].encode(), "row 2 has 9 fields, .*; look for a cut"),
    "quote never closed": ("tape.csv", CSV + ROW.replace("TX", '"TX').encode(), "row 2 has 6 fields"),
    "column missing": (
        "tape.csv",
        CSV.replace(b"balance", b"owed"),
        "missing column balance, needed for loans.balance; add it to the file or map another one",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_file_is_refused_whole_with_its_reason(home, tmp_path, case):
    name, content, message = BAD_FILES[case]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RecoupError, match=message) as refusal:
        Lake(home).ingest(path, "canonical")
    assert str(path) in str(refusal.value)
    assert Lake(home).batches() == [] and Lake(home).scan("loans").collect().is_empty()


def test_ragged_row_is_found_in_columns_that_are_not_read(home, tmp_path):
    path = tmp_path / "tape.csv"
    path.write_text(f"{HEADER},note\n{ROW},fine\n{ROW},an unquoted, comma\n")
    with pytest.raises(RecoupError, match="row 2 has 13 fields, the header 12"):
        Lake(home).ingest(path, "canonical")


def test_quoted_separators_and_line_ends_are_not_ragged(home, tmp_path):
    rows = [loan(1, region="Baden, \nWürttemberg"), loan(2, region='"quoted"')]
    path = write_csv(tmp_path / "tape.csv", rows)
    assert Lake(home).ingest(path, "canonical").accepted == {"loans": 2}
    assert Lake(home).scan("loans").collect()["region"].to_list() == [row["region"] for row in rows]


def test_missing_file_is_named(home):
    with pytest.raises(RecoupError, match=r"/nowhere/tape.csv: no such file"):
        Lake(home).ingest(Path("/nowhere/tape.csv"), "canonical")


def test_unknown_mapping_lists_the_known_ones(home, tape):
    known = "give one of bank_marketing, canonical, lending_club, or the path of a YAML file"
    with pytest.raises(RecoupError, match=f"no mapping 'lendingclub': {known}"):
        Lake(home).ingest(tape, "lendingclub")


def test_feed_that_the_mapping_does_not_have_is_refused(home, tmp_path):
    with pytest.raises(RecoupError, match="bank_marketing has no feed 'loans'; it has borrowers, contacts"):
        Lake(home).ingest(write_campaign(tmp_path / "calls.csv"), "bank_marketing", "loans")


BAD_MAPPINGS = {
    "unknown field": ("loans: {columns: {loan_id: id, colour: id}}", "feed loans: unknown field colour"),
    "unknown feed": ("leases: {columns: all}", "unknown feed 'leases'; feeds are loans, borrowers"),
    "column not read": ("loans: {columns: {loan_id: number}}", "loans, loan_id: number is not under `read`"),
    "where not read": ("loans: {columns: all, where: 'colour = 1'}", "loans, where: colour is not under"),
    "bad sql": ('loans: {columns: {loan_id: "id ||"}}', r"loan_id: cannot parse 'id \|\|'"),
    "unknown function": ("loans: {columns: {loan_id: frobnicate(id)}}", "cannot parse 'frobnicate"),
    "bad where": ('loans: {columns: all, where: ")"}', r"where: cannot parse '\)'"),
    "pseudonym unknown": ("loans: {columns: all, pseudonymous: [colour]}", "unknown field colour"),
    "unknown option": ("loans: {columns: all, colour: red}", "feeds.loans.colour: Extra inputs"),
    "broken yaml": ("loans: [", "not a YAML file"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_MAPPINGS)
def test_bad_mapping_is_refused_with_its_place(tmp_path, case):
    feeds, message = BAD_MAPPINGS[case]
    path = tmp_path / "mine.yaml"
    path.write_text(f"source: mine\nread: {{id: text}}\nfeeds:\n  {feeds}\n")
    with pytest.raises(RecoupError, match=message) as refusal:
        mapping.load(str(path))
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize("content", [b"", b"- loans", b"\xff\xfe", b"source: mine"])
def test_file_that_is_no_mapping_is_refused(tmp_path, content):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(RecoupError, match=f"mapping {path}"):
        mapping.load(str(path))


def test_rule_of_another_type_than_its_field_is_refused(home, tmp_path):
    mine = tmp_path / "mine.yaml"
    rules = ", ".join(f"{name}: {name}" for name in GOOD_LOAN)
    mine.write_text(
        f"source: mine\nread: {{{', '.join(f'{name}: text' for name in GOOD_LOAN)}}}\n"
        f"feeds: {{loans: {{columns: {{{rules}}}}}}}\n"
    )
    path = write_csv(tmp_path / "tape.csv", [loan(1)])
    with pytest.raises(RecoupError, match="rules for loans do not fit the types under `read`"):
        Lake(home).ingest(path, str(mine))


def test_campaign_without_its_month_is_refused(home, tmp_path):
    path = write_campaign(tmp_path / "calls.csv")
    path.write_text(path.read_text().replace("month", "moon"))
    with pytest.raises(RecoupError, match="missing column month, needed to rebuild the days"):
        Lake(home).ingest(path, "bank_marketing")


def test_campaign_with_a_month_that_is_none_is_refused_with_its_row(home, tmp_path):
    path = write_campaign(tmp_path / "calls.csv")
    path.write_text(path.read_text().replace("jun", "june", 1))
    with pytest.raises(RecoupError, match="row 37: 'june', 'fri' is not a month and a weekday"):
        Lake(home).ingest(path, "bank_marketing")


@pytest.mark.parametrize(("key", "problem"), [("", "is not set"), ("short", "is too short")])
def test_identifiers_without_a_usable_key_are_refused(home, tape, monkeypatch, key, problem):
    monkeypatch.setenv("RECOUP_TOKEN_KEY", key)
    with pytest.raises(RecoupError, match=f"RECOUP_TOKEN_KEY {problem}: set it to a secret of at least 16"):
        Lake(home).ingest(tape, "canonical")
    assert not any(home.root.rglob("*.parquet"))


def test_file_without_identifiers_needs_no_key(home, tmp_path, monkeypatch):
    monkeypatch.delenv("RECOUP_TOKEN_KEY")
    batch = Lake(home).ingest(write_campaign(tmp_path / "calls.csv"), "bank_marketing")
    assert batch.accepted["contacts"] == 59


def test_lake_of_another_key_is_refused_and_unchanged(home, tape, tmp_path, monkeypatch):
    Lake(home).ingest(tape, "canonical")
    before = Lake(home).snapshot()
    monkeypatch.setenv("RECOUP_TOKEN_KEY", "quite another key, as long")
    more = write_csv(tmp_path / "more.csv", [loan(9)])
    with pytest.raises(RecoupError, match="written under another RECOUP_TOKEN_KEY: use that key, or another"):
        Lake(home).ingest(more, "canonical")
    assert Lake(home).snapshot() == before
    elsewhere = Lake(Home(tmp_path / "elsewhere"))
    elsewhere.ingest(tape, "canonical")
    tokens = [lake.scan("loans").collect()["borrower_id"].to_list() for lake in (Lake(home), elsewhere)]
    assert not set(tokens[0]) & set(tokens[1])
    assert os.environ["RECOUP_TOKEN_KEY"] not in str(tokens)
