"""The compute port: the same suite for the fake, for Janus processes on this computer, and for
Azure (the real SDK against a Resource Manager over a socket, each machine with a fake Janus)."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest

from shared.fleet.compute import Compute, ComputeError, Machine, Power
from shared.fleet.compute_local import LocalCompute, stop_all
from shared.janus import config, process
from shared.janus.port import Janus, JanusError, RoomSpec
from shared.platform.clock import SystemClock
from tests.fakes.arm import FakeArm
from tests.fakes.arm_models import AZURE, Fault
from tests.fakes.compute import FakeCompute
from tests.janus import LocalVms, local_settings, until_ready
from tests.world import make_settings

VM = "janus-0"
OTHER = "janus-1"
ROOM = RoomSpec(7, "pin", 2, "secret")
SETTINGS = make_settings(**AZURE)


class Host(Protocol):
    compute: Compute

    def janus(self, machine: Machine) -> Janus: ...
    def crash(self, name: str) -> None: ...


class Cloud(Host, Protocol):
    """One whose machines take their time, and can be out of sight."""

    def slow(self, name: str) -> None: ...
    def finish(self, name: str) -> None: ...
    def hide(self, name: str) -> None: ...
    def fail_in_the_end(self, name: str) -> None: ...
    def another(self) -> Compute: ...


class FakeHost:
    def __init__(self) -> None:
        self.fake = FakeCompute()
        self.compute: Compute = self.fake
        self.finish = self.fake.finish

    def janus(self, machine: Machine) -> Janus:
        return self.fake.janus_of(machine)

    def crash(self, name: str) -> None:
        self.fake.crash(name)

    def slow(self, name: str) -> None:
        self.fake.slow.add(name)

    def hide(self, name: str) -> None:
        self.fake.hidden[name] = "no answer"

    def fail_in_the_end(self, name: str) -> None:
        self.fake.fail_later[name] = ComputeError("allocation_failed", "No room")

    def another(self) -> Compute:
        return self.fake


class AzureHost:
    def __init__(self, arm: FakeArm) -> None:
        self.arm = arm
        self.compute = self.another()
        self.finish = arm.finish

    def janus(self, machine: Machine) -> Janus:
        return self.arm.vms[machine.name].janus

    def crash(self, name: str) -> None:
        self.arm.vms[name].become("deallocated", "failed/HostFault", "It ended by itself")

    def slow(self, name: str) -> None:
        self.arm.slow.add(name)

    def hide(self, name: str) -> None:
        self.arm.faults[f"view {name}"] = Fault(500)

    def fail_in_the_end(self, name: str) -> None:
        self.arm.fail_later[name] = Fault(409, "AllocationFailed", "No room")

    def another(self) -> Compute:
        return self.arm.compute(SETTINGS, SystemClock())


class LocalHost:
    def __init__(self, vms: LocalVms) -> None:
        self.vms = vms
        self.compute: Compute = vms.compute
        self.janus = vms.janus

    def crash(self, name: str) -> None:
        self.vms.signal(name, signal.SIGKILL)


@pytest.fixture(params=["fake", "local", "azure"])
async def host(request: pytest.FixtureRequest) -> AsyncIterator[Host]:
    if request.param == "fake":
        yield FakeHost()
    elif request.param == "azure":
        async with FakeArm() as arm:
            yield AzureHost(arm)
    else:
        async with LocalVms() as vms:
            yield LocalHost(vms)


@pytest.fixture(params=["fake", "azure"])
async def cloud(request: pytest.FixtureRequest) -> AsyncIterator[Cloud]:
    """A process on this computer runs or ends at once, and is always in sight."""
    if request.param == "fake":
        yield FakeHost()
        return
    async with FakeArm() as arm:
        yield AzureHost(arm)


@pytest.fixture
async def vms() -> AsyncIterator[LocalVms]:
    async with LocalVms() as vms:
        yield vms


async def until(compute: Compute, name: str, *powers: Power, seconds: float = 10) -> Machine:
    """The machine, once it has one of these powers."""
    deadline = time.monotonic() + seconds
    while True:
        machine = next(m for m in await compute.machines() if m.name == name)
        if machine.power in powers:
            return machine
        assert time.monotonic() < deadline, machine
        await asyncio.sleep(0.01)


async def ready(host: Host, name: str) -> Janus:
    janus = host.janus(await until(host.compute, name, Power.RUNNING))
    await until_ready(janus)
    return janus


# The contract


async def test_every_machine_is_listed_in_order_and_off_at_first(host: Host) -> None:
    machines = await host.compute.machines()
    assert [m.name for m in machines] == [VM, OTHER]
    assert {m.power for m in machines} == {Power.DEALLOCATED}
    assert {m.capacity for m in machines} == {4}


async def test_a_start_that_is_repeated_changes_nothing(host: Host) -> None:
    await host.compute.start(VM)
    janus = await ready(host, VM)
    await janus.create_room(ROOM)
    await host.compute.start(VM)
    await janus.ready()
    assert await janus.rooms() == {7}
    await until(host.compute, OTHER, Power.DEALLOCATED)


async def test_a_deallocation_may_be_repeated(host: Host) -> None:
    await host.compute.deallocate(VM)
    await host.compute.start(VM)
    janus = await ready(host, VM)
    await host.compute.deallocate(VM)
    await until(host.compute, VM, Power.DEALLOCATED)
    await host.compute.deallocate(VM)
    with pytest.raises(JanusError):
        await janus.rooms()


async def test_a_machine_starts_again_without_its_rooms(host: Host) -> None:
    await host.compute.start(VM)
    await (await ready(host, VM)).create_room(ROOM)
    await host.compute.deallocate(VM)
    await until(host.compute, VM, Power.DEALLOCATED)
    await host.compute.start(VM)
    assert await (await ready(host, VM)).rooms() == set()


async def test_a_restart_loses_the_rooms_and_starts_what_is_off(host: Host) -> None:
    await host.compute.restart(VM)
    janus = await ready(host, VM)
    await janus.create_room(ROOM)
    await host.compute.restart(VM)
    assert await (await ready(host, VM)).rooms() == set()


async def test_a_crash_shows_and_a_start_mends_it(host: Host) -> None:
    await host.compute.start(VM)
    await ready(host, VM)
    host.crash(VM)
    machine = await until(host.compute, VM, Power.FAILED)
    assert "ended by itself" in machine.reason
    await host.compute.start(VM)
    await ready(host, VM)


async def test_a_crashed_machine_may_be_deallocated(host: Host) -> None:
    await host.compute.start(VM)
    await ready(host, VM)
    host.crash(VM)
    await until(host.compute, VM, Power.FAILED)
    await host.compute.deallocate(VM)
    machine = await until(host.compute, VM, Power.DEALLOCATED)
    assert not machine.reason


@pytest.mark.parametrize("verb", ["start", "deallocate", "restart"])
async def test_an_unknown_machine_is_not_found(host: Host, verb: str) -> None:
    with pytest.raises(ComputeError) as caught:
        await getattr(host.compute, verb)("janus-99")
    assert caught.value.kind == "not_found"


async def test_only_some_are_looked_at(host: Host) -> None:
    """The others are listed too, their power told or not."""
    await host.compute.start(VM)
    await ready(host, VM)
    seen, other = await host.compute.machines({VM, "janus-99"})
    assert (seen.name, seen.power) == (VM, Power.RUNNING)
    assert (other.name, other.power in (Power.DEALLOCATED, Power.UNKNOWN)) == (OTHER, True)
    nobody = await host.compute.machines(())
    assert [(m.name, m.janus_urls) for m in nobody] == [
        (m.name, m.janus_urls) for m in (seen, other)
    ]


@pytest.mark.parametrize("verb", ["start", "deallocate", "restart"])
async def test_an_operation_may_be_followed_to_its_end(host: Host, verb: str) -> None:
    operation = await getattr(host.compute, verb)(VM)
    assert len(operation) <= 20_000
    if operation:
        assert await host.compute.follow(operation) == "done"
    await until(host.compute, VM, Power.DEALLOCATED if verb == "deallocate" else Power.RUNNING)


async def test_an_operation_that_nobody_knows_is_done(host: Host) -> None:
    assert await host.compute.follow("something from long ago") == "done"


# Where machines take their time


@pytest.mark.parametrize(
    ("verb", "meanwhile"), [("start", Power.STARTING), ("deallocate", Power.DEALLOCATING)]
)
async def test_a_slow_operation_is_followed_by_whoever_has_its_text(
    cloud: Cloud, verb: str, meanwhile: Power
) -> None:
    if verb == "deallocate":
        await cloud.compute.start(VM)
        await ready(cloud, VM)
    cloud.slow(VM)
    operation = await getattr(cloud.compute, verb)(VM)
    await until(cloud.compute, VM, meanwhile)
    assert await cloud.another().follow(operation) == "running"
    cloud.finish(VM)
    assert await cloud.another().follow(operation) == "done"


async def test_what_is_asked_twice_is_done_once(cloud: Cloud) -> None:
    cloud.slow(VM)
    await cloud.compute.start(VM)
    operation = await cloud.compute.start(VM)
    cloud.finish(VM)
    assert not operation or await cloud.compute.follow(operation) == "done"
    await until(cloud.compute, VM, Power.RUNNING)


async def test_an_operation_that_fails_in_the_end_says_why(cloud: Cloud) -> None:
    cloud.fail_in_the_end(VM)
    operation = await cloud.compute.start(VM)
    with pytest.raises(ComputeError, match="No room") as caught:
        await cloud.compute.follow(operation)
    assert caught.value.kind == "allocation_failed"


async def test_a_machine_out_of_sight_hides_no_other(cloud: Cloud) -> None:
    cloud.hide(VM)
    hidden, other = await cloud.compute.machines()
    assert (hidden.name, hidden.power, bool(hidden.reason)) == (VM, Power.UNKNOWN, True)
    assert other.power is Power.DEALLOCATED


# This computer only


async def test_two_machines_run_side_by_side(vms: LocalVms) -> None:
    machines = [await vms.running(VM), await vms.running(OTHER)]
    await vms.janus(machines[0]).create_room(ROOM)
    assert await vms.janus(machines[1]).rooms() == set()
    assert machines[0].janus_url != machines[1].janus_url


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2"])
async def test_the_address_may_be_another_one(host: str) -> None:
    async with LocalVms(local_vm_host=host) as vms:
        machine = await vms.running(VM)
        port = vms.settings.local_vm_port
        assert machine.janus_urls == (f"ws://{host}:{port}", f"http://{host}:{port + 2}/janus")


async def test_the_folder_may_have_any_name() -> None:
    async with LocalVms(folder_name="João \"e' \\ Zé $x") as vms:
        await vms.running(VM)
        assert len(vms.pids(VM)) == 1


@pytest.mark.parametrize("host", ["::1", "0.0.0.0", "no-such-host.invalid"])
async def test_an_address_that_cannot_work_is_refused(host: str) -> None:
    async with LocalVms(local_vm_host=host) as vms:
        with pytest.raises(ComputeError) as caught:
            await vms.compute.start(VM)
        assert caught.value.kind == "failed"


async def test_starts_at_the_same_time_start_one(vms: LocalVms) -> None:
    again = LocalCompute(vms.settings)
    await asyncio.gather(*(c.start(VM) for c in [vms.compute, again] * 5))
    assert len(vms.pids(VM)) == 1


async def test_a_start_never_looks_like_a_crash(
    vms: LocalVms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`machines` lists the processes, then reads the records: a start may come in between."""
    await vms.running(VM)
    with monkeypatch.context() as patch:
        patch.setattr(process, "running", lambda root: {})
        assert (await vms.machine(VM)).power is Power.RUNNING


