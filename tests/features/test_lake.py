"""The lake takes a file in once and whole, whoever else writes and whenever the writer is killed."""

import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from features.errors import RecoupError
from features.home import Home
from features.lake import Lake
from tests.features.small_world import lake_as_read, loan, same, write_campaign, write_csv

# Forks a process for each line "step seconds home file": it ingests the file and dies by SIGKILL
# just before its step-th call on the home's files, or after the seconds. Answers "done" or "killed".
_NURSERY = """
import os, signal, sys, time
from pathlib import Path
from features.home import Home
from features.lake import Lake

def ingest(step, home, file):
    calls = 0
    def count(event, arguments):
        nonlocal calls
        if event in ("open", "os.rename", "os.mkdir") and str(arguments[0]).startswith(home):
            calls += 1
            if calls == step:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(count)
    Lake(Home(Path(home))).ingest(Path(file), "bank_marketing")

for line in sys.stdin:
    step, seconds, home, file = line.split()
    child = os.fork()
    if child == 0:
        ingest(int(step), home, file)
        os._exit(0)
    if float(seconds):
        time.sleep(float(seconds))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    print("done" if status == 0 else f"killed {os.WTERMSIG(status)}", flush=True)
"""


def payment(number: int, **changes: str) -> dict[str, str]:
    return {
        "payment_id": f"P{number}", "loan_id": "L1", "paid_at": "2021-05-01", "amount": "10",
        "currency": "USD", "kind": "recovery", "known_at": "2021-05-02", **changes,
    }  # fmt: skip


def tree(home: Home) -> dict[str, bytes]:
    return {str(path.relative_to(home.root)): path.read_bytes() for path in home.root.rglob("*.*")}


def test_same_file_twice_changes_nothing(home, tmp_path):
    path = write_campaign(tmp_path / "calls.csv")
    first = Lake(home).ingest(path, "bank_marketing")
    before, files = lake_as_read(home), tree(home)
    moved = path.rename(tmp_path / "the same under another name.csv")
    again = Lake(home).ingest(moved, "bank_marketing")
    assert again.repeated and not first.repeated
    assert (again.id, again.number, again.accepted) == (first.id, first.number, first.accepted)
    assert same(lake_as_read(home), before) and tree(home) == files


def test_every_new_file_changes_the_snapshot(home, tmp_path):
    snapshots = [Lake(home).snapshot()]
    for number in (1, 2, 3):
        Lake(home).ingest(write_csv(tmp_path / "tape.csv", [loan(number)]), "canonical")
        snapshots.append(Lake(home).snapshot())
    assert len(set(snapshots)) == 4
    assert [batch.number for batch in Lake(home).batches()] == [1, 2, 3]
    assert Lake(home).scan("loans").collect()["loan_id"].to_list() == ["L1", "L2", "L3"]


@pytest.mark.parametrize("feed", ["payments", "loans"])
def test_one_file_taken_in_by_many_at_once_is_there_once(home, tmp_path, feed):
    rows = [payment(n) if feed == "payments" else loan(n) for n in range(50)]
    path = write_csv(tmp_path / "file.csv", rows)
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: Lake(home).ingest(path, "canonical", feed), range(8)))
    assert [batch.repeated for batch in done].count(False) == 1
    assert {batch.accepted[feed] for batch in done} == {50}
    assert Lake(home).scan(feed).collect().height == 50 and len(Lake(home).batches()) == 1


def test_many_files_at_once_all_get_in_under_their_own_numbers(home, tmp_path):
    paths = [write_csv(tmp_path / f"{n}.csv", [loan(n)]) for n in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda path: Lake(home).ingest(path, "canonical"), paths))
    assert sorted(batch.number for batch in Lake(home).batches()) == list(range(1, 9))
    assert Lake(home).scan("loans").collect()["loan_id"].n_unique() == 8


def test_payment_already_booked_is_rejected_in_a_later_file(home, tmp_path):
    lake = Lake(home)
    lake.ingest(write_csv(tmp_path / "may.csv", [payment(1), payment(2)]), "canonical", "payments")
    batch = lake.ingest(write_csv(tmp_path / "june.csv", [payment(2), payment(3)]), "canonical", "payments")
    assert (batch.accepted, batch.rejected) == ({"payments": 1}, {"payments": 1})
    assert "is already in the lake" in lake.rejected(batch.id, "payments")["reason"][0]
    assert lake.scan("payments").collect()["payment_id"].to_list() == ["P1", "P2", "P3"]


def test_loan_number_of_another_source_is_rejected(home, tmp_path, tape):
    mine = tmp_path / "mine.yaml"
    mine.write_text("source: other_seller\nfeeds: {loans: {columns: all}}\n")
    Lake(home).ingest(tape, "canonical")
    clash = write_csv(tmp_path / "clash.csv", [loan(3, balance="1"), loan(4)])
    batch = Lake(home).ingest(clash, str(mine))
    assert (batch.accepted, batch.rejected) == ({"loans": 1}, {"loans": 1})
    assert "belongs to another source" in Lake(home).rejected(batch.id, "loans")["reason"][0]
    assert Lake(home).sources("loans") == ["canonical", "other_seller"]
    assert Lake(home).scan("loans", "other_seller").collect()["loan_id"].to_list() == ["L4"]


def test_refused_file_leaves_the_lake_as_it_was(home, tmp_path, tape):
    Lake(home).ingest(tape, "canonical")
    before = lake_as_read(home)
    with pytest.raises(RecoupError):
        Lake(home).ingest(write_csv(tmp_path / "bad.csv", [{"loan_id": "L9"}]), "canonical")
    assert same(lake_as_read(home), before)


@pytest.fixture
def nursery():
    with subprocess.Popen(
        [sys.executable, "-c", _NURSERY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:

        def ingest(step: int, seconds: float, home: Home, file: Path) -> str:
            assert process.stdin is not None and process.stdout is not None
            print(step, seconds, home.root, file, file=process.stdin, flush=True)
            return process.stdout.readline().strip()

        yield ingest
        process.kill()


def test_ingest_killed_at_any_moment_leaves_all_or_nothing(home, tmp_path, tape, nursery):
    file = write_campaign(tmp_path / "calls.csv", rows=200)
    Lake(home).ingest(tape, "canonical")
    before = lake_as_read(home)
    whole = Home(tmp_path / "whole")
    shutil.copytree(home.root, whole.root)
    Lake(whole).ingest(file, "bank_marketing")
    after = lake_as_read(whole)
    assert isinstance(after["contacts"], pl.DataFrame) and after["contacts"].height == 199

    def kill(step: int, seconds: float) -> tuple[str, bool]:
        victim = Home(tmp_path / f"killed at {step} {seconds}".replace(" ", "_"))
        shutil.copytree(home.root, victim.root)
        fate = nursery(step, seconds, victim, file)
        found = lake_as_read(victim)
        finished = same(found, after)
        assert finished or same(found, before), (step, seconds)
        rerun = Lake(victim).ingest(file, "bank_marketing")
        assert rerun.repeated == finished
        assert same(lake_as_read(victim), after) and tree(victim) == tree(whole), (step, seconds)
        shutil.rmtree(victim.root)
        return fate, finished

    killed = f"killed {signal.SIGKILL.value}"
    steps = 0
    while (fate := kill(steps + 1, 0))[0] == killed:
        steps += 1
        assert steps < 200
    assert fate == ("done", True) and steps > 15
    outcomes = [kill(0, 0.002 * 1.5**power) for power in range(12)]
    assert killed in {fate for fate, _ in outcomes}
