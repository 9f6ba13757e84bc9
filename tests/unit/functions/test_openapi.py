"""The OpenAPI document: examples for everything, which hold, and codes that are really answered."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import azure.functions as func
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from functions.door import OPERATIONS, Operation
from functions.examples import DAY
from functions.openapi import document
from functions.refusals import refusals
from shared.platform.i18n import MESSAGES, TITLES
from shared.platform.ids import NONCE
from shared.tenants.models import SCOPES
from tests.unit.functions.test_app import FUNCTIONS

DOCUMENT = document(OPERATIONS)
BY_NAME = {op.name: op for op in OPERATIONS}

Spec = dict[str, Any]


def operations() -> Iterator[tuple[str, Spec]]:
    for item in DOCUMENT["paths"].values():
        for spec in item.values():
            yield spec["operationId"], spec


SPECS = dict(operations())
EACH = pytest.mark.parametrize("name", sorted(SPECS))


def shown(place: Spec) -> list[Any]:
    """The examples of a parameter, header or media type."""
    several = [each["value"] for each in place.get("examples", {}).values()]
    alone = [place["example"]] if "example" in place else []
    return [*several, *alone, *place.get("schema", {}).get("examples", [])]


def check(value: Any, schema: Spec) -> None:
    whole = {**schema, "components": DOCUMENT["components"]}
    Draft202012Validator(whole, format_checker=FormatChecker()).validate(value)


def media(spec: Spec) -> Iterator[tuple[str, str, Spec]]:
    """(place, media type, description) of every body that goes either way."""
    for kind, described in spec.get("requestBody", {}).get("content", {}).items():
        yield "request", kind, described
    for status, answer in spec["responses"].items():
        for kind, described in answer.get("content", {}).items():
            yield status, kind, described


@EACH
def test_every_parameter_has_an_example_that_holds(name: str) -> None:
    for parameter in SPECS[name].get("parameters", []):
        assert parameter["description"]
        assert shown(parameter), parameter["name"]
        for example in shown(parameter):
            check(example, parameter["schema"])


@EACH
def test_every_body_and_answer_has_an_example_that_holds(name: str) -> None:
    for place, kind, described in media(SPECS[name]):
        if kind == "image/png":
            continue  # bytes, of which JSON holds none
        assert shown(described), (place, kind)
        for example in shown(described):
            check(example, described["schema"])


@EACH
def test_examples_are_whole(name: str) -> None:
    """Every field that an answer can have is shown, so that a reader sees all of them."""
    answer = SPECS[name]["responses"][str(BY_NAME[name].status)]
    described = answer.get("content", {}).get("application/json")
    if described:
        (example,) = shown(described)
        schema = described["schema"].get("items", described["schema"])
        first = example[0] if isinstance(example, list) else example
        assert _properties(schema) - first.keys() == MAY_LACK.get(name, set())


MAY_LACK = {
    "api_keys_create": {"revoked_at"},
    "api_keys_list": {"revoked_at"},
    "bookings_create": {"series_id"},
    "bookings_extend": {"series_id", "password"},
    "bookings_get": {"series_id", "password"},
    "bookings_list": {"series_id"},
    "bookings_reschedule": {"series_id", "password"},
    "fleet_drills": {"phase"},
    "fleet_drills_start": {"phase"},
}
"""What is only there in a case that the example is not."""


def _properties(schema: Spec) -> set[str]:
    name = schema["$ref"].rpartition("/")[2]
    return set(DOCUMENT["components"]["schemas"][name].get("properties", {}))


@EACH
def test_the_request_of_the_example_is_taken(name: str) -> None:
    """By the model itself, which knows more than its schema."""
    op = BY_NAME[name]
    if op.body:
        body = SPECS[name]["requestBody"]["content"]["application/json"]["example"]
        op.body.model_validate(body)
    if op.query:
        given = {
            p["name"]: str(shown(p)[0]) for p in SPECS[name]["parameters"] if p["in"] == "query"
        }
        assert given.keys() == {f.alias or n for n, f in op.query.model_fields.items()}
        op.query.model_validate(given)


@EACH
def test_every_problem_has_its_codes_with_an_example_each(name: str) -> None:
    op = BY_NAME[name]
    for status, codes in ((s, c) for s, c in refusals(op).items() if c):
        answer = SPECS[name]["responses"][str(status)]
        examples = answer["content"]["application/problem+json"]["examples"]
        assert tuple(examples) == codes
        for code, example in examples.items():
            value = example["value"]
            assert value["code"] == code
            assert value["status"] == status
            assert value["title"] == TITLES[status].en
            assert not re.search(r"{\w+}", value["detail"]), "a placeholder is left"
            assert value["detail"] not in ("", MESSAGES[code].pt)


def test_every_problem_of_an_operation_says_which() -> None:
    """A status without codes has the body of the success: it tells of a failure too."""
    silent = {(op.name, s) for op in OPERATIONS for s, codes in refusals(op).items() if not codes}
    assert silent == {("health", 503)}
    health = SPECS["health"]["responses"]
    assert health["503"]["content"] == health["200"]["content"]


def test_every_code_is_answered_somewhere_and_every_answered_one_exists() -> None:
    answered = {code for op in OPERATIONS for codes in refusals(op).values() for code in codes}
    assert answered == set(MESSAGES)


def test_scopes_are_named() -> None:
    for name, spec in SPECS.items():
        op = BY_NAME[name]
        if op.scope:
            assert op.scope in SCOPES
            assert f"`{op.scope}`" in spec["description"]
        assert bool(spec["security"]) == op.signed_in


def test_keyed_operations_take_a_key_and_tell_of_replays() -> None:
    keyed = {op.name for op in OPERATIONS if op.keyed}
    assert keyed == {
        "api_keys_create",
        "bookings_create",
        "invites_create",
        "rooms_create",
        "series_create",
    }
    for name, spec in SPECS.items():
        headers = [p for p in spec.get("parameters", []) if p["in"] == "header"]
        assert [p["name"] for p in headers] == (["Idempotency-Key"] if name in keyed else [])
        answer = spec["responses"][str(BY_NAME[name].status)]
        assert ("Idempotency-Replayed" in answer["headers"]) == (name in keyed)
        assert ("422" in spec["responses"]) == (name in keyed)


@EACH
def test_headers_are_those_that_come(name: str) -> None:
    op: Operation = BY_NAME[name]
    for status, answer in SPECS[name]["responses"].items():
        headers = answer["headers"]
        assert "X-Operation-Id" in headers
        assert ("RateLimit-Remaining" in headers) == op.throttled
        retry = status in ("425", "429", "503") and name != "health"
        retry |= status == "409" and op.keyed
        assert ("Retry-After" in headers) == retry
        for reference in headers.values():
            check(*_header(reference["$ref"]))


def _header(reference: str) -> tuple[Any, Spec]:
    header = DOCUMENT["components"]["headers"][reference.rpartition("/")[2]]
    assert header["description"]
    return header["example"], header["schema"]


def test_files_have_their_media_types() -> None:
    content = {
        name: set(spec["responses"]["200"]["content"])
        for name, spec in SPECS.items()
        if "200" in spec["responses"] and "content" in spec["responses"]["200"]
    }
    assert content["invites_qr"] == {"image/svg+xml", "image/png"}
    assert content["invites_calendar"] == content["bookings_calendar"] == {"text/calendar"}


def test_ids_are_the_same_everywhere() -> None:
    """Who follows the examples meets one room, one booking, one guest."""
    text = json.dumps(DOCUMENT)
    assert set(re.findall(r'"room_id": (\d+)', text)) == {"12345", "67890"}
    day = f"{DAY:%Y%m%d}"
    days = {day, "20260627", "20260704"}  # the others are of the series
    assert set(re.findall(r'"booking_id": (\d+)', text)) == {f"{each}00123456" for each in days}
    assert re.fullmatch(NONCE, "browser-tab-1")


def test_the_examples_are_of_the_day() -> None:
    other = json.dumps(document(OPERATIONS, date(2031, 2, 3)))
    assert "2031-02-03T10:00:00Z" in other
    assert '"booking_id": 2031020300123456' in other
    assert re.findall(r'"start_time": "2026', other) == []


def test_what_is_served_can_be_tried_tomorrow() -> None:
    served = {f.get_function_name(): f for f in FUNCTIONS}["openapi_json"]
    answer = served.get_user_function()(func.HttpRequest("GET", "http://x/openapi.json", body=b""))
    body = json.loads(answer.get_body())["paths"]["/api/v1/bookings"]["post"]["requestBody"]
    start = body["content"]["application/json"]["example"]["start_time"]
    ahead = datetime.fromisoformat(start) - datetime.now(UTC)
    assert timedelta(0) < ahead < timedelta(days=2)


def test_what_would_hide_everything_is_not_filled_in() -> None:
    """Swagger UI fills in `example`, and leaves the schema's `examples` to be read."""
    filled = {p["name"] for p in SPECS["audit_list"]["parameters"] if "example" in p}
    assert filled == {"limit", "since", "until"}


def test_it_says_how_to_get_a_token() -> None:
    said = DOCUMENT["info"]["description"]
    for part in (
        "POST /api/v1/auth/token",
        "OpenID Connect",
        "RateLimit-Remaining",
        "Idempotency-Key",
        "Retry-After",
        "Accept-Language",
    ):
        assert part in said
    tags = {op.tag for op in OPERATIONS}
    assert tags == {tag["name"] for tag in DOCUMENT["tags"]}
