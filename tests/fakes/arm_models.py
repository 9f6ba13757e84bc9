"""What `FakeArm` is made of: machines, operations, faults, a credential, and what ARM writes."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from azure.core.credentials import AccessToken
from azure.core.pipeline import PipelineRequest
from azure.mgmt.core.policies import AsyncARMChallengeAuthenticationPolicy

from tests.fakes.janus import FakeJanus

SUBSCRIPTION = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
GROUP = "suroga"
AZURE: dict[str, Any] = {
    "compute": "azure",
    "azure_subscription": SUBSCRIPTION,
    "azure_resource_group": GROUP,
    "pool_capacity": 8,
}
"""Settings."""

GOOD_TOKEN = "a good token"
SCOPE = "https://management.azure.com/.default"


@dataclass
class Fault:
    """What is answered instead, so many times: a status with a code, or, without a status, a
    connection that is cut (`cut`) or silent (`hang`)."""

    status: int = 0
    code: str = ""
    message: str = ""
    times: int = 1_000_000
    headers: Mapping[str, str] = field(default_factory=dict)
    details: list[dict[str, str]] = field(default_factory=list)
    body: str | None = None
    cut: bool = False
    hang: bool = False

    def error(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "details": self.details}


@dataclass
class FakeVm:
    name: str
    tags: dict[str, str]
    power: str = "deallocated"
    provisioning: str = "succeeded"
    message: str = ""
    spot: bool = False
    janus: FakeJanus = field(default_factory=FakeJanus)
    flapping: deque[str] = field(default_factory=deque)
    """Powers that the next looks see."""

    def become(self, power: str, provisioning: str = "succeeded", message: str = "") -> None:
        if power == "running":
            self.janus.wipe()
        self.power, self.provisioning, self.message = power, provisioning, message
        self.janus.down = power != "running"


@dataclass
class Operation:
    verb: str
    vm: FakeVm
    status: str = "InProgress"
    error: dict[str, Any] | None = None
    error_status: int = 409


class FakeCredential:
    """An azure-identity credential. `error` is raised instead of a token."""

    def __init__(self, token: str = GOOD_TOKEN, error: Exception | None = None) -> None:
        self.token = token
        self.error = error
        self.closed = False

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert scopes == (SCOPE,)
        if self.error:
            raise self.error
        return AccessToken(self.token, 4_000_000_000)

    async def close(self) -> None:
        self.closed = True


class PlainAuthentication(AsyncARMChallengeAuthenticationPolicy):
    """The SDK sends tokens over TLS only; the fake has none."""

    async def on_request(self, request: PipelineRequest[Any]) -> None:
        request.context.options["enforce_https"] = False
        await super().on_request(request)


def resource(vm: FakeVm) -> dict[str, Any]:
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
    properties: dict[str, Any] = {"provisioningState": "Succeeded"}
    if vm.spot:
        properties["priority"] = "Spot"
    return {
        "id": f"{group}/providers/Microsoft.Compute/virtualMachines/{vm.name}",
        "name": vm.name,
        "type": "Microsoft.Compute/virtualMachines",
        "location": "westeurope",
        "tags": vm.tags,
        "properties": properties,
    }


def status(code: str, message: str) -> dict[str, str]:
    status = {"code": code, "level": "Info", "displayStatus": code}
    return status | ({"message": message} if message else {})


def unknown(name: str) -> web.Response:
    return refusal(Fault(404, "ResourceNotFound", f"The resource {name} was not found"))


def refusal(fault: Fault) -> web.Response:
    if fault.body is not None:
        return web.Response(status=fault.status, text=fault.body, headers=fault.headers)
    error = {"error": fault.error()}
    return web.json_response(error, status=fault.status or 500, headers=fault.headers)
