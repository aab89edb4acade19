"""The decision journal: nothing answered is lost, nothing changed goes unseen."""

import json
import os
import shutil
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import RecoupError
from features.home import Home
from recoup.commands import journal as commands
from serving.journal import Journal, writer
from serving.journal.manifest import NAME
from serving.journal.retention import expire
from serving.journal.verification import verify

RECORD = {"kind": "price", "subject": "L1", "score": 0.1 + 0.2, "features": {"balance": 1e-7, "grade": None}}
WRITES = """
import sys
from features.home import Home
from pathlib import Path
from serving.journal import Journal
journal = Journal(Home(Path(sys.argv[1])))
while True:
    print(journal.append({"kind": "price", "subject": "x" * 500}), flush=True)
"""
MEETS_A_FULL_DISK = """
import resource, sys
from features.errors import RecoupError
from features.home import Home
from pathlib import Path
from serving.journal import Journal
journal = Journal(Home(Path(sys.argv[1])))
given = [journal.append({"subject": "x" * 100}) for _ in range(20)]
resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, resource.RLIM_INFINITY))  # the kernel then takes a part of a write
refused = 0
for _ in range(50):
    try:
        given.append(journal.append({"subject": "x" * 100}))
    except RecoupError as error:
        assert "nothing is answered" in str(error)
        refused += 1
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
given += [journal.append({"subject": "again"}) for _ in range(3)]
print(refused, *given)
"""


