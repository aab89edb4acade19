"""A decision about many things: its rows are found, made sure of, and go with it."""

import io
from datetime import datetime, timedelta

import polars as pl
import pytest

from features.errors import RecoupError
from serving.journal import Journal, writer
from serving.journal.keeper import TABLES
from serving.journal.retention import expire
from serving.journal.tables import row_id
from serving.journal.verification import verify
from tests.serving.journals import kept_in

PLAN = {"kind": "plan", "subject": "2026-01-01", "model_version": "contact/1"}
CONTACTS = pl.DataFrame(
    {"kind": ["attempt"] * 3, "subject": ["L1", "L2", "L3"], "probability": [0.8, 0.1 + 0.2, 1.0],
     "features": [{"hour": 9.0, "grade": "A"}, {"hour": None, "grade": "missing"}, {"hour": 1e-7, "grade": "B"}]}
)  # fmt: skip


@pytest.fixture(scope="module", params=["files", "postgres"])
def kept(request):
    """Where journals are kept; gives what shows those of a home."""
    with kept_in(request.param) as shown:
        yield shown


@pytest.fixture
def journal(kept, home):
    kept(home).remove_all()
    made = Journal(home)
    yield made
    made.close()


@pytest.fixture
def decision_id(journal):
    return journal.append_whole(PLAN, {"contacts": CONTACTS, "filings": CONTACTS.clear()})


def parquet(table):
    file = io.BytesIO()
    table.write_parquet(file)
    return file.getvalue()


def test_each_row_is_a_decision_with_what_the_whole_says(journal, decision_id):
    for row, expected in enumerate(CONTACTS.to_dicts()):
        found = journal.find(row_id(decision_id, "contacts", row))
        assert found["model_version"] == "contact/1" and found["decided_at"] and TABLES not in found
        assert {name: found[name] for name in expected} == expected
        assert found["decision_id"] == row_id(decision_id, "contacts", row)
    whole = journal.find(decision_id)
    assert (whole["kind"], whole[TABLES]["contacts"]["rows"]) == ("plan", 3)
    assert journal.table(whole, "contacts").equals(CONTACTS)
    for nowhere in (row_id(decision_id, "contacts", 3), row_id(decision_id, "letters", 0), f"{decision_id}.contacts"):
        with pytest.raises(RecoupError):
            journal.find(nowhere)


@pytest.mark.parametrize("name", ["contacts", "filings"])
def test_a_row_that_was_changed_added_or_removed_is_found(home, kept, journal, decision_id, name):
    assert verify(home).faults == []
    (file,) = (file for file in kept(home).tables() if file.endswith(f"-{name}.parquet"))
    changed = CONTACTS.with_columns(probability=pl.lit(0.8)) if name == "contacts" else CONTACTS.head(1)
    kept(home).put_table(file, parquet(changed))
    (fault,) = verify(home).faults
    assert file in fault.file and "changed" in fault.what
    if name == "contacts":
        with pytest.raises(RecoupError, match="was changed"):
            journal.find(row_id(decision_id, "contacts", 0))
    kept(home).remove_table(file)
    (fault,) = verify(home).faults
    assert file in fault.file and "missing" in fault.what


def test_tables_expire_with_their_decision(home, kept, monkeypatch):
    kept(home).remove_all()

    class Earlier(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) - timedelta(days=9)

    with monkeypatch.context() as patch:
        patch.setattr(writer, "datetime", Earlier)
        old = Journal(home)
        old.append_whole(PLAN, {"contacts": CONTACTS})
        old.close()
    now = Journal(home)
    decision_id = now.append_whole(PLAN, {"placements": CONTACTS})
    assert len(expire(home, 3)) == 1 and verify(home).faults == []
    assert [file.endswith("-placements.parquet") for file in kept(home).tables()] == [True]
    assert now.find(row_id(decision_id, "placements", 2))["subject"] == "L3"
    now.close()
