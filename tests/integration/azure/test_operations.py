"""Starting, deallocating and restarting, and following what was begun."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys

import pytest

from shared.fleet.compute import ComputeError, Power
from shared.fleet.compute_azure import LONGEST_TOKEN
from tests.fakes.arm_models import Fault
from tests.integration.azure.cloud import VM, Cloud, look, refused
from tests.tree import REPO


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


@pytest.mark.parametrize(
    ("verb", "power", "harmless"),
    [
        *(("start", "starting", True), ("start", "running", True), ("start", "stopped", False)),
        *(("start", "deallocating", False), ("deallocate", "deallocating", True)),
        *(("deallocate", "starting", False), ("restart", "running", False)),
    ],
)
async def test_a_conflict_with_the_same_wish_is_none(
    cloud: Cloud, verb: str, power: str, harmless: bool
) -> None:
    cloud.arm.vms[VM].become(power)
    cloud.arm.faults[verb] = Fault(409, "AnotherOperationInProgress", "Another one")
    if harmless:
        assert await getattr(cloud.compute, verb)(VM) == ""
    else:
        assert (await refused(cloud, verb)).kind == "conflict"


async def test_a_conflict_that_nobody_can_explain_is_one(cloud: Cloud) -> None:
    cloud.arm.vms[VM].become("starting")
    cloud.arm.faults["start"] = Fault(409, "Conflict", "Another one")
    cloud.arm.faults["view"] = Fault(500)
    assert (await refused(cloud)).message == "Conflict: Another one"


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
