"""The reference's pages that are made from the code tell all of it."""

import doctest
import importlib.util
import re
from pathlib import Path

import pytest
from typer.main import get_command

from recoup.cli import app
from serving.dispatch.application import SERVICE as DISPATCH
from serving.pricing.application import SERVICE as PRICING

SOURCE = Path(__file__).parents[2] / "docs" / "reference_pages.py"


@pytest.fixture(scope="module")
def pages():
    spec = importlib.util.spec_from_file_location("reference_pages", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_command_and_option_is_told(pages):
    told = pages.commands()
    for name, command in get_command(app).commands.items():
        assert f"## `recoup {name}`" in told
        assert all(option in told for parameter in command.params for option in parameter.opts)


@pytest.mark.parametrize("service", [PRICING, DISPATCH], ids=["pricing", "dispatch"])
def test_every_route_and_field_is_told_and_no_link_leads_nowhere(pages, service):
    told = pages.answers(service)
    for operation in service.operations:
        assert f"## `{operation.method} {operation.path}`\n" in told
        for model in (operation.asked, operation.answered):
            for field in getattr(model, "model_fields", {}):
                assert f"| `{field}`" in told
    headings = {heading.lower() for heading in re.findall(r"^## (\w+)$", told, re.MULTILINE)}
    assert set(re.findall(r"\]\(#(\w+)\)", told)) <= headings


def test_the_examples_of_the_pages_maker_hold(pages):
    assert doctest.testmod(pages) == doctest.TestResults(failed=0, attempted=2)


def test_every_public_module_has_its_place_and_every_page_is_reached(pages):
    found = {name: text for floor in pages.FLOORS for name, text in pages.modules(floor).items()}
    told = set(re.findall(r"automodule:: (\S+)", "".join(found.values())))
    assert {"features.lake", "training.leaf_shap", "serving.journal.chain", "recoup.client"} <= told
    assert not [name for name in told if name.split(".")[-1].startswith("_") or "recoup.bench" in name]
    reached = set(re.findall(r"^   ([\w.]+)$", "".join(found.values()), re.MULTILINE))
    assert reached == found.keys() - set(pages.FLOORS)
