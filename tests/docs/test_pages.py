"""Commands and examples on the pages of the docs run, in the order of the page."""

import doctest
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from sybil import Sybil
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser

from features.home import Home
from serving import bento, server
from tests.docs.transcript import Terminal
from tests.light import LIGHT
from training import registry
from training.designs import DESIGNS
from training.train import TASKS

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [path.relative_to(DOCS) for path in sorted(DOCS.rglob("*.md")) if "made" not in path.parts]
RUN = [page for page in PAGES if {"```console", "```python"} & set((DOCS / page).read_text().split())]
SERVED = "guides/call-the-services.md"
"""The page that asks both services."""
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.fixture
def desk(request, monkeypatch, tmp_path) -> Iterator[Path]:
    """Lay out what a page begins with: the tutorial's file, or a home that has walked the road."""
    with ExitStack() as stack:
        stack.enter_context(patch.dict(TASKS, LIGHT))  # the pages tell of whole models
        stack.enter_context(patch.dict(DESIGNS))
        if request.param == "tutorial.md":
            file: Path = request.getfixturevalue("lending_club")
            (tmp_path / file.name).symlink_to(file)
        else:
            home: Home = request.getfixturevalue("another_home")()
            monkeypatch.setenv("RECOUP_HOME", str(home.root))
            if request.param == SERVED:
                (tmp_path / "tape.csv").symlink_to(request.getfixturevalue("tape_on_offer"))
                stack.enter_context(served(home, monkeypatch))
        yield tmp_path


@contextmanager
def served(home: Home, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run both services where the client looks for them; a service does not start before there is a key."""
    patch.setenv("RECOUP_API_KEY", "a key from before the page's own")
    with ExitStack() as stack:
        for name, variable in (("recovery", "RECOUP_PRICING_URL"), ("contact", "RECOUP_DISPATCH_URL")):
            tag = bento.build(home, registry.load(home, name))
            patch.setenv(variable, stack.enter_context(server.running(home, tag, server.free_port())))
        yield


@pytest.mark.parametrize(
    ("page", "desk"),
    [pytest.param(page, str(page), id=str(page)) for page in RUN],
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
