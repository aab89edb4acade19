"""A floor imports only from floors below it; heavy packages have one door each."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("features", "training", "serving", "monitoring", "recoup")
FEAST_DOORS = {
    "features/store.py",
    "features/repository.py",
    "features/asof_store.py",
    "features/postgres_store.py",
    "features/online_store/packed.py",
    "features/online_store/engine.py",
    "recoup/bench/online.py",
}
TUNERS = ("optuna", "optuna_integration", "training.tuning")


class Import(NamedTuple):
    """What a file imports; ``eager``: at the moment when the file itself is imported."""

    name: str
    eager: bool


def imports(file: str, source: str) -> Iterator[Import]:
    """Yield every module that a file names in an import, and in ``import_module("...")``."""
    waiting: list[tuple[ast.AST, bool]] = [(ast.parse(source), True)]
    while waiting:
        node, eager = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, eager) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = file.split("/")[: -node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield Import(base, eager)
            yield from (Import(f"{base}.{alias.name}".strip("."), eager) for alias in node.names)
        elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func):
            names = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            yield from (Import(name, eager) for name in names if isinstance(name, str))
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        unrun = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        waiting += [(child, eager and not inside and not unrun) for child in ast.iter_child_nodes(node)]


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def loaded_with(file: str, found: dict[str, list[Import]]) -> set[str]:
    """Return all that importing a file loads, directly and through our own files."""
    seen: set[str] = set()
    waiting = [file]
    while waiting:
        for name, eager in found[waiting.pop()]:
            if not eager or name in seen:
                continue
            seen.add(name)
            parts = name.split(".")
            places = ["/".join(parts[: n + 1]) for n in range(len(parts))]
            waiting += [path for at in places for path in (f"{at}.py", f"{at}/__init__.py") if path in found]
    return seen


def violations(files: dict[str, str]) -> list[str]:
    """Return what breaks a rule of the house, one line each."""
    found = {file: list(imports(file, source)) for file, source in files.items()}
    broken = set()
    for file, names in found.items():
        floor = file.split("/")[0]
        above = FLOORS[FLOORS.index(floor) + 1 :] if floor in FLOORS else ()
        forbidden = (*above, "notebooks")
        for name, _ in names:
            broken |= {f"{file} imports {name}" for other in forbidden if within(name, other)}
            if within(name, "feast") and file not in FEAST_DOORS:
                broken.add(f"{file} imports {name}: the door to Feast is features/store.py")
            if within(name, "evidently") and floor != "monitoring":
                broken.add(f"{file} imports {name}: Evidently belongs to monitoring")
        if floor == "serving":
            reached = loaded_with(file, found) | {name for name, _ in names}
            tuners = sorted(name for name in reached if any(within(name, tuner) for tuner in TUNERS))
            broken |= {f"{file} loads {name}, which tunes" for name in tuners}
    reporters = {
        file.split("/")[1].removesuffix(".py")
        for file, names in found.items()
        if file.startswith("monitoring/") and any(within(name, "evidently") for name, _ in names)
    }
    if len(reporters) > 1:
        broken.add(f"Evidently has several doors in monitoring: {', '.join(sorted(reporters))}")
    return sorted(broken)


def house() -> dict[str, str]:
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for floor in FLOORS
        for path in sorted((ROOT / floor).rglob("*.py"))
    }


def test_every_floor_imports_only_from_below():
    files = house()
    assert {file.split("/")[0] for file in files} == set(FLOORS)
    assert violations(files) == []


def test_features_alone_opens_the_door_to_feast():
    doors = {file for file, source in house().items() if any(within(n, "feast") for n, _ in imports(file, source))}
    assert doors == FEAST_DOORS


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("features/x.py", "import training.package"),
        ("features/x.py", "def f():\n    from recoup import cli"),
        ("training/x.py", "from serving.journal import write"),
        ("training/x.py", "from monitoring import drift"),
        ("training/x.py", "if TYPE_CHECKING:\n    import recoup"),
        ("training/x.py", "from .. import serving"),
        ("serving/x.py", "import monitoring as m"),
        ("serving/x.py", "import recoup.cli"),
        ("serving/x.py", "import optuna"),
        ("serving/x.py", "def f():\n    from optuna.storages import JournalStorage"),
        ("serving/x.py", "from training import tuning"),
        ("serving/x.py", "from training.study import best"),
        ("monitoring/x.py", "import importlib\nimportlib.import_module('recoup.cli')"),
        ("recoup/x.py", "from notebooks import desk"),
        ("training/x.py", "from feast import FeatureStore"),
        ("recoup/x.py", "def f():\n    import feast.errors"),
        ("serving/x.py", "from evidently import Report"),
        ("monitoring/x.py", "from evidently import Report"),
    ],
)
def test_rule_fails_where_it_is_broken(file, source):
    innocent = {
        "features/store.py": "import feast\nfrom features import lake",
        "training/tuning.py": "import optuna",
        "training/study.py": "from training.tuning import search",
        "training/package.py": "import catboost\nfrom features.store import FeatureDoor",
        "training/job.py": "def run():\n    from training import tuning",
        "serving/scoring.py": "from training import job, package",
        "monitoring/report.py": "import evidently\nfrom serving import scoring",
        "recoup/cli.py": "import monitoring.report\nfrom . import demo",
    }
    assert violations(innocent) == []
    assert violations(innocent | {file: source}) != []
