"""Every notebook runs from top to bottom on one small home, says nothing of persons, and is stored without outputs."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path
from time import sleep

import httpx
import jupytext
import polars as pl
import pytest
from nbclient import NotebookClient

from features.home import Home
from features.lake import Lake
from recoup.demo_home import prepare
from serving.server import free_port
from tests.light import LIGHT
from training import registry
from training.train import TASKS

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.py"))
SILENT = [path.stem for path in NOTEBOOKS if path.stem != "template"]


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """A demo's home, small, its models light, with its keys in the environment."""
    home = Home(tmp_path_factory.mktemp("lab") / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOUP_HOME", str(home.root))
        for name in ("RECOUP_TOKEN_KEY", "RECOUP_API_KEY"):
            patch.setenv(name, "")  # the demo makes its own: put back what was there
        for name, task in LIGHT.items():
            patch.setitem(TASKS, name, task)
        yield prepare(home, 1_500, 7, lambda line: None)


@pytest.fixture(scope="module")
def executed(ready):
    """Run a notebook once, and give its cells."""
    done = {}

    def run(name):
        if name not in done:
            notebook = jupytext.read(FOLDER / f"{name}.py")
            NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
            done[name] = notebook.cells
        return done[name]

    return run


def outputs(cell):
    return cell.get("outputs", [])


def texts(cells):
    """Return all that a reader can read of the outputs."""
    found = []
    for output in (output for cell in cells for output in outputs(cell)):
        shown = output.get("data", {"text/plain": output.get("text", "")})
        found += [value for kind, value in shown.items() if kind.startswith("text/")]
    return "\n".join(found)


def draws(cell):
    kinds = {kind for output in outputs(cell) for kind in output.get("data", {})}
    return bool(kinds & {"image/png", "image/svg+xml"})


@pytest.mark.parametrize("name", [path.stem for path in NOTEBOOKS])
def test_a_notebook_runs_from_top_to_bottom_without_a_warning(name, executed):
    cells = executed(name)
    assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# ")
    complaints = [o["text"] for cell in cells for o in outputs(cell) if o.get("name") == "stderr"]
    assert not complaints


@pytest.mark.parametrize("name", SILENT)
def test_every_plot_stands_under_a_sentence_that_says_what_it_shows(name, executed):
    cells = executed(name)
    drawing = [place for place, cell in enumerate(cells) if draws(cell)]
    assert drawing, "a notebook without a plot shows nothing"
    assert all(cells[place - 1].cell_type == "markdown" and "." in cells[place - 1].source for place in drawing)


@pytest.mark.parametrize("name", [path.stem for path in NOTEBOOKS])
def test_no_output_says_who_a_debtor_is(name, executed, ready):
    people = pl.read_csv(ready.world / "feeds" / "borrowers.csv", infer_schema=False)
    raw = [people[column].drop_nulls().to_list() for column in ("name", "phone", "email")]
    tokens = Lake(ready.home).scan("borrowers").select("borrower_id").collect()["borrower_id"].to_list()
    said = texts(executed(name))
    assert not [value for values in (*raw, tokens) for value in set(values) if value in said]


def test_the_tape_is_the_simulated_one_where_no_real_file_is_at_hand(ready, tmp_path, monkeypatch):
    monkeypatch.setenv("RECOUP_TEST_DATA", str(tmp_path))
    notebook = jupytext.read(FOLDER / "1_explore_a_tape.py")
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    assert "tape.csv, to be read by the mapping 'canonical'" in texts(notebook.cells)


def test_the_planted_leak_is_found_and_mended(executed):
    said = texts(executed("2_features_in_time"))
    before, _, after = said.partition("red: ")
    assert "collected_share, orders outcomes" in after or "collections, orders outcomes" in after
    assert "equal to the bit" in before and "red: " not in after


def test_a_decision_is_replayed_and_a_planted_change_raises_an_alert(executed):
    said = texts(executed("5_review_and_monitor"))
    assert "the same to the last bit" in said
    assert "check unit and mapping of the feeds" in said.partition("rejected")[2]


def test_the_template_ends_with_a_challenger_in_twenty_lines(executed, ready):
    executed("template")
    assert int(registry.load(ready.home, "recovery", "challenger").version) > int(ready.versions["recovery"].version)
    lines = (FOLDER / "template.py").read_text().splitlines()
    assert sum(bool(line.strip()) and not line.startswith("#") for line in lines) <= 20


def test_notebooks_define_nothing():
    for path in NOTEBOOKS:
        nodes = ast.walk(ast.parse(path.read_text()))
        defined = [node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        assert not defined, path


def test_git_holds_no_notebook_with_outputs():
    listed = subprocess.run(["git", "ls-files", "*.ipynb"], cwd=FOLDER, capture_output=True, text=True, check=True)
    assert listed.stdout == ""


def test_the_lab_opens_on_the_home_with_every_script_paired(ready, tmp_path):
    copied = Path(shutil.copytree(FOLDER, tmp_path / "notebooks", ignore=shutil.ignore_patterns("*.ipynb")))
    before = {path: path.read_bytes() for path in copied.glob("*.py")}
    port = free_port()
    options = ["--no-browser", "--allow-root", f"--port={port}", "--IdentityProvider.token=secret"]
    called = f"lab.open_lab(homes.current(), 1, 1, {options!r}, print)"
    opened = subprocess.Popen(
        [sys.executable, "-c", f"from pathlib import Path; from features import home as homes; from recoup import lab; "
         f"lab.FOLDER = Path({str(copied)!r}); {called}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    headers = {"Authorization": "token secret"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30) as client:
        while opened.poll() is None:
            try:
                found = client.get("/api/contents").json()["content"]
                break
            except httpx.TransportError:
                sleep(0.2)
        assert {f"{path.stem}.ipynb" for path in before} <= {entry["name"] for entry in found}
        cells = client.get("/api/contents/template.ipynb").json()["content"]["cells"]
        assert cells[0]["source"].startswith("# Template") and not any(cell.get("outputs") for cell in cells)
        assert client.get("/lab/tree/template.ipynb").status_code == 200
        client.post("/api/shutdown")
    assert opened.wait(30) == 0
    assert {path: path.read_bytes() for path in before} == before
