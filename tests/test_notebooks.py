"""Every notebook runs from top to bottom on one small home, says nothing of persons, and is stored without outputs."""

import ast
import subprocess
from pathlib import Path

import jupytext
import polars as pl
import pytest
from nbclient import NotebookClient

from features.home import Home
from features.lake import Lake
from recoup.demo_home import prepare

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.py"))
SILENT = [path.stem for path in NOTEBOOKS if path.stem != "template"]


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """A demo's home, small, with its keys in the environment."""
    home = Home(tmp_path_factory.mktemp("lab") / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOUP_HOME", str(home.root))
        for name in ("RECOUP_TOKEN_KEY", "RECOUP_API_KEY"):
            patch.setenv(name, "")  # the demo makes its own: put back what was there
        yield prepare(home, 1_000, 7, lambda line: None)


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


def test_notebooks_define_nothing():
    for path in NOTEBOOKS:
        nodes = ast.walk(ast.parse(path.read_text()))
        defined = [node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        assert not defined, path


def test_git_holds_no_notebook_with_outputs():
    listed = subprocess.run(["git", "ls-files", "*.ipynb"], cwd=FOLDER, capture_output=True, text=True, check=True)
    assert listed.stdout == ""