async def test_the_next_worker_adopts_what_runs(vms: LocalVms) -> None:
    await vms.running(VM)
    [pid] = vms.pids(VM)
    again = LocalCompute(vms.settings)
    await until(again, VM, Power.RUNNING)
    await again.start(VM)
    assert vms.pids(VM) == [pid]
    await again.deallocate(VM)
    assert vms.pids(VM) == []


async def test_janus_outlives_the_worker_that_started_it(vms: LocalVms) -> None:
    """Another process starts it and ends: the process is an orphan, not our child."""
    script = (
        "import asyncio, sys; from tests.janus import local_settings; from pathlib import Path;"
        "from shared.fleet.compute_local import LocalCompute;"
        "settings = local_settings(Path(sys.argv[1]), local_vm_port=int(sys.argv[2]));"
        "asyncio.run(LocalCompute(settings).start('janus-0'))"
    )
    arguments = [str(vms.folder), str(vms.settings.local_vm_port)]
    await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script, *arguments], check=True, timeout=30
    )
    [pid] = vms.pids(VM)
    await vms.running(VM)
    assert vms.pids(VM) == [pid]
    await vms.compute.restart(VM)
    assert vms.pids(VM) not in ([pid], [])


async def test_a_start_whose_record_was_never_written_is_found(vms: LocalVms) -> None:
    await vms.running(VM)
    [pid] = vms.pids(VM)
    record = vms.folder / VM / "process.json"
    text = record.read_text()
    record.unlink()
    await until(vms.compute, VM, Power.RUNNING)
    await vms.compute.start(VM)
    assert vms.pids(VM) == [pid]
    record.write_text(text)


