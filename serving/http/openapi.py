"""The description of a service for its callers: OpenAPI 3.1, made from its operations."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serving.http.operation import JSON, Operation, Parameter
from serving.http.problems import MEDIA_TYPE, Fault, Problem, ProblemDetails

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
_RETRY = ("Retry-After", "seconds after which to try again", "integer", 1)
_HEADERS: dict[int, tuple[str, str, str, Any]] = {
    401: ("WWW-Authenticate", "how to show a key", "string", "Bearer"),
    429: _RETRY,
    503: _RETRY,
}
_HEALTH = {
    "/healthz": "Whether the worker runs",
    "/livez": "Whether the worker runs",
    "/readyz": "Whether a question asked now would be answered",
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
    for path, summary in _HEALTH.items():
        paths[path] = {"get": _health(path.strip("/"), summary, references)}
    paths["/metrics"] = {"get": _metrics(references)}
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
            **{str(status): _refusal(status, why, references) for status, why in refused.items()},
        },
    }
    if operation.parameters:
        entry["parameters"] = [_parameter(parameter) for parameter in operation.parameters]
    if operation.asked is not None:
        entry["requestBody"] = {"required": True, "content": _content(operation.asked, references, "validation")}
    return entry


def _health(name: str, about: str, references: dict[Any, Any]) -> dict[str, Any]:
    answers = {"200": {"description": "yes"}, "503": _refusal(503, "not now; the answer says why", references)}
    return {"operationId": name, "summary": about, "security": [], "responses": answers}


def _metrics(references: dict[Any, Any]) -> dict[str, Any]:
    told = {"description": "in Prometheus' text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
    refused = {str(status): _refusal(status, _ALWAYS[status], references) for status in (401, 429, 503)}
    return {"operationId": "metrics", "summary": "What the workers count", "responses": {"200": told, **refused}}


def _refusal(status: int, why: str, references: dict[Any, Any]) -> dict[str, Any]:
    faults = [Fault(pointer="#/loan_id", detail=why)] if status in (404, 409, 422) else []
    shown = Problem(status, why, faults).details.model_dump()
    schema = references[ProblemDetails, "serialization"]
    entry = {"description": why, "content": {MEDIA_TYPE: {"schema": schema, "example": shown}}}
    if status in _HEADERS:
        name, about, kind, example = _HEADERS[status]
        entry["headers"] = {name: {"description": about, "schema": {"type": kind}, "example": example}}
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
