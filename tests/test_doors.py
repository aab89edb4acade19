"""The front door as a newcomer uses it: the commands, in their own processes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from serving.server import free_port

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


def run(*words, home, check=True, command="recoup", **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RECOUP_")}
    environment |= {"RECOUP_HOME": str(home), "PATH": f"{BIN}:{os.environ['PATH']}"} | variables
    found = subprocess.run(
        [str(BIN / command), *map(str, words)], env=environment, capture_output=True, text=True, cwd=ROOT, timeout=600
    )
    if check:
        assert found.returncode == 0, found.stderr[-3000:]
    return found


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    home = tmp_path_factory.mktemp("demo") / "home"
    return home, run("demo", "--loans", 1_500, "--seed", 3, home=home)


def test_the_demo_ends_with_a_summary_whose_reports_exist(demo):
    home, found = demo
    for part in ("Portfolio on offer", "recovery/1", "contact/1", "Contact plan", "over HTTP", "Drift", "Reports"):
        assert part in found.stdout
    assert all(side in found.stdout for side in ("mean", "ridge", "logistic"))
    listed = re.findall(rf"({re.escape(str(home))}\S+)", found.stdout.split("Reports")[1])
    assert len(listed) >= 6 and all(Path(path).exists() for path in listed)
    assert oct((home / "demo" / "keys.sh").stat().st_mode & 0o777) == "0o600"


def test_a_decision_of_the_demo_replays_and_a_loan_explains(demo):
    home, found = demo
    for decision in re.findall(r"recoup replay (\S+) rebuilds", found.stdout):
        assert "same to the last bit" in run("replay", decision, home=home).stdout
    explained = run("explain", "L0000007", "--moment", "2025-12-31", home=home).stdout
    assert "expected recovery" in explained and "everything else" in explained
    assert Path(explained.split("plot: ")[1].strip()).stat().st_size > 10_000


def test_no_identifier_of_the_world_is_in_what_the_demo_says_or_keeps(demo):
    """Names, numbers and addresses stay in the simulated files; tokens go everywhere else."""
    import polars as pl

    home, found = demo
    people = pl.read_csv(home / "demo" / "world" / "feeds" / "borrowers.csv", infer_schema=False)
    raw = set(people["name"].drop_nulls()) | set(people["phone"].drop_nulls()) | set(people["email"].drop_nulls())
    texts = [found.stdout, found.stderr]
    kept = [path for part in ("journal", "reports") for path in (home / part).rglob("*")]
    texts += [path.read_text(errors="replace") for path in kept if path.suffix in {".jsonl", ".json", ".log"}]
    assert len(texts) > 5
    assert not [value for value in raw for text in texts if value in text]


def test_mlproject_runs_the_demo_again_and_reuses_what_it_can(demo, tmp_path):
    home, _ = demo
    again = run(
        "run", ".", "-e", "demo", "--env-manager", "local", "-P", "loans=1500", "-P", "seed=3",
        home=home, command="mlflow", MLFLOW_EXPERIMENT_ID="0", MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path / 'runs.db'}",
    )  # fmt: skip
    said = again.stdout + again.stderr
    for part in ("simulated world: as before", "rows as before", "recovery/1: as before", "online store: as before"):
        assert part in said, said[-3000:]
    assert "Portfolio on offer" in said


def test_a_demo_never_mixes_its_world_with_other_data(demo):
    home, _ = demo
    refused = run("demo", "--loans", 900, home=home, check=False)
    assert refused.returncode == 2 and "RECOUP_HOME" in refused.stderr


def test_a_file_goes_in_once_and_says_what_was_rejected(tmp_path, lending_club):
    first = run("ingest", lending_club, "--source", "lending_club", home=tmp_path / "home")
    assert "loans: 30,042 accepted, 0 rejected" in first.stdout and "payments: 4,482 accepted" in first.stdout
    again = run("ingest", lending_club, "--source", "lending_club", home=tmp_path / "home")
    assert "already in the lake, nothing changed" in again.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ingest", "nowhere.csv", "--source", "canonical"), "nowhere.csv: no such file"),
        (("ingest", "README.md", "--source", "mine"), "no mapping 'mine'"),
        (("train", "recovery"), "recoup ingest"),
        (("train", "weather"), "recovery, contact"),
        (("price", "README.md", "--source", "canonical", "--out", "x"), "recoup train recovery"),
        (("dispatch", "--date", "someday", "--out", "x"), "YYYY-MM-DD"),
        (("explain", "L1"), "recoup train recovery"),
        (("replay", "20200101-nothing"), "no decision"),
        (("monitor", "--out", "x"), "nothing to monitor"),
        (("serve", "--pricing-port", free_port(), "--dispatch-port", free_port()), "recoup train"),
        (("bench", "sleep"), "no bench 'sleep'"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(tmp_path, words, said):
    found = run(*words, home=tmp_path / "home", check=False)
    assert found.returncode == 2
    assert said in found.stderr and "Traceback" not in found.stderr
    (line,) = [line for line in found.stderr.splitlines() if line.startswith("error: ")]
    assert said in line
