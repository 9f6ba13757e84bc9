"""What Azure refuses, and how long it makes us wait."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from azure.identity import CredentialUnavailableError

from shared.fleet.compute import ComputeError, Power
from tests.fakes.arm_models import FakeCredential, Fault
from tests.integration.azure.cloud import OTHER, VM, Cloud, look, refused

QUOTA = "Operation could not be completed as it results in exceeding approved Total Cores quota."
WRAPPED = [{"code": "AllocationFailed", "message": "Allocation failed. Try another size."}]

ERRORS = [
    ("allocation_failed", Fault(409, "AllocationFailed", "No room")),
    ("allocation_failed", Fault(409, "ZonalAllocationFailed", "No room in the zone")),
    ("allocation_failed", Fault(409, "OverconstrainedAllocationRequest", "No room")),
    ("allocation_failed", Fault(409, "ResourceDeploymentFailure", "Failed", details=WRAPPED)),
    ("allocation_failed", Fault(409, "Conflict", "The deployment failed", details=WRAPPED)),
    ("sku_not_available", Fault(409, "SkuNotAvailable", "The size is not offered")),
    ("quota_exceeded", Fault(403, "QuotaExceeded", "No cores left")),
    ("quota_exceeded", Fault(409, "OperationNotAllowed", QUOTA)),
    ("conflict", Fault(409, "OperationNotAllowed", "The VM is being changed")),
    ("conflict", Fault(409, "Conflict", "Something else is under way")),
    ("conflict", Fault(409, "AnotherOperationInProgress", "It is")),
    ("conflict", Fault(409, "PropertyChangeNotAllowed", "Not now")),
    ("conflict", Fault(409, "SomethingNew", "A code of next year")),
    ("throttled", Fault(429, "OperationNotAllowed", "Too many", headers={"Retry-After": "17"})),
    ("not_found", Fault(404, "ResourceNotFound", "It is not there")),
    ("auth", Fault(401, "ExpiredAuthenticationToken", "It is too old")),
    ("auth", Fault(403, "AuthorizationFailed", "You have no permission to start")),
    ("auth", Fault(409, "ScopeLocked", "The scope is locked")),
    ("failed", Fault(400, "BadRequest", "No")),
    ("failed", Fault(400, body="<html>a proxy</html>")),
]
LATE = [
    *(e for e in ERRORS if e[0] not in ("auth", "not_found", "throttled", "failed", "conflict")),
    ("conflict", Fault(409, "Conflict", "Something else came in between")),
    ("failed", Fault(400, "InternalOperationError", "Nobody knows why")),
]


@pytest.mark.parametrize(("kind", "fault"), ERRORS, ids=[f"{k}-{f.code}" for k, f in ERRORS])
async def test_each_kind_of_refusal_at_once(cloud: Cloud, kind: str, fault: Fault) -> None:
    cloud.arm.faults[f"start {VM}"] = fault
    error = await refused(cloud)
    assert error.kind == kind
    told = fault.details[0]["message"] if fault.details else fault.message
    assert told in error.message
    assert (error.retry_after == timedelta(seconds=17)) == (kind == "throttled")
    assert cloud.arm.asked("start") == 1, "the SDK did not ask again"


@pytest.mark.parametrize("style", ["async", "location"])
@pytest.mark.parametrize(("kind", "fault"), LATE, ids=[f"{k}-{f.code}" for k, f in LATE])
async def test_each_kind_of_refusal_in_the_end(
    cloud: Cloud, kind: str, fault: Fault, style: str
) -> None:
    cloud.arm.style = style
    cloud.arm.slow = {VM}
    token = await cloud.compute.start(VM)
    cloud.arm.fail_later[VM] = fault
    assert await cloud.compute.follow(token) == "running"
    cloud.arm.finish(VM)
    with pytest.raises(ComputeError) as caught:
        await cloud.compute.follow(token)
    assert caught.value.kind == kind
    machine = await look(cloud.compute)
    assert machine.power is Power.FAILED
    assert fault.code in machine.reason
    await cloud.compute.start(VM)
    cloud.arm.finish(VM)
    assert (await look(cloud.compute)).power is Power.RUNNING


async def test_a_failed_change_does_not_hide_that_it_runs(cloud: Cloud) -> None:
    cloud.arm.vms[VM].become("running", "failed/VMExtensionProvisioningError", "An extension")
    assert (await look(cloud.compute)).power is Power.RUNNING


async def test_an_unknown_credential_is_auth(cloud: Cloud) -> None:
    error = CredentialUnavailableError("Please run\n\t'az login'" + " or else" * 100)
    compute = cloud.client(credential=FakeCredential(error=error))
    with pytest.raises(ComputeError, match="Please run 'az login'") as caught:
        await compute.machines()
    assert caught.value.kind == "auth"
    assert len(caught.value.message) <= 400


async def test_a_token_that_azure_does_not_take_is_auth(cloud: Cloud) -> None:
    compute = cloud.client(credential=FakeCredential("a bad token"))
    with pytest.raises(ComputeError, match="The access token is invalid") as caught:
        await compute.machines()
    assert caught.value.kind == "auth"


async def test_a_server_that_is_not_there_is_no_long_wait(cloud: Cloud) -> None:
    cloud.arm.url = "http://127.0.0.1:1"
    began = time.monotonic()
    with pytest.raises(ComputeError) as caught:
        await cloud.client().machines()
    assert caught.value.kind == "failed"
    assert time.monotonic() - began < 3


async def test_a_call_ends_in_time_whatever_hangs(cloud: Cloud) -> None:
    cloud.arm.faults["start"] = Fault(hang=True)
    compute = cloud.client(patience=0.3)
    began = time.monotonic()
    with pytest.raises(ComputeError, match=r"within 0\.3 s"):
        await compute.start(VM)
    assert time.monotonic() - began < 3


async def test_after_a_429_nothing_is_asked_until_it_may_be(cloud: Cloud) -> None:
    await cloud.compute.machines(())
    headers = {
        "Retry-After": "40",
        "x-ms-ratelimit-remaining-resource": "Microsoft.Compute/LowCostGet3Min;0,Other;17",
        "x-ms-ratelimit-remaining-subscription-reads": "0",
    }
    cloud.arm.faults[f"view {VM}"] = Fault(429, "TooManyRequests", "Slow down", 1, headers)
    hidden = await look(cloud.compute)
    assert hidden.power is Power.UNKNOWN
    assert "Slow down (used up: Microsoft.Compute/LowCostGet3Min, " in hidden.reason
    assert "subscription-reads" in hidden.reason
    asked = len(cloud.arm.requests)
    cloud.clock.advance(seconds=10)
    for verb in ("start", "deallocate", "restart"):
        error = await refused(cloud, verb)
        assert (error.kind, error.retry_after) == ("throttled", timedelta(seconds=30))
    assert {m.power for m in await cloud.compute.machines()} == {Power.UNKNOWN}
    assert len(cloud.arm.requests) == asked
    cloud.clock.advance(seconds=30)
    await cloud.compute.start(VM)
    assert (await look(cloud.compute)).power is Power.RUNNING


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 60),
        ({"Retry-After": "0"}, 60),
        ({"Retry-After": "soon"}, 60),
        ({"Retry-After": "2.5"}, 2.5),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"x-ms-retry-after-ms": "20"}, 1),
        ({"Retry-After": "Wed, 10 Jun 2026 09:02:00 GMT"}, 120),
    ],
)
async def test_how_long_we_are_told_to_wait(
    cloud: Cloud, headers: dict[str, str], seconds: float
) -> None:
    cloud.arm.faults["list"] = Fault(429, headers=headers)
    error = await refused(cloud)
    assert (error.kind, error.retry_after) == ("throttled", timedelta(seconds=seconds))


@pytest.mark.parametrize(("first", "second"), [("60", "2"), ("2", "60")])
async def test_the_longest_wait_holds(cloud: Cloud, first: str, second: str) -> None:
    """Several questions were on their way when the first was refused."""
    await cloud.compute.machines(())
    for name, seconds in ((VM, first), (OTHER, second)):
        cloud.arm.faults[f"view {name}"] = Fault(429, headers={"Retry-After": seconds})
    await cloud.compute.machines()
    assert cloud.arm.asked("view") == 2
    assert (await refused(cloud)).retry_after == timedelta(seconds=60)


async def test_an_operation_that_failed_for_too_many_requests(cloud: Cloud) -> None:
    cloud.arm.fail_later[VM] = Fault(code="TooManyRequests", message="Later")
    token = await cloud.compute.start(VM)
    with pytest.raises(ComputeError) as caught:
        await cloud.compute.follow(token)
    assert caught.value.kind == "throttled"


async def test_closing_closes_the_credential_too(cloud: Cloud) -> None:
    credential = FakeCredential()
    compute = cloud.client(credential=credential)
    await compute.machines(())
    await compute.close()
    assert credential.closed
