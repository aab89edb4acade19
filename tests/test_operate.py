"""What the operator reads is what the code does: settings with their defaults, metrics, commands."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import REGISTRY
from typer.main import get_command

from recoup.cli import app

ROOT = Path(__file__).parents[1]
MANUAL = (ROOT / "docs" / "operate.md").read_text()
FLOORS = ("features", "training", "serving", "monitoring", "recoup")


def section(title: str) -> str:
    return MANUAL.split(f"\n## {title}\n")[1].split("\n## ")[0]


def read_by_the_code() -> Iterator[tuple[str, float | None]]:
    """Yield every variable that the code names, benches apart, with its default where that is a number."""
    files = [path for floor in FLOORS for path in (ROOT / floor).rglob("*.py") if "bench" not in path.parts]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and re.fullmatch(r"RECOUP_[A-Z_]*[A-Z]", str(node.value)):
                yield str(node.value), None
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("whole", "number"):
                named = [ast.unparse(argument) for argument in node.args]
                if len(named) == 2 and re.fullmatch(r"'RECOUP_\w+'", named[0]):
                    yield named[0].strip("'"), float(eval(named[1], {}))


def test_settings_are_those_that_the_code_reads():
    told = dict(re.findall(r"^\| `(RECOUP_\w+)` \| `?([^|`]+)`? \|", section("Settings"), re.MULTILINE))
    read = {name for name, _ in read_by_the_code() if not name.startswith("RECOUP_TEST_")}
    assert set(told) == read
    numbers = {name: default for name, default in read_by_the_code() if default is not None}
    assert len(numbers) > 8
    assert {name: float(told[name]) for name in numbers} == numbers


def test_metrics_are_those_of_the_services():
    import serving.http.metrics
    import serving.versions.following
    import serving.versions.shadow  # noqa: F401 - each registers its own

    told = set(re.findall(r"^\| `(recoup_\w+)`", section("Metrics and alerts"), re.MULTILINE))
    ours = [metric for metric in REGISTRY.collect() if metric.name.startswith("recoup_")]
    assert told == {f"{metric.name}_total" if metric.type == "counter" else metric.name for metric in ours}
    asked = set(re.findall(r"recoup_\w+", section("Metrics and alerts"))) - {"recoup_pricing", "recoup_dispatch"}
    assert asked <= told


def test_every_command_is_there():
    shown = re.findall(r"`recoup ([^`]+)`|^ {4}recoup (.+)$", MANUAL, re.MULTILINE)
    assert len(shown) > 10
    for words in (quoted or typed for quoted, typed in shown):
        found = get_command(app)
        for word in words.split():
            if not (commands := getattr(found, "commands", None)):
                break
            assert word in commands, words
            found = commands[word]
        options = {name for parameter in found.params for name in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", words)) <= options, words
