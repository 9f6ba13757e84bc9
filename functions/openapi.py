"""The OpenAPI 3.1 document, generated from the registered operations and their models.

https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from functions.door import Operation
from shared.platform.i18n import TITLES
from shared.platform.payload import MAX_SAFE_INTEGER, Payload

VERSION = "1.0.0"
REF = "#/components/schemas/{model}"
PARAMETER = re.compile(r"{(\w+)(?::(\w+))?}")
ID = {"type": "integer", "minimum": 1, "maximum": MAX_SAFE_INTEGER}

PROBLEM = {
    "type": "object",
    "description": "Problem details (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code", "operation_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "In the language of Accept-Language."},
        "code": {"type": "string", "description": "Stable, for programs."},
        "operation_id": {"type": "string", "description": "Finds the request in the log."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """Everything that is served, and nothing that is not."""
    models = {m for op in operations for m in _models(op)}
    inputs = {m for op in operations if (m := op.body)}
    wanted: list[tuple[type[Payload], Any]] = [
        (model, "validation" if model in inputs else "serialization")
        for model in sorted(models, key=lambda m: m.__name__)
    ]
    _, definitions = models_json_schema(wanted, ref_template=REF)
    paths: dict[str, dict[str, Any]] = {}
    for op in operations:
        paths.setdefault(_path(op.route), {})[op.method.lower()] = _operation(op)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Suroga Streaming", "version": VERSION},
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {**definitions.get("$defs", {}), "Problem": PROBLEM},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT or API key"}
            },
        },
    }


def _path(route: str) -> str:
    return "/" + PARAMETER.sub(r"{\1}", route)


def _models(op: Operation) -> Iterable[type[Payload]]:
    yield from (m for m in (op.body, _item(op.answer)) if m)


def _item(answer: Any) -> type[Payload] | None:
    """The model of one element of a list, or the model itself."""
    inner = get_args(answer)
    model: type[Payload] | None = inner[0] if inner else answer
    return model


def _operation(op: Operation) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "operationId": op.name,
        "summary": op.summary,
        "tags": [op.tag],
        "responses": {str(op.status): _answer(op), **_problems(op)},
        "security": [{"bearer": []}] if op.signed_in else [],
    }
    if op.signed_in:
        allowed = f"An API key needs the scope `{op.scope}`." if op.scope else "Not for API keys."
        spec["description"] = allowed
    parameters = [*_path_parameters(op.route), *_query_parameters(op.query)]
    if parameters:
        spec["parameters"] = parameters
    if op.body:
        spec["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _ref(op.body)}},
        }
    return spec


def _ref(model: type[Payload]) -> dict[str, Any]:
    return {"$ref": REF.format(model=model.__name__)}


def _answer(op: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {"description": TITLES_OK.get(op.status, "OK")}
    if op.media:
        return {**described, "content": {media: FILES[media] for media in op.media}}
    item = _item(op.answer)
    if item is None:
        return described
    schema = _ref(item)
    if item is not op.answer:
        schema = {"type": "array", "items": schema}
        described["headers"] = {
            "Link": {"description": 'The next page, `rel="next"`.', "schema": {"type": "string"}}
        }
    return {**described, "content": {"application/json": {"schema": schema}}}


FILES: dict[str, dict[str, Any]] = {
    "image/png": {},
    "image/svg+xml": {"schema": {"type": "string"}},
    "text/calendar": {"schema": {"type": "string"}},
}
"""What is inside of files; one without a schema is binary."""

TITLES_OK = {200: "OK", 201: "Created", 202: "Accepted", 204: "Done"}


def _problems(op: Operation) -> dict[str, Any]:
    statuses = {*op.problems, 500, *([401] if op.signed_in else [])}
    statuses |= {403} if op.signed_in else set()  # an API key that lacks the scope
    statuses |= {413, 415} if op.body else set()
    statuses |= {429} if op.throttled else set()
    content = {"application/problem+json": {"schema": {"$ref": REF.format(model="Problem")}}}
    return {
        str(status): {"description": _title(status), "content": content}
        for status in sorted(statuses)
        if status != op.status
    }


def _title(status: int) -> str:
    title = TITLES.get(status)
    return title.text("en", {}) if title else str(status)


def _path_parameters(route: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": ID if constraint == "long" else {"type": "string"},
        }
        for name, constraint in PARAMETER.findall(route)
    ]


def _query_parameters(query: type[Payload] | None) -> list[dict[str, Any]]:
    if query is None:
        return []
    schema = TypeAdapter(query).json_schema()
    return [
        {"name": name, "in": "query", "required": False, "schema": spec}
        for name, spec in schema["properties"].items()
    ]