def child(code, home, **more):
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())} | more
    return subprocess.Popen([sys.executable, "-c", code, str(home.root)], env=environment, stdout=subprocess.PIPE)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A journal of two writers with three files each, and its head."""
    home = Home(tmp_path_factory.mktemp("written"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOUP_JOURNAL_MAX_BYTES", "1000")
        for run in range(2):
            journal = Journal(home)
            for row in range(12):
                journal.append(RECORD | {"run": run, "row": row})
            journal.close()
    found = verify(home)
    assert found.faults == [] and (found.files, found.records, found.open) == (6, 24, 0)
    return home, found.head


def copied(home, folder):
    copy = Home(folder)
    shutil.rmtree(copy.journal, ignore_errors=True)
    shutil.copytree(home.journal, copy.journal)
    return copy


def test_a_decision_is_found_as_it_was_written(home):
    journal = Journal(home)
    ids = [*journal.append_all([RECORD | {"row": row} for row in range(5)]), journal.append(RECORD)]
    assert len(set(ids)) == 6
    for row, decision_id in enumerate(ids[:5]):
        found = Journal(home).find(decision_id)
        assert {name: found[name] for name in RECORD} == RECORD and found["row"] == row
        assert datetime.fromisoformat(found["decided_at"]).tzinfo and found["decision_id"] == decision_id
    name, _, place = ids[0].rpartition("-")
    for wrong in (f"{name}-{int(place, 16) + 1:x}", f"{name}-fffff", f"{name[:-1]}9-{place}", "../manifest", ""):
        with pytest.raises(RecoupError, match="no decision"):
            journal.find(wrong)


@pytest.mark.parametrize("how", ["change", "remove", "repeat", "insert", "swap"])
def test_a_line_that_is_not_as_written_is_found_by_file_and_line(written, tmp_path, how):
    home, _ = written
    for name in [path.name for path in home.journal.glob("2*.jsonl")]:
        for place in range(len((home.journal / name).read_bytes().splitlines()) - 1):
            copy = copied(home, tmp_path)
            path = copy.journal / name
            lines = path.read_bytes().splitlines(keepends=True)
            if how == "change":
                lines[place] = lines[place].replace(b'"after":"', b'"after":"1').replace(b'"row":', b'"row":1')
            elif how == "remove":
                del lines[place]
            elif how == "repeat":
                lines.insert(place, lines[place])
                place += 1
            elif how == "insert":
                lines.insert(place, b'{"subject":"L2"}\n')
            else:
                lines[place], lines[place + 1] = lines[place + 1], lines[place]
            path.write_bytes(b"".join(lines))
            faults = verify(copy).faults
            assert (name, place + 1) in [(fault.file, fault.line) for fault in faults], (place, faults)
            assert {fault.file for fault in faults} == {name}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_byte_can_be_changed_unseen(written, tmp_path_factory, data):
    home, head = written
    copy = copied(home, tmp_path_factory.getbasetemp() / "bytes")
    path = data.draw(st.sampled_from(sorted(copy.journal.glob("*.jsonl"))))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    path.write_bytes(content)
    try:
        faults = verify(copy, head).faults
    except RecoupError as error:  # the byte said which key the journal is under
        assert path.name == NAME and "under another" in str(error)
    else:
        assert path.name in {fault.file for fault in faults} or (path.name == NAME and faults)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_no_end_can_be_cut_off_unseen(written, tmp_path_factory, data):
    home, head = written
    copy = copied(home, tmp_path_factory.getbasetemp() / "ends")
    path = data.draw(st.sampled_from(sorted(copy.journal.glob("*.jsonl"))))
    os.truncate(path, data.draw(st.integers(0, path.stat().st_size - 1)))
    assert verify(copy, head).faults


def test_a_file_that_is_removed_or_added_is_found(written, tmp_path):
    home, head = written
    for path in sorted(home.journal.glob("2*.jsonl")):
        copy = copied(home, tmp_path)
        (copy.journal / path.name).unlink()
        assert [(fault.file, fault.line) for fault in verify(copy).faults] == [(path.name, 0)]
        added = f"{path.stem}7.jsonl"
        shutil.copy(path, copy.journal / added)
        assert {path.name, added} == {fault.file for fault in verify(copy).faults}
    copy = copied(home, tmp_path)
    lines = (copy.journal / NAME).read_bytes().splitlines(keepends=True)
    last = json.loads(lines[-1])["ended"]
    (copy.journal / f"{last}.jsonl").unlink()
    kept = [line for line in lines if last.encode() not in line]
    (copy.journal / NAME).write_bytes(b"".join(kept))
    assert verify(copy, head).faults, "a manifest cut off together with its file is found by the head"


def test_who_has_not_the_key_cannot_write_the_chain_anew(home, monkeypatch):
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
    shutil.rmtree(home.journal)
    forged = Journal(home)
    forged.append(RECORD)
    forged.close()
    assert verify(home).faults == []
    monkeypatch.setenv("RECOUP_JOURNAL_KEY", "the journal's own key")
    with pytest.raises(RecoupError, match="under another RECOUP_JOURNAL_KEY"):
        verify(home)


def test_killed_writers_lose_nothing_and_their_files_are_ended_by_the_next(home):
    writers = [child(WRITES, home) for _ in range(2)]
    given = [process.stdout.readline().decode().strip() for _ in range(400) for process in writers]
    for process in writers:
        process.kill()
        given += [line for line in process.stdout.read().decode().split("\n")[:-1] if line]
        process.wait()
    assert len(set(given)) == len(given) >= 800 and len({decision.rpartition("-")[0] for decision in given}) == 2
    journal, found = Journal(home), verify(home)
    assert all(journal.find(decision_id) for decision_id in given)
    assert found.faults == [] and found.open == 2 and found.records >= len(given)
    path = next(home.journal.glob("2*.jsonl"))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"chain":"00')
    found = verify(home)
    assert found.faults == [] and found.torn == [path.name], "a torn line is a crash, not a change"
    journal.append(RECORD)
    assert verify(home).open == 1
    path.write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 1])
    assert [fault.file for fault in verify(home).faults] == [path.name], "once ended, the end is held"
    path.write_bytes(whole)
    journal.close()
    assert verify(home).faults == []


def test_a_torn_line_of_the_manifest_is_cut_off_by_the_next_entry(home):
    journal = Journal(home)
    journal.append(RECORD)
    with (home.journal / NAME).open("ab") as file:
        file.write(b'{"chain":"ab')
    journal.close()
    assert verify(home).faults == [] and verify(home).open == 0


def test_a_full_disk_is_refused_and_what_fits_later_is_written(home):
    process = child(MEETS_A_FULL_DISK, home)
    refused, *given = process.communicate()[0].decode().split()
    assert process.returncode == 0 and int(refused) > 10 and len(given) == 20 + 50 - int(refused) + 3
    found = verify(home)
    assert found.faults == [] and found.torn == [] and found.records == len(given)
    assert all(Journal(home).find(decision_id) for decision_id in given)


def test_a_folder_that_cannot_be_written_is_refused_until_it_can(home):
    journal = Journal(home)
    home.root.mkdir()
    home.journal.write_text("no folder")
    for act in (lambda: journal.append(RECORD), journal.require_writable, lambda: journal.append(RECORD)):
        with pytest.raises(RecoupError, match="cannot be written, so nothing is answered"):
            act()
    home.journal.unlink()
    journal.require_writable()
    assert journal.find(journal.append(RECORD))["subject"] == "L1"
    journal.close()


def test_a_file_removed_while_it_is_written_is_given_up(home, monkeypatch):
    monkeypatch.setenv("RECOUP_JOURNAL_SYNC_SECONDS", "0")
    journal = Journal(home)
    first = journal.append(RECORD).rpartition("-")[0]
    (home.journal / f"{first}.jsonl").unlink()
    with pytest.raises(RecoupError, match="nothing is answered"):
        journal.append(RECORD)
    assert journal.find(journal.append(RECORD))
    assert [fault.file for fault in verify(home).faults] == [f"{first}.jsonl"]
    journal.close()


def test_who_waits_for_the_disk_shares_one_fsync(home, monkeypatch):
    monkeypatch.setenv("RECOUP_JOURNAL_SYNC_SECONDS", "0")
    journal, calls, begin = Journal(home), [], threading.Barrier(16)
    journal.append(RECORD)
    sync = os.fsync

    def slow(file):
        calls.append(file)
        threading.Event().wait(0.005)
        sync(file)

    def work():
        begin.wait()
        ids.extend([journal.append(RECORD) for _ in range(10)])

    ids: list[str] = []
    monkeypatch.setattr(os, "fsync", slow)
    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 160 and 10 <= len(calls) < 80
    journal.close()


def test_decisions_made_together_wait_for_the_disk_once(home, monkeypatch):
    monkeypatch.setenv("RECOUP_JOURNAL_SYNC_SECONDS", "0")
    journal, calls, sync = Journal(home), [], os.fsync
    journal.append(RECORD)
    monkeypatch.setattr(os, "fsync", lambda file: (calls.append(file), sync(file)))
    with journal.together():
        ids = [journal.append(RECORD) for _ in range(50)]
        assert calls == []
    assert len(calls) == 1 and all(map(journal.find, ids))
    (home.journal / f"{ids[0].rpartition('-')[0]}.jsonl").unlink()
    with pytest.raises(RecoupError, match="nothing is answered"), journal.together():
        journal.append(RECORD)
    journal.append(RECORD)
    assert len(calls) > 3, "after the block each decision waits again"
    journal.close()


def test_records_reach_the_disk_within_the_interval(home, monkeypatch):
    monkeypatch.setenv("RECOUP_JOURNAL_SYNC_SECONDS", "0.01")
    journal, synced, sync = Journal(home), threading.Event(), os.fsync
    journal.append(RECORD)
    monkeypatch.setattr(os, "fsync", lambda file: (sync(file), synced.set()))
    journal.append(RECORD)
    assert synced.wait(30)
    journal.close()


def test_old_days_expire_and_the_rest_stays_verifiable(home, monkeypatch, capsys):
    now, journal, ids = datetime.now(UTC), Journal(home), []

    class Clock(datetime):
        ago = 0

        @classmethod
        def now(cls, tz=None):
            return now - timedelta(days=cls.ago)

    monkeypatch.setattr(writer, "datetime", Clock)
    for Clock.ago in (5, 4, 2, 1, 0):
        ids.append(journal.append(RECORD | {"ago": Clock.ago}))
    before = verify(home)
    assert (before.files, before.open, before.faults) == (5, 1, [])
    removed = expire(home, 2)
    assert removed == [f"{decision_id.rpartition('-')[0]}.jsonl" for decision_id in ids[:2]]
    assert verify(home, before.head).faults == [] and verify(home).files == 3
    assert expire(home, 2) == []
    for decision_id in ids[:2]:
        with pytest.raises(RecoupError, match="has it expired"):
            journal.find(decision_id)
    assert [journal.find(decision_id)["ago"] for decision_id in ids[2:]] == [2, 1, 0]
    with pytest.raises(RecoupError, match="keep one day or more"):
        expire(home, 0)
    commands.journal_expire(1)
    assert ids[2].rpartition("-")[0] in capsys.readouterr().out
    journal.close()
    (home.journal / f"{ids[3].rpartition('-')[0]}.jsonl").unlink()
    with pytest.raises(RecoupError, match="1 fault"):
        commands.journal_verify(None)
    assert "is missing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("variable", "value"),
    [("RECOUP_JOURNAL_SYNC_SECONDS", "-1"), ("RECOUP_JOURNAL_SYNC_SECONDS", "soon"), ("RECOUP_JOURNAL_MAX_BYTES", "0"),
     ("RECOUP_JOURNAL_KEY", "short")],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(home, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(RecoupError, match=variable):
        Journal(home)
