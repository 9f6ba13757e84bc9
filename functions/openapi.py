"""The OpenAPI 3.1 document, generated from the registered operations and their models.

https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, get_args

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from functions.door import KEY_HEADER, Operation
from functions.examples import DAY, Examples
from functions.openapi_parts import (
    DESCRIPTION,
    FILES,
    HEADERS,
    IDEMPOTENCY_KEY,
    PARAMETERS,
    PROBLEM,
    TAGS,
)
from functions.problem_examples import problem_example
from functions.refusals import refusals
from shared.platform.i18n import TITLES
from shared.platform.payload import MAX_SAFE_INTEGER, Payload

VERSION = "1.0.0"
REF = "#/components/schemas/{model}"
PARAMETER = re.compile(r"{(\w+)(?::(\w+))?}")
ID = {"type": "integer", "minimum": 1, "maximum": MAX_SAFE_INTEGER}
NARROW = frozenset({"after", "actor", "action", "subject", "scope", "tenant"})
"""Parameters whose examples Swagger UI should not fill in: whoever just tries would see nothing."""
RETRY = frozenset({425, 429, 503})
"""Statuses after which the caller may come back, and is told when."""


def document(operations: Sequence[Operation], day: date = DAY) -> dict[str, Any]:
    """Everything that is served, and nothing that is not; its examples are of this day."""
    models = {m for op in operations for m in _models(op)}
    inputs = {m for op in operations if (m := op.body)}
    wanted: list[tuple[type[Payload], Any]] = [
        (model, "validation" if model in inputs else "serialization")
        for model in sorted(models, key=lambda m: m.__name__)
    ]
    _, definitions = models_json_schema(wanted, ref_template=REF)
    examples = Examples(day)
    paths: dict[str, dict[str, Any]] = {}
    for op in operations:
        paths.setdefault(_path(op.route), {})[op.method.lower()] = _operation(op, examples)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Suroga Streaming", "version": VERSION, "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": dict(sorted(paths.items())),
        "components": {
            "headers": HEADERS,
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


def _operation(op: Operation, examples: Examples) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "operationId": op.name,
        "summary": op.summary,
        "description": _description(op),
        "tags": [op.tag],
        "responses": {str(op.status): _answer(op, examples), **_problems(op, examples)},
        "security": [{"bearer": []}] if op.signed_in else [],
    }
    parameters = [*_path_parameters(op, examples), *_query_parameters(op, examples)]
    parameters += [IDEMPOTENCY_KEY] if op.keyed else []
    if parameters:
        spec["parameters"] = parameters
    if op.body:
        spec["requestBody"] = {
            "required": any(field.is_required() for field in op.body.model_fields.values()),
            "content": {
                "application/json": {
                    "schema": _ref(op.body),
                    "example": examples.bodies[op.body.__name__],
                }
            },
        }
    return spec


def _description(op: Operation) -> str:
    if not op.signed_in:
        return "Nobody has to sign in."
    said = [
        f"An API key needs the scope `{op.scope}`; without it the answer is 403 "
        "`insufficient_scope`."
        if op.scope
        else "Not for API keys: the answer is 403 `person_only`."
    ]
    if op.keyed:
        said.append(
            f"With an `{KEY_HEADER}` it may be sent again: it is carried out once, and every "
            "further answer repeats the first one, with `Idempotency-Replayed: true`."
        )
    return " ".join(said)


def _ref(model: type[Payload]) -> dict[str, Any]:
    return {"$ref": REF.format(model=model.__name__)}


def _headers(op: Operation, *names: str) -> dict[str, Any]:
    every = ["X-Operation-Id", *names]
    if op.throttled:
        every += ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]
    return {name: {"$ref": f"#/components/headers/{name}"} for name in every}


def _answer(op: Operation, examples: Examples) -> dict[str, Any]:
    item = _item(op.answer)
    listed = item is not None and item is not op.answer
    names = ["Location"] if op.status == 201 else []
    names += ["Idempotency-Replayed"] if op.keyed else []
    names += ["Link"] if op.query and "after" in op.query.model_fields else []
    described = {"description": TITLES_OK[op.status], "headers": _headers(op, *names)}
    files = {media: _file(media, examples) for media in op.media}
    if item is None:
        return {**described, **({"content": files} if files else {})}
    schema, example = _ref(item), examples.answers[item.__name__]
    content = (
        {"schema": {"type": "array", "items": schema}, "example": [example]}
        if listed
        else {"schema": schema, "example": example}
    )
    return {**described, "content": {"application/json": content, **files}}


TITLES_OK = {200: "OK", 201: "Created", 202: "Accepted", 204: "Done"}


def _file(media: str, examples: Examples) -> dict[str, Any]:
    example = examples.files.get(media)
    return {**FILES[media], **({"example": example} if example else {})}


def _problems(op: Operation, examples: Examples) -> dict[str, Any]:
    found = {
        str(status): _problem(op, status, codes, examples)
        if codes
        else {**_answer(op, examples), "description": _title(status)}
        for status, codes in refusals(op).items()
    }
    return dict(sorted(found.items()))


def _problem(
    op: Operation, status: int, codes: Sequence[str], examples: Examples
) -> dict[str, Any]:
    later = status in RETRY or "idempotency_in_flight" in codes
    names = ["Retry-After"] if later else []
    shown = {code: {"value": problem_example(op, status, code, examples)} for code in codes}
    schema = {"$ref": REF.format(model="Problem")}
    return {
        "description": f"{_title(status)}: " + ", ".join(f"`{code}`" for code in codes),
        "headers": _headers(op, *names),
        "content": {"application/problem+json": {"schema": schema, "examples": shown}},
    }


def _title(status: int) -> str:
    return TITLES[status].text("en", {})


def _path_parameters(op: Operation, examples: Examples) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PARAMETERS[name],
            "schema": ID if constraint == "long" else {"type": "string", "minLength": 1},
            "example": examples.parameters[name],
        }
        for name, constraint in PARAMETER.findall(op.route)
    ]


def _query_parameters(op: Operation, examples: Examples) -> list[dict[str, Any]]:
    if op.query is None:
        return []
    schema = TypeAdapter(op.query).json_schema()
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": PARAMETERS[name],
            **_query_schema(op.name, name, spec, examples),
        }
        for name, spec in schema["properties"].items()
    ]


def _query_schema(
    operation: str, name: str, spec: dict[str, Any], examples: Examples
) -> dict[str, Any]:
    """No parameter is `null`: one that is not wanted is left out."""
    kinds = [each for each in spec.get("anyOf", []) if each != {"type": "null"}]
    if kinds:
        spec = {**{k: v for k, v in spec.items() if k not in ("anyOf", "default")}, **kinds[0]}
    example = examples.parameters.get(f"{operation}.{name}", examples.parameters.get(name))
    if name in NARROW:
        return {"schema": {**spec, "examples": [example]}}
    return {"schema": spec, "example": example}