async def test_a_recycled_pid_is_not_taken_for_ours(vms: LocalVms) -> None:
    """The record names a process that lives, but is not the Janus that was started."""
    await vms.running(VM)
    [pid] = vms.pids(VM)
    assert process.stop([vms.folder / VM], grace=0)
    bystander = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        record = process.Record(bystander.pid, 1, process._boot())
        process._write_record(vms.folder / VM, record)
        await until(vms.compute, VM, Power.FAILED)
        await vms.compute.deallocate(VM)
        assert bystander.returncode is None
        assert _lives(bystander.pid)
        await vms.running(VM)
        assert vms.pids(VM) != [pid]
    finally:
        bystander.kill()
        await bystander.wait()


async def test_a_crash_before_the_last_boot_is_history(vms: LocalVms) -> None:
    await vms.running(VM)
    vms.signal(VM, signal.SIGKILL)
    await until(vms.compute, VM, Power.FAILED)
    record = vms.folder / VM / "process.json"
    text = record.read_text()
    record.write_text(json.dumps({**json.loads(text), "boot": "another"}))
    await until(vms.compute, VM, Power.DEALLOCATED)
    record.write_text(text)


async def test_a_damaged_record_does_no_harm(vms: LocalVms) -> None:
    await vms.running(VM)
    (vms.folder / VM / "process.json").write_text('{"pid": ')
    await until(vms.compute, VM, Power.RUNNING)
    await vms.compute.deallocate(VM)
    await until(vms.compute, VM, Power.DEALLOCATED)


