"""The decision journal in files: what a disk does to it."""

import os
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import RecoupError
from serving.journal import Journal
from serving.journal.verification import verify
from tests.serving.journals import MANIFEST, RECORD, child, spoiling, two_writers

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


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    with two_writers("files", tmp_path_factory.mktemp("written")) as found:
        yield found


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_byte_can_be_changed_unseen(written, data):
    home, journal, head = written
    name = data.draw(st.sampled_from([*journal.names(), MANIFEST]))
    lines = journal.lines(name)
    row = data.draw(st.integers(0, len(lines) - 1))
    content = bytearray(lines[row])
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    with spoiling(journal, name):
        journal.put(name, [*lines[:row], bytes(content), *lines[row + 1 :]])
        try:
            faults = verify(home, head).faults
        except RecoupError as error:  # the byte said which key the journal is under
            assert name == MANIFEST and "under another" in str(error)
        else:
            assert name in {fault.file for fault in faults} or (name == MANIFEST and faults)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_no_end_can_be_cut_off_unseen(written, data):
    home, journal, head = written
    name = data.draw(st.sampled_from([*journal.names(), MANIFEST]))
    content = b"".join(journal.lines(name))
    cut = content[: data.draw(st.integers(0, len(content) - 1))]
    with spoiling(journal, name):
        journal.put(name, cut.splitlines(keepends=True))
        assert verify(home, head).faults


def test_a_torn_line_is_a_crash_and_not_a_change(home):
    journal = Journal(home)
    name = journal.append(RECORD).rpartition("-")[0]
    for file in (name, MANIFEST):
        with (home.journal / f"{file}.jsonl").open("ab") as lines:
            lines.write(b'{"chain":"ab')
    found = verify(home)
    assert (found.faults, found.torn, found.open) == ([], [name], 1)
    with (home.journal / f"{name}.jsonl").open("ab") as lines:
        lines.truncate(lines.tell() - len(b'{"chain":"ab'))
    journal.close()
    assert verify(home).faults == [] and verify(home).open == 0, "the manifest's was cut off by the next entry"


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
    assert [fault.file for fault in verify(home).faults] == [first]
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


def test_decisions_made_together_are_one_write_and_wait_for_the_disk_once(home, monkeypatch):
    monkeypatch.setenv("RECOUP_JOURNAL_SYNC_SECONDS", "0")
    journal, calls, write, sync = Journal(home), [], os.write, os.fsync
    journal.append(RECORD)
    monkeypatch.setattr(os, "write", lambda file, content: (calls.append("write"), write(file, content))[1])
    monkeypatch.setattr(os, "fsync", lambda file: (calls.append("sync"), sync(file)))
    ids = journal.append_all([RECORD] * 50)
    assert calls == ["write", "sync"] and len(set(ids)) == 50 and all(map(journal.find, ids))
    journal.close()
    assert not verify(home).faults


def test_what_was_made_together_is_refused_where_a_part_was_lost(home, monkeypatch):
    journal, write = Journal(home), os.write
    kept = [journal.append(RECORD)]
    monkeypatch.setattr(os, "write", lambda file, content: write(file, content[: len(content) // 2]))
    with pytest.raises(RecoupError, match="nothing is answered"):
        journal.append_all([RECORD] * 4)
    monkeypatch.setattr(os, "write", write)
    kept += [journal.append(RECORD) for _ in range(2)]
    assert all(map(journal.find, kept))
    journal.close()
    assert not verify(home).faults


def test_records_reach_the_disk_within_the_interval(home, monkeypatch):
    monkeypatch.setenv("RECOUP_JOURNAL_SYNC_SECONDS", "0.01")
    journal, synced, sync = Journal(home), threading.Event(), os.fsync
    journal.append(RECORD)
    monkeypatch.setattr(os, "fsync", lambda file: (sync(file), synced.set()))
    journal.append(RECORD)
    assert synced.wait(30)
    journal.close()


@pytest.mark.parametrize(
    ("variable", "value"),
    [("RECOUP_JOURNAL_SYNC_SECONDS", "-1"), ("RECOUP_JOURNAL_SYNC_SECONDS", "soon"), ("RECOUP_JOURNAL_MAX_BYTES", "0"),
     ("RECOUP_JOURNAL_KEY", "short"), ("RECOUP_JOURNAL", "mysql"), ("RECOUP_JOURNAL", "postgres")],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(home, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(RecoupError, match=variable):
        Journal(home)
