"""Every notebook runs from top to bottom on small data, and is stored without outputs."""

from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.py"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_from_top_to_bottom(path, home, monkeypatch):
    monkeypatch.setenv("NOTEBOOK_LOANS", "800")
    notebook = jupytext.read(path)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    plots = [
        output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert plots, "a notebook without a plot shows nothing"


def test_no_notebook_is_stored_with_outputs():
    stored = list(NOTEBOOKS[0].parent.rglob("*.ipynb"))
    for path in stored:
        assert not any(cell.get("outputs") for cell in jupytext.read(path).cells), path
