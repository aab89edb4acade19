"""A journal that somebody changed is not as it was written, and `recoup journal verify` says where."""

import json

import pytest

from serving.journal.verification import verify
from tests.serving.journals import MANIFEST, Rows, spoiling, two_writers


@pytest.fixture(scope="module", params=["files", "postgres"])
def written(request, tmp_path_factory):
    with two_writers(request.param, tmp_path_factory.mktemp("written")) as found:
        yield found


@pytest.mark.parametrize("how", ["change", "remove", "repeat", "insert", "swap"])
def test_a_line_that_is_not_as_written_is_found_by_file_and_line(written, how):
    home, journal, _ = written
    for name in journal.names()[:: 5 if isinstance(journal, Rows) else 1]:
        for place in range(len(journal.lines(name)) - 1):
            lines = journal.lines(name)
            with spoiling(journal, name):
                at = place
                if how == "change":
                    lines[at] = lines[at].replace(b'"after":"', b'"after":"1').replace(b'"row":', b'"row":1')
                elif how == "remove":
                    del lines[at]
                elif how == "repeat":
                    lines.insert(at, lines[at])
                    at += 1
                elif how == "insert":
                    lines.insert(at, b'{"subject":"L2"}\n')
                else:
                    lines[at], lines[at + 1] = lines[at + 1], lines[at]
                journal.put(name, lines)
                faults = verify(home).faults
            assert (name, at + 1) in [(fault.file, fault.line) for fault in faults], (at, faults)
            assert {fault.file for fault in faults} == {name}


def test_a_file_that_is_removed_or_added_is_found(written):
    home, journal, head = written
    for name in journal.names()[::3]:
        with spoiling(journal, name):
            lines = journal.lines(name)
            journal.remove(name)
            assert [(fault.file, fault.line) for fault in verify(home).faults] == [(name, 0)]
            journal.put(f"{name}7", lines)
            assert {name, f"{name}7"} == {fault.file for fault in verify(home).faults}
            journal.remove(f"{name}7")
    lines = journal.lines(MANIFEST)
    last = json.loads(lines[-1])["ended"]
    with spoiling(journal, MANIFEST, last):
        journal.remove(last)
        journal.put(MANIFEST, [line for line in lines if last.encode() not in line])
        assert verify(home).faults == []
        assert verify(home, head).faults, "a manifest cut off together with its file is found by the head"
    assert verify(home, head).faults == []


@pytest.mark.parametrize("how", ["remove", "change", "move"])
@pytest.mark.parametrize("written", ["postgres"], indirect=True)
def test_a_row_of_the_database_that_is_changed_is_found(written, how):
    home, journal, _ = written
    statement = {
        "remove": "DELETE FROM journal.lines WHERE file = %s AND start = %s",
        "change": "UPDATE journal.lines SET line = overlay(line PLACING '9' FROM 150) WHERE file = %s AND start = %s",
        "move": "UPDATE journal.lines SET start = start + 1 WHERE file = %s AND start = %s",
    }[how]
    name, row = journal.names()[-1], 2
    start = sum(map(len, journal.lines(name)[: row - 1]))
    with spoiling(journal, name):
        journal.ask(statement, name, start)
        assert (name, row) in {(fault.file, fault.line) for fault in verify(home).faults}
