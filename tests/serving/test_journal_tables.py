"""A decision about many things: its rows are found, made sure of, and go with it."""

from datetime import datetime, timedelta

import polars as pl
import pytest

from features.errors import RecoupError
from serving.journal import Journal, writer
from serving.journal.retention import expire
from serving.journal.tables import TABLES, row_id
from serving.journal.verification import verify

PLAN = {"kind": "plan", "subject": "2026-01-01", "model_version": "contact/1"}
CONTACTS = pl.DataFrame(
    {"kind": ["attempt"] * 3, "subject": ["L1", "L2", "L3"], "probability": [0.8, 0.1 + 0.2, 1.0],
     "features": [{"hour": 9.0, "grade": "A"}, {"hour": None, "grade": "missing"}, {"hour": 1e-7, "grade": "B"}]}
)  # fmt: skip


@pytest.fixture
def journal(home):
    made = Journal(home)
    yield made
    made.close()


@pytest.fixture
def decision_id(journal):
    return journal.append_whole(PLAN, {"contacts": CONTACTS, "filings": CONTACTS.clear()})


def file_of(home, name):
    (path,) = (home.journal / TABLES).glob(f"*-{name}.parquet")
    return path


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
def test_a_row_that_was_changed_added_or_removed_is_found(home, journal, decision_id, name):
    assert verify(home).faults == []
    path = file_of(home, name)
    changed = CONTACTS.with_columns(probability=pl.lit(0.8)) if name == "contacts" else CONTACTS.head(1)
    changed.write_parquet(path)
    (fault,) = verify(home).faults
    assert path.name in fault.file and "changed" in fault.what
    if name == "contacts":
        with pytest.raises(RecoupError, match="was changed"):
            journal.find(row_id(decision_id, "contacts", 0))
    path.unlink()
    (fault,) = verify(home).faults
    assert path.name in fault.file and "missing" in fault.what


def test_tables_expire_with_their_decision(home, monkeypatch):
    class Earlier(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) - timedelta(days=9)

    with monkeypatch.context() as patch:
        patch.setattr(writer, "datetime", Earlier)
        old = Journal(home)
        old.append_whole(PLAN, {"contacts": CONTACTS})
        old.close()
    kept = Journal(home)
    decision_id = kept.append_whole(PLAN, {"placements": CONTACTS})
    assert len(expire(home, 3)) == 1 and verify(home).faults == []
    assert [path.name.endswith("-placements.parquet") for path in (home.journal / TABLES).iterdir()] == [True]
    assert kept.find(row_id(decision_id, "placements", 2))["subject"] == "L3"
    kept.close()
