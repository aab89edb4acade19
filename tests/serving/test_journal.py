"""The decision journal: nothing answered is lost, nothing changed goes unseen."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from features.errors import RecoupError
from recoup.commands import journal as commands
from serving.journal import Journal, writer
from serving.journal.retention import expire
from serving.journal.verification import verify
from tests.serving.journals import RECORD, child, kept_in, spoiling

WRITES = """
import sys
from features.home import Home
from pathlib import Path
from serving.journal import Journal
journal = Journal(Home(Path(sys.argv[1])))
while True:
    print(journal.append({"kind": "price", "subject": "x" * 500}), flush=True)
"""


@pytest.fixture(scope="module", params=["files", "postgres"])
def kept(request):
    """Where journals are kept; gives what shows those of a home."""
    with kept_in(request.param) as shown:
        yield shown


@pytest.fixture
def journal(kept, home):
    """Return a journal without any decision, and what is kept of it."""
    kept(home).remove_all()
    journal = Journal(home)
    yield journal, kept(home)
    journal.close()


def test_a_decision_is_found_as_it_was_written(home, journal):
    journal, _ = journal
    ids = [*journal.append_all([RECORD | {"row": row} for row in range(5)]), journal.append(RECORD)]
    assert len(set(ids)) == 6
    for row, decision_id in enumerate(ids[:5]):
        found = Journal(home).find(decision_id)
        assert {name: found[name] for name in RECORD} == RECORD and found["row"] == row
        assert datetime.fromisoformat(found["decided_at"]).tzinfo and found["decision_id"] == decision_id
    name, _, place = ids[0].rpartition("-")
    for wrong in (
        f"{name}-{int(place, 16) + 1:x}",
        f"{name}-{'f' * 10}",
        f"{name}-{'f' * 15}",
        f"{name[:-1]}9-{place}",
        "../manifest",
        "",
    ):
        with pytest.raises(RecoupError, match="no decision"):
            journal.find(wrong)


def test_who_has_not_the_key_cannot_write_the_chain_anew(home, kept, monkeypatch):
    kept(home).remove_all()
    monkeypatch.setenv("RECOUP_JOURNAL_KEY", "the journal's own key")
    journal = Journal(home)
    ids = [journal.append(RECORD | {"row": row}) for row in range(3)]
    journal.close()
    assert verify(home).faults == [] and journal.find(ids[1])["row"] == 1
    for other in ("a key that is another", None):
        if other:
            monkeypatch.setenv("RECOUP_JOURNAL_KEY", other)
        else:
            monkeypatch.delenv("RECOUP_JOURNAL_KEY")
        for act in (lambda: verify(home), lambda: Journal(home).append(RECORD)):
            with pytest.raises(RecoupError, match="under another RECOUP_JOURNAL_KEY"):
                act()
    kept(home).remove_all()
    forged = Journal(home)
    forged.append(RECORD)
    forged.close()
    assert verify(home).faults == []
    monkeypatch.setenv("RECOUP_JOURNAL_KEY", "the journal's own key")
    with pytest.raises(RecoupError, match="under another RECOUP_JOURNAL_KEY"):
        verify(home)


def test_killed_writers_lose_nothing_and_their_files_are_ended_by_the_next(home, journal):
    journal, shown = journal
    writers = [child(WRITES, home) for _ in range(2)]
    given = [process.stdout.readline().decode().strip() for _ in range(150) for process in writers]
    for process in writers:
        process.kill()
        given += [line for line in process.stdout.read().decode().split("\n")[:-1] if line]
        process.wait()
    shown.settle()
    assert len(set(given)) == len(given) >= 300 and len({decision.rpartition("-")[0] for decision in given}) == 2
    found = verify(home)
    assert all(journal.find(decision_id) for decision_id in given[:: len(given) // 100])
    written = {json.loads(line).get("decision_id") for name in shown.names() for line in shown.lines(name)}
    assert set(given) <= written
    assert found.faults == [] and found.open == 2 and found.records >= len(given)
    name = shown.names()[0]
    journal.append(RECORD)
    assert verify(home).open == 1
    with spoiling(shown, name):
        shown.put(name, shown.lines(name)[:-1])
        assert [fault.file for fault in verify(home).faults] == [name], "once ended, the end is held"
    journal.close()
    assert verify(home).faults == []


def test_old_days_expire_and_the_rest_stays_verifiable(home, journal, monkeypatch, capsys):
    now, (journal, shown), ids = datetime.now(UTC), journal, []

    class Clock(datetime):
        ago = 0

        @classmethod
        def now(cls, tz=None):
            return now - timedelta(days=cls.ago)

    monkeypatch.setattr(writer, "datetime", Clock)
    for Clock.ago in (5, 4, 2, 1, 0):
        ids.append(journal.append(RECORD | {"ago": Clock.ago}))
    names = [decision_id.rpartition("-")[0] for decision_id in ids]
    before = verify(home)
    assert (before.files, before.open, before.faults) == (5, 1, [])
    assert expire(home, 2) == names[:2] and shown.names() == sorted(names[2:])
    assert verify(home, before.head).faults == [] and verify(home).files == 3
    assert expire(home, 2) == []
    for decision_id in ids[:2]:
        with pytest.raises(RecoupError, match="has it expired"):
            journal.find(decision_id)
    assert [journal.find(decision_id)["ago"] for decision_id in ids[2:]] == [2, 1, 0]
    with pytest.raises(RecoupError, match="keep one day or more"):
        expire(home, 0)
    commands.journal_expire(1)
    assert names[2] in capsys.readouterr().out
    journal.close()
    shown.remove(names[3])
    with pytest.raises(RecoupError, match="1 fault"):
        commands.journal_verify(None)
    assert "is missing" in capsys.readouterr().out
