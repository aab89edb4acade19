"""The description of a service for its callers: OpenAPI 3.1, made from its operations."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serving.http.operation import JSON, Operation, Parameter
from serving.http.problems import MEDIA_TYPE, ProblemDetails

_REFERENCE = "#/components/schemas/{model}"
_ALWAYS = {
    401: "no key, or one that is unknown, revoked or expired",
    403: "the key does not have the scope",
    429: "the key has made as many requests as it may in this second; try again",
    503: "as many wait as may, the model is being loaded, or what it needs is not there; try again",
}
_WITH_BODY = {
    400: "the body ended before its end",
    408: "the body did not come in time",
}


def document(title: str, about: str, operations: tuple[Operation, ...]) -> dict[str, Any]:
    """Return a service's description."""
    sides: list[tuple[type[BaseModel], Any]] = [(ProblemDetails, "serialization")]
    for operation in operations:
        sides += [
            (model, mode)
            for model, mode in ((operation.asked, "validation"), (operation.answered, "serialization"))
            if isinstance(model, type)
        ]
    references, schemas = models_json_schema(list(dict.fromkeys(sides)), ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _entry(operation, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "summary": about, "version": _version(), "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}],
    }


def _entry(operation: Operation, references: dict[Any, Any]) -> dict[str, Any]:
    problem = {MEDIA_TYPE: {"schema": references[ProblemDetails, "serialization"]}}
    with_body = _WITH_BODY if operation.asked is not None else {}
    refused = dict(sorted((_ALWAYS | with_body | operation.refused).items()))
    entry: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.about,
        "description": f"Needs a key with the scope `{operation.scope}`.",
        "responses": {
            str(operation.status): {
                "description": "the answer",
                "content": _content(operation.answered, references, "serialization"),
            },
            **{str(status): {"description": why, "content": problem} for status, why in refused.items()},
        },
    }
    if operation.parameters:
        entry["parameters"] = [_parameter(parameter) for parameter in operation.parameters]
    if operation.asked is not None:
        entry["requestBody"] = {"required": True, "content": _content(operation.asked, references, "validation")}
    return entry


def _content(held: type[BaseModel] | dict[str, str], references: dict[Any, Any], mode: str) -> dict[str, Any]:
    if isinstance(held, dict):
        return {media: {"schema": {"description": about}} for media, about in held.items()}
    return {JSON: {"schema": references[held, mode]}}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    entry = {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": parameter.about,
    }
    if parameter.json:
        return entry | {"content": {JSON: {"schema": parameter.schema, "example": parameter.example}}}
    return entry | {"schema": parameter.schema, "example": parameter.example}


def _version() -> str:
    try:
        return version("recoup")
    except PackageNotFoundError:  # inside a Bento the code is a folder, not a package
        return "0"
