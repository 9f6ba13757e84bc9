"""Every operation behaves as the OpenAPI document says, also when asked nonsense (schemathesis)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.core.transport import Response
from schemathesis.specs.openapi import checks

import function_app
from functions.docs import _document
from functions.door import OPERATIONS
from functions.refusals import refusals
from tests.e2e.system import System

assert function_app.app, "importing it registers the operations"
schema = schemathesis.openapi.from_dict(json.loads(_document()))

BY_NAME = {op.name: op for op in OPERATIONS}

IMPOSSIBLE = [
    # A method that no route lists never reaches our code: the Functions host answers 404, with an
    # empty body, where this check wants 405 and an Allow header.
    checks.unsupported_method,
]

RULED = {
    # What the times, rules and ids in a valid body have to do with each other, with the clock and
    # with what is stored no JSON schema can say: valid data may be refused, by a 400 that names it.
    "api_keys_create",
    "api_keys_list",
    "audit_list",
    "bookings_create",
    "bookings_extend",
    "bookings_reschedule",
    "fleet_exclude",
    "fleet_extend",
    "fleet_hold",
    "fleet_plan",
    "fleet_plan_svg",
    "fleet_start",
    "fleet_stop",
    "invites_create",
    "reports_summary",
    "rooms_availability",
    "rooms_create",
    "rooms_list",
    "series_create",
}

FROM_THE_PLATFORM = [
    # No route takes such a path (`/rooms/x`): the host's own answer, a bare 404.
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]


@schemathesis.check
def documented_code(ctx: Any, response: Response, case: schemathesis.Case) -> None:
    """A problem has one of the codes that its operation is documented with."""
    if "problem+json" in str(response.headers.get("content-type")):
        op = BY_NAME[case.operation.definition.raw["operationId"]]
        code = response.json()["code"]
        assert code in refusals(op).get(response.status_code, ()), f"{response.status_code} {code}"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    system = System(tmp_path_factory.mktemp("openapi"))
    system.start()
    yield system
    assert system.stop() == 0


def bearer(system: System, *roles: str) -> dict[str, str]:
    _, answer = system.request("POST", "/api/v1/auth/token", {"user": "fuzz", "roles": roles})
    return {"Authorization": f"Bearer {answer['access_token']}"}


@pytest.fixture(scope="module")
def admin(system: System) -> dict[str, str]:
    """May do everything, so that no operation is left unseen behind a 403."""
    return bearer(system, "user", "admin", "operator")


def excluded(case: schemathesis.Case, response: requests.Response) -> list[Any]:
    op = BY_NAME[case.operation.definition.raw["operationId"]]
    left_out = list(IMPOSSIBLE)
    if response.status_code == 404 and not response.content:
        left_out += FROM_THE_PLATFORM
    if response.status_code == 400 and op.name in RULED:
        left_out.append(checks.positive_data_acceptance)
    if response.status_code == 422 and op.keyed:  # the key is that of an earlier case
        left_out.append(checks.positive_data_acceptance)
    # The host hands over no parameter that is empty, and an empty list is not even sent.
    if any(value in ("", [], {}, None) for value in (case.query or {}).values()):
        left_out.append(checks.negative_data_rejection)
    return left_out


@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_operation(case: schemathesis.Case, system: System, admin: dict[str, str]) -> None:
    response = case.call(base_url=system.url, headers=admin)
    case.validate_response(
        response,
        headers=admin,
        excluded_checks=excluded(case, response),
        transport_kwargs={"base_url": system.url, "headers": admin},
    )


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_the_example_can_be_tried(name: str, system: System, admin: dict[str, str]) -> None:
    """As Swagger UI sends it: well formed, whether or not there is a thing with the path's id."""
    served = requests.get(f"{system.url}/openapi.json", timeout=20).json()
    method, path, spec = next(
        (method, path, spec)
        for path, item in served["paths"].items()
        for method, spec in item.items()
        if spec["operationId"] == name
    )
    unknown = [404] if "{" in path else []
    # Whether a drill may begin depends on bookings and on what operators have decided.
    unknown += [409] if name == "fleet_drills_start" else []
    shown = {p["name"]: p for p in spec.get("parameters", []) if "example" in p}
    for key, parameter in shown.items():
        if parameter["in"] == "path":
            path = path.replace("{" + key + "}", str(parameter["example"]))
    query = {k: str(p["example"]) for k, p in shown.items() if p["in"] == "query"}
    body = spec.get("requestBody", {}).get("content", {}).get("application/json", {})
    answer = requests.request(
        method,
        system.url + path,
        params=query,
        json=body.get("example"),
        headers=admin,
        timeout=20,
    )
    if name in ("invites_join", "invites_show", "janus_events"):
        assert answer.status_code == 401, "nobody can write a token that holds into an example"
    else:
        assert answer.status_code in (spec_status(spec), *unknown), answer.text


def spec_status(spec: dict[str, Any]) -> int:
    return next(int(status) for status in spec["responses"] if status.startswith("2"))