async def test_a_janus_that_hangs_is_stopped(vms: LocalVms) -> None:
    await vms.running(VM)
    vms.signal(VM, signal.SIGSTOP)
    await vms.compute.deallocate(VM)
    assert vms.pids(VM) == []
    assert "Bye!" in (vms.folder / VM / "janus.log").read_text(), "it was killed, not ended"


async def test_what_does_not_end_in_time_is_killed(vms: LocalVms) -> None:
    await vms.running(VM)
    vms.signal(VM, signal.SIGSTOP)
    assert await asyncio.to_thread(process.stop, [vms.folder / VM], grace=0)
    assert vms.pids(VM) == []


async def test_machines_answers_while_one_is_stopping(vms: LocalVms) -> None:
    await vms.running(VM)
    stopping = asyncio.create_task(vms.compute.deallocate(VM))
    await until(vms.compute, VM, Power.DEALLOCATING)
    assert not stopping.done()
    await stopping
    await until(vms.compute, VM, Power.DEALLOCATED)


async def test_a_stop_that_was_cut_short_is_finished_by_the_next_start(vms: LocalVms) -> None:
    await vms.running(VM)
    [pid] = vms.pids(VM)
    record = vms.folder / VM / "process.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "stopping": True}))
    await until(vms.compute, VM, Power.DEALLOCATING)
    await vms.compute.start(VM)
    await vms.running(VM)
    assert vms.pids(VM) != [pid]


