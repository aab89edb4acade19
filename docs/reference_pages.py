"""Pages of the reference that are made from the code: commands, what the services answer, and its modules."""

from pathlib import Path
from typing import Any

import typer
from jinja2 import Environment, FileSystemLoader, Template
from typer.cli import get_docs_for_click
from typer.main import get_command

from features.files import replace
from recoup.cli import app
from serving.dispatch.application import SERVICE as DISPATCH
from serving.http import openapi
from serving.pricing.application import SERVICE as PRICING

HERE = Path(__file__).parent
ROOT = HERE.parent
FLOORS = ("features", "training", "serving", "monitoring", "recoup")
NOT_FOR_READERS = ("recoup.cli", "recoup.commands", "recoup.bench")


def write(folder: Path) -> None:
    """Write the pages where they have changed, and remove those of what is gone."""
    pages = {"commands.md": commands()}
    pages |= {f"{name}.md": answers(service) for name, service in (("pricing", PRICING), ("dispatch", DISPATCH))}
    for floor in FLOORS:
        pages |= {f"{name}.rst": text for name, text in modules(floor).items()}
    folder.mkdir(parents=True, exist_ok=True)
    for page in folder.iterdir():
        if page.name not in pages:
            page.unlink()
    for name, text in pages.items():
        page = folder / name
        if not page.exists() or page.read_text() != text:
            replace(page, text.encode())


def modules(name: str) -> dict[str, str]:
    """Return the pages of a package and of those within it: autodoc writes what their modules say of themselves."""
    folder = ROOT.joinpath(*name.split("."))
    within = [f"{name}.{path.parent.name}" for path in sorted(folder.glob("*/__init__.py"))]
    parts = [f"{name}.{path.stem}" for path in sorted(folder.glob("*.py")) if not path.stem.startswith("_")]
    packages, files = ([part for part in found if part not in NOT_FOR_READERS] for found in (within, parts))
    page = _template("package.rst.j2").render(name=name, packages=packages, modules=files)
    return {name: page} | {inner: text for package in packages for inner, text in modules(package).items()}


def commands() -> str:
    """Return what the command line takes."""
    command = get_command(app)
    return get_docs_for_click(obj=command, ctx=typer.Context(command), name="recoup", title="Commands")


def answers(service: Any) -> str:
    """Return what a service answers, from its OpenAPI document."""
    described = openapi.document(service.title, service.about, service.operations)
    return _template("service.md.j2").render(described)


def kind(schema: dict[str, Any]) -> str:
    """Return a JSON schema as a reader writes a type.

    Examples
    --------
    >>> kind({"type": "array", "items": {"$ref": "#/components/schemas/Slot"}})
    'list of [Slot](#slot)'
    >>> kind({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]})
    'date-time or null'
    """
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(map(kind, schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}))}"
    return schema.get("format") or schema.get("type") or "any"


def _template(name: str) -> Template:
    environment = Environment(loader=FileSystemLoader(HERE / "_templates"), trim_blocks=True, lstrip_blocks=True)
    environment.filters["kind"] = kind
    return environment.get_template(name)
