"""The Azure adapter with the real SDK, against a Resource Manager over a socket."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from azure.identity import CredentialUnavailableError

from shared.fleet.compute import Compute, ComputeError, Machine, Power
from shared.fleet.compute_azure import AT_ONCE, LIST_FRESH, LONGEST_TOKEN, AzureCompute
from tests.fakes.arm import FakeArm
from tests.fakes.arm_models import AZURE, FakeCredential, Fault
from tests.fakes.clock import ManualClock
from tests.tree import REPO
from tests.world import make_settings

VM, OTHER = "janus-0", "janus-1"
SETTINGS = make_settings(**AZURE)


@dataclass
class Cloud:
    arm: FakeArm
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.compute = self.client()

    def client(self, **options: Any) -> AzureCompute:
        return self.arm.compute(SETTINGS, self.clock, **options)


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    async with FakeArm() as arm:
        yield Cloud(arm)


async def look(compute: Compute, name: str = VM) -> Machine:
    return next(m for m in await compute.machines({name}) if m.name == name)


async def refused(cloud: Cloud, verb: str = "start", name: str = VM) -> ComputeError:
    with pytest.raises(ComputeError) as caught:
        await getattr(cloud.compute, verb)(name)
    return caught.value


def logged(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(r.getMessage()) for r in caplog.records if r.name == "suroga"]
    return [line for line in lines if line["event"] == event]


# -- the machines ----------------------------------------------------------------------------------


async def test_a_machine_is_what_its_tags_say(cloud: Cloud) -> None:
    cloud.arm.add(
        "janus-9", spot=True, capacity="12", host="Lisbon.example.org", admin="10.1.0.9"
    ).become("running")
    machine = await look(cloud.compute, "janus-9")
    assert machine == Machine(
        name="janus-9",
        pool=0,
        capacity=12,
        power=Power.RUNNING,
        janus_urls=("wss://Lisbon.example.org/janus-ws", "https://Lisbon.example.org/janus"),
        admin_url="http://10.1.0.9:7088/admin",
        region="westeurope",
        spot=True,
    )


async def test_what_the_tags_leave_out_has_defaults(cloud: Cloud) -> None:
    machine = await look(cloud.compute)
    assert machine.capacity == make_settings().vm_capacity
    assert machine.admin_url == "http://janus-0:7088/admin"
    assert not machine.spot


async def test_the_urls_are_settings(cloud: Cloud) -> None:
    urls = ("wss://{host}:8989/", "https://{host}:8089/janus")
    settings = make_settings(**AZURE, vm_urls=urls, vm_admin_url="https://{admin}/admin")
    machine = await look(cloud.arm.compute(settings, cloud.clock))
    host = "janus-0.example.org"
    assert machine.janus_urls == (f"wss://{host}:8989/", f"https://{host}:8089/janus")
    assert machine.admin_url == "https://janus-0/admin"


async def test_only_what_has_our_tags_is_seen_or_touched(cloud: Cloud) -> None:
    cloud.arm.add("database").tags.clear()
    cloud.arm.add("mail", role="smtp")
    cloud.arm.add("theirs", pool="1")
    assert [m.name for m in await cloud.compute.machines()] == [VM, OTHER]
    for name in ("database", "mail", "theirs"):
        for verb in ("start", "deallocate", "restart"):
            assert (await refused(cloud, verb, name)).kind == "not_found"
    assert cloud.arm.asked("deallocate") == cloud.arm.asked("start") == 0


@pytest.mark.parametrize(
    ("tag", "value", "said"),
    [
        *(("pool", "first", "suroga-pool"), ("pool", "-1", "suroga-pool")),
        *(("capacity", "0", "suroga-capacity"), ("capacity", "٤", "suroga-capacity")),
        *(("host", "https://a.example", "suroga-host"), ("host", "", "suroga-host")),
        *(("admin", "10.0.0.1:7088", "suroga-admin"), ("admin", "a b", "suroga-admin")),
    ],
)
async def test_tags_that_make_no_sense_are_logged_once_and_the_others_go_on(
    cloud: Cloud, caplog: pytest.LogCaptureFixture, tag: str, value: str, said: str
) -> None:
    caplog.set_level("INFO", "suroga")
    cloud.arm.add("janus-9", **{tag: value})
    for _ in range(3):
        assert [m.name for m in await cloud.compute.machines()] == [VM, OTHER]
        cloud.clock.advance(minutes=10)
    [line] = logged(caplog, "compute.machine_left_out")
    assert line["vm"] == "janus-9"
    assert said in line["reason"]
    assert "should be" in line["reason"]


async def test_names_of_tags_may_have_any_case(cloud: Cloud) -> None:
    vm = cloud.arm.vms[VM]
    vm.tags = {name.upper(): text for name, text in vm.tags.items()}
    assert (await look(cloud.compute)).name == VM


async def test_the_list_comes_in_pages(cloud: Cloud) -> None:
    for n in range(2, 7):
        cloud.arm.add(f"janus-{n}")
    cloud.arm.pages = 3
    assert len(await cloud.compute.machines(())) == 7
    assert cloud.arm.requests == ["list"] * 3


async def test_the_list_is_asked_for_every_few_minutes_only(cloud: Cloud) -> None:
    await cloud.compute.machines(())
    await cloud.compute.machines(())
    assert cloud.arm.requests == ["list"]
    cloud.arm.add("janus-2")
    assert len(await cloud.compute.machines(())) == 2
    cloud.clock.time += LIST_FRESH
    assert len(await cloud.compute.machines(())) == 3


async def test_a_new_machine_may_be_started_at_once(cloud: Cloud) -> None:
    await cloud.compute.machines()
    cloud.arm.add("janus-2")
    await cloud.compute.start("janus-2")
    assert (await look(cloud.compute, "janus-2")).power is Power.RUNNING


async def test_an_old_list_serves_when_there_is_no_new_one(cloud: Cloud) -> None:
    cloud.arm.vms[VM].become("running")
    await cloud.compute.machines()
    cloud.clock.time += LIST_FRESH
    cloud.arm.faults["list"] = Fault(503, "ServerTimeout")
    assert (await look(cloud.compute)).power is Power.RUNNING


async def test_without_any_list_the_error_is_told(cloud: Cloud) -> None:
    cloud.arm.faults["list"] = Fault(404, "ResourceGroupNotFound", "There is no group suroga")
    with pytest.raises(ComputeError, match="There is no group suroga") as caught:
        await cloud.compute.machines()
    assert caught.value.kind == "not_found"


# -- looking ---------------------------------------------------------------------------------------


async def test_a_machine_that_was_deleted_is_gone_at_once(cloud: Cloud) -> None:
    """As a Spot machine is, when its eviction policy is to delete."""
    await cloud.compute.machines()
    del cloud.arm.vms[VM]
    assert [m.name for m in await cloud.compute.machines()] == [OTHER]
    assert [m.name for m in await cloud.compute.machines(())] == [OTHER]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(500, "InternalServerError", "Try later"),
        Fault(403, "AuthorizationFailed", "No action instanceView/read"),
        Fault(cut=True),
        Fault(200, body="<html>no JSON</html>", headers={"Content-Type": "application/json"}),
    ],
    ids=["500", "403", "cut", "html"],
)
async def test_one_that_cannot_be_seen_hides_no_other(cloud: Cloud, fault: Fault) -> None:
    cloud.arm.vms[OTHER].become("running")
    cloud.arm.faults[f"view {VM}"] = fault
    hidden, other = await cloud.compute.machines()
    assert (hidden.power, other.power) == (Power.UNKNOWN, Power.RUNNING)
    assert hidden.reason
    assert "\n" not in hidden.reason


async def test_one_that_does_not_answer_is_waited_for_so_long(cloud: Cloud) -> None:
    await cloud.compute.machines(())
    cloud.arm.vms[OTHER].become("running")
    cloud.arm.faults[f"view {VM}"] = Fault(hang=True)
    compute = cloud.client(patience=0.3)
    began = time.monotonic()
    hidden, other = await compute.machines()
    assert time.monotonic() - began < 3
    assert (hidden.power, other.power) == (Power.UNKNOWN, Power.RUNNING)
    assert hidden.reason == "Azure did not answer within 0.3 s"


async def test_many_are_looked_at_together_but_not_all_at_once(cloud: Cloud) -> None:
    for n in range(2, 40):
        cloud.arm.add(f"janus-{n}").become("running")
    machines = await cloud.compute.machines()
    assert sum(m.power is Power.RUNNING for m in machines) == 38
    assert 2 <= cloud.arm.busiest <= AT_ONCE


async def test_a_flapping_machine_is_told_as_it_is(cloud: Cloud) -> None:
    cloud.arm.vms[VM].flapping.extend(["running", "", "stopped", "deallocated", "hibernated"])
    seen = [(await look(cloud.compute)).power for _ in range(5)]
    assert seen == [
        *(Power.RUNNING, Power.UNKNOWN, Power.RUNNING, Power.DEALLOCATED, Power.UNKNOWN)
    ]


async def test_one_fault_of_the_server_or_the_network_is_tried_again(cloud: Cloud) -> None:
    cloud.arm.faults["list"] = Fault(502, times=1)
    cloud.arm.faults["view"] = Fault(cut=True, times=1)
    cloud.arm.faults["start"] = Fault(cut=True, times=1)
    assert (await look(cloud.compute)).power is Power.DEALLOCATED
    await cloud.compute.start(VM)
    assert [cloud.arm.asked(what) for what in ("list", "view", "start")] == [2, 2, 2]


async def test_more_faults_are_the_reconcilers(cloud: Cloud) -> None:
    await cloud.compute.machines(())
    for fault in (Fault(503), Fault(cut=True), Fault(503, headers={"Retry-After": "30"})):
        cloud.arm.faults["start"] = fault
        assert (await refused(cloud)).kind == "failed"
    assert cloud.arm.asked("start") == 2 + 2 + 1, "where we are told to wait we do"


# -- operations ------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["async", "location"])
async def test_an_operation_is_followed_by_another_process(cloud: Cloud, style: str) -> None:
    """Another client has nothing but the text."""
    cloud.arm.style = style
    cloud.arm.slow = {VM}
    token = await cloud.compute.start(VM)
    other = cloud.client()
    assert await other.follow(token) == "running"
    assert (await look(other)).power is Power.STARTING
    cloud.arm.finish(VM)
    assert await other.follow(token) == "done"
    assert (await look(other)).power is Power.RUNNING
    assert cloud.arm.asked("poll") == 2, "each time one question"


async def test_an_operation_outlives_the_process_that_began_it(cloud: Cloud) -> None:
    cloud.arm.slow = {VM}
    token = await cloud.compute.start(VM)
    script = (
        "import asyncio, pathlib, sys\n"
        "from shared.platform.clock import SystemClock\n"
        "from tests.fakes.arm import FakeArm\n"
        "from tests.fakes.arm_models import AZURE\n"
        "from tests.janus import local_settings\n"
        "async def follow(url, token):\n"
        "    arm = FakeArm()\n"
        "    arm.url = url\n"
        "    compute = arm.compute(local_settings(pathlib.Path(), **AZURE), SystemClock())\n"
        "    print(await compute.follow(token))\n"
        "    await compute.close()\n"
        "asyncio.run(follow(*sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", script, cloud.arm.url, token]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.stdout == "running\n", done.stderr


async def test_the_token_is_short_and_tells_no_secret(cloud: Cloud) -> None:
    cloud.arm.slow = {VM}
    token = await cloud.compute.deallocate(VM)
    assert 0 < len(token) < 2_000 < LONGEST_TOKEN
    plain = base64.b64decode(token).decode()
    assert json.loads(plain)["version"] == 1
    assert "Bearer" not in plain
    assert "good token" not in plain


async def test_what_is_done_at_once_needs_no_following(cloud: Cloud) -> None:
    cloud.arm.style = "sync"
    assert await cloud.compute.start(VM) == ""
    assert (await look(cloud.compute)).power is Power.RUNNING


async def test_a_begin_does_not_wait_for_the_machine(cloud: Cloud) -> None:
    cloud.arm.slow = {VM}
    for verb in ("start", "deallocate"):
        await getattr(cloud.compute, verb)(VM)
    assert cloud.arm.asked("poll") == 0


async def test_a_deallocation_turns_a_starting_machine_round(cloud: Cloud) -> None:
    cloud.arm.slow = {VM}
    starting = await cloud.compute.start(VM)
    stopping = await cloud.compute.deallocate(VM)
    with pytest.raises(ComputeError) as caught:
        await cloud.compute.follow(starting)
    assert caught.value.kind == "conflict"
    cloud.arm.finish(VM)
    assert await cloud.compute.follow(stopping) == "done"
    assert (await look(cloud.compute)).power is Power.DEALLOCATED


@pytest.mark.parametrize("power", ["deallocated", "stopped"])
async def test_a_restart_starts_what_does_not_run(cloud: Cloud, power: str) -> None:
    """Azure itself refuses it with a 409."""
    cloud.arm.vms[VM].become(power)
    await cloud.compute.restart(VM)
    assert (await look(cloud.compute)).power is Power.RUNNING
    assert cloud.arm.asked("restart") == 0


async def test_a_machine_that_was_shut_down_from_inside_still_costs(cloud: Cloud) -> None:
    """So it counts as running; what is not needed is deallocated."""
    cloud.arm.vms[VM].become("stopped")
    machine = await look(cloud.compute)
    assert machine.power is Power.RUNNING
    assert "still costs money" in machine.reason
    await cloud.compute.deallocate(VM)
    machine = await look(cloud.compute)
    assert (machine.power, machine.reason) == (Power.DEALLOCATED, "")


@pytest.mark.parametrize(
    "token",
    [
        "not base64!",
        base64.b64encode(b"\x80\x04a pickle").decode(),
        base64.b64encode(b'{"version": 1, "data": {}}').decode(),
        base64.b64encode(b'{"version": 9, "data": {}}').decode(),
        base64.b64encode(b"[1]").decode(),
    ],
)
async def test_a_token_that_cannot_be_read_is_done(cloud: Cloud, token: str) -> None:
    """Like one of another version of the SDK: the power says the rest."""
    assert await cloud.compute.follow(token) == "done"
    assert cloud.arm.requests == []


async def test_a_token_leads_to_resource_manager_only(cloud: Cloud) -> None:
    """Who could write our storage would otherwise be sent our bearer token."""
    cloud.arm.slow = {VM}
    token = await cloud.compute.start(VM)
    port = cloud.arm.url.rpartition(":")[2]
    plain = base64.b64decode(token).decode()
    elsewhere = plain.replace(f"127.0.0.1:{port}", f"localhost:{port}")
    assert elsewhere != plain
    assert await cloud.compute.follow(base64.b64encode(elsewhere.encode()).decode()) == "done"
    assert cloud.arm.asked("poll") == 0


async def test_an_operation_that_azure_forgot_is_done(cloud: Cloud) -> None:
    cloud.arm.slow = {VM}
    token = await cloud.compute.start(VM)
    cloud.arm.forget_operations()
    assert await cloud.compute.follow(token) == "done"


@pytest.mark.parametrize(
    ("fault", "progress"),
    [
        *((Fault(500), "running"), (Fault(cut=True), "running"), (Fault(hang=True), "running")),
        (Fault(200, body="no JSON", headers={"Content-Type": "application/json"}), "running"),
        *((Fault(200, body="{}"), "running"), (Fault(200, body=""), "running")),
        *((Fault(429, headers={"Retry-After": "5"}), "running"), (Fault(403), "done")),
    ],
    ids=["500", "cut", "hang", "html", "empty object", "empty", "429", "403"],
)
async def test_a_question_that_fails_is_no_end_of_the_operation(
    cloud: Cloud, fault: Fault, progress: str
) -> None:
    """Nobody knows; where we may not ask there is no point in asking again."""
    cloud.arm.slow = {VM}
    token = await cloud.compute.start(VM)
    cloud.arm.faults["poll"] = fault
    assert await cloud.client(patience=0.5).follow(token) == progress


# -- errors ----------------------------------------------------------------------------------------

QUOTA = "Operation could not be completed as it results in exceeding approved Total Cores quota."
WRAPPED = [{"code": "AllocationFailed", "message": "Allocation failed. Try another size."}]

ERRORS = [
    ("allocation_failed", Fault(409, "AllocationFailed", "No room")),
    ("allocation_failed", Fault(409, "ZonalAllocationFailed", "No room in the zone")),
    ("allocation_failed", Fault(409, "OverconstrainedAllocationRequest", "No room")),
    ("allocation_failed", Fault(409, "ResourceDeploymentFailure", "Failed", details=WRAPPED)),
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


# -- throttling ------------------------------------------------------------------------------------


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
