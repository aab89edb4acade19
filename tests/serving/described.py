"""A client that holds every answer against the service's own description of itself."""

import re

import httpx
from jsonschema import Draft202012Validator


def described_client(url, key):
    """Return a client with a key; each answer must have a status, a media type and a body that OpenAPI names."""
    headers = {"Authorization": f"Bearer {key}"}
    description = httpx.get(f"{url}/openapi.json", headers=headers).json()

    def check(response):
        operation = _operation(description, response.request)
        if operation is None:
            return
        status = str(response.status_code)
        assert status in operation["responses"], f"{status} is not described for {response.request.url.path}"
        described = operation["responses"][status].get("content")
        if described is None:
            assert not response.read(), f"{status} of {response.request.url.path} is described without a body"
            return
        media = response.headers["content-type"].partition(";")[0]
        assert media in described, f"{media} is not described for {status} of {response.request.url.path}"
        if media.endswith("json"):
            schema = described[media]["schema"] | {"components": description["components"]}
            Draft202012Validator(schema).validate(httpx.Response(200, content=response.read()).json())

    return httpx.Client(base_url=url, headers=headers, timeout=60, event_hooks={"response": [check]})


def _operation(description, request):
    for path, methods in description["paths"].items():
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), request.url.path):
            return methods.get(request.method.lower())
    return None
