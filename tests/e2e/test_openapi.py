"""Every operation behaves as the OpenAPI document says, also when asked nonsense (schemathesis)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import checks
from schemathesis.specs.openapi import checks as openapi_checks

import function_app
from functions.docs import _document
from tests.e2e.system import System

CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    system = System(tmp_path_factory.mktemp("openapi"))
    system.start()
    yield system
    assert system.stop() == 0


@pytest.fixture(scope="module")
def token(system: System) -> str:
    _, answer = system.request("POST", "/api/v1/auth/token", {"user": "fuzz"})
    return str(answer["access_token"])


assert function_app.app, "importing it registers the operations"
schema = schemathesis.openapi.from_dict(json.loads(_document()))


@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_operation(case: schemathesis.Case, system: System, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    response = case.call(base_url=system.url, headers=headers)
    if response.status_code == 404 and not response.content:
        return  # no route takes such a path: the platform's own answer, before any code of ours
    case.validate_response(response, checks=CHECKS)