@pytest.mark.parametrize("offset", [0, 1, 2])
async def test_a_taken_port_is_a_clear_reason(vms: LocalVms, offset: int) -> None:
    port = vms.settings.local_vm_port + offset
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(ComputeError, match=f"Port {port} is taken") as caught:
            await vms.compute.start(VM)
        assert caught.value.kind == "allocation_failed"
        await until(vms.compute, VM, Power.DEALLOCATED)
    await vms.running(VM)


async def test_a_missing_program_is_a_clear_reason(vms: LocalVms) -> None:
    with pytest.raises(ComputeError, match="apt-get install janus") as caught:
        await LocalCompute(vms.settings, binary="janus-that-is-missing").start(VM)
    assert caught.value.kind == "not_found"
    await until(vms.compute, VM, Power.DEALLOCATED)


async def test_an_address_of_another_computer_is_a_clear_reason() -> None:
    async with LocalVms(local_vm_host="203.0.113.7") as vms:
        with pytest.raises(ComputeError, match=r"203\.0\.113\.7"):
            await vms.compute.start(VM)


async def test_a_folder_that_cannot_be_written_is_a_clear_reason() -> None:
    async with LocalVms(local_vm_folder="/proc/nowhere") as vms:
        with pytest.raises(ComputeError) as caught:
            await vms.compute.start(VM)
        assert caught.value.kind == "failed"


async def test_a_janus_that_ends_right_away_says_why(
    vms: LocalVms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any transport Janus refuses to run. Its logger thread may lose the last lines (m),
    the error too: `tests/unit/janus/test_process.py` says which line is one."""
    with monkeypatch.context() as patch:
        for template in config.TEMPLATES.iterdir():
            text = re.sub(r"\t(ws|http|admin_http) = true", "", template.read_text())
            (tmp_path / template.name).write_text(text)
        patch.setattr(config, "TEMPLATES", tmp_path)
        await vms.compute.start(VM)
    machine = await until(vms.compute, VM, Power.FAILED)
    said = machine.reason.removeprefix("Janus ended by itself; ")
    assert said.startswith(("last error: ", "its log has no error"))
    await vms.running(VM)


async def test_changed_settings_hold_from_the_next_start(vms: LocalVms) -> None:
    await vms.running(VM)
    changed = local_settings(
        vms.folder, local_vm_port=vms.settings.local_vm_port, janus_key="another key " * 4
    )
    compute = LocalCompute(changed)
    await compute.restart(VM)
    vms.settings = changed
    await vms.running(VM)


async def test_the_log_of_the_run_before_is_kept(vms: LocalVms) -> None:
    await vms.running(VM)
    log = vms.folder / VM / "janus.log"
    await vms.compute.restart(VM)
    assert "Bye!" in (log.parent / "janus.log.1").read_text()
    assert "Bye!" not in log.read_text()


async def test_stop_all_leaves_nothing(vms: LocalVms) -> None:
    for name in (VM, OTHER):
        await vms.running(name)
    pids = vms.pids(VM) + vms.pids(OTHER)
    vms.signal(VM, signal.SIGSTOP)
    # One whose folder somebody deleted.
    (vms.folder / OTHER / "process.json").unlink()
    await asyncio.to_thread(stop_all, vms.folder)
    assert [pid for pid in pids if _lives(pid)] == []
    assert {m.power for m in await vms.compute.machines()} == {Power.DEALLOCATED}
    await asyncio.to_thread(stop_all, vms.folder)


async def test_stop_all_leaves_the_machines_of_other_systems_alone(vms: LocalVms) -> None:
    async with LocalVms() as others:
        await others.running(VM)
        await asyncio.to_thread(stop_all, vms.folder)
        await until(others.compute, VM, Power.RUNNING)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return process._stat(pid).state != "Z"
