"""Commands and examples on the pages of the docs run, in the order of the page."""

import doctest
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
from sybil import Sybil
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser

from tests.docs.transcript import Terminal
from training.designs import DESIGNS
from training.train import TASKS

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [path.relative_to(DOCS) for path in sorted(DOCS.rglob("*.md")) if "made" not in path.parts]
RUN = [page for page in PAGES if {"```console", "```python"} & set((DOCS / page).read_text().split())]
LIVE = {"guides/call-the-services.md": pytest.mark.skip(reason="asks both services, which no page starts yet")}
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
LIGHT = {"iterations": (20, 30)}
"""The pages tell of whole models; here small ones are fitted, and without challengers."""


@pytest.fixture
def desk(request, monkeypatch, tmp_path) -> Iterator[Path]:
    """Lay out what a page begins with: the tutorial's file, or a home that has walked the road."""
    light = {name: replace(task, search=task.search | LIGHT, challengers={}) for name, task in TASKS.items()}
    with ExitStack() as stack:
        stack.enter_context(patch.dict(TASKS, light))
        stack.enter_context(patch.dict(DESIGNS))
        if request.param == "tutorial.md":
            file: Path = request.getfixturevalue("lending_club")
            (tmp_path / file.name).symlink_to(file)
        else:
            monkeypatch.setenv("RECOUP_HOME", str(request.getfixturevalue("another_home")().root))
        yield tmp_path


@pytest.mark.parametrize(
    ("page", "desk"),
    [pytest.param(page, str(page), id=str(page), marks=LIVE.get(str(page), ())) for page in RUN],
    indirect=["desk"],
)
def test_a_page_does_what_it_says(page, desk, monkeypatch):
    terminal = Terminal(desk, monkeypatch)
    parsers = [CodeBlockParser("console", terminal), PythonCodeBlockParser(doctest_optionflags=OPTIONS)]
    for example in Sybil(parsers).parse(DOCS / page).examples():
        example.evaluate()


def test_pages_that_must_run_are_among_those_that_do():
    assert {page.parts[0] for page in RUN} == {"tutorial.md", "guides"}
    assert [page for page in PAGES if page.parts[0] == "guides" and page not in RUN] == [Path("guides/index.md")]
