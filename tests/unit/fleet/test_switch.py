"""What hosts refuse, operations that take their time, and what the ledger has of it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import timedelta
from itertools import pairwise

import pytest

from shared.bootstrap import Services
from shared.fleet.compute import ComputeError, Machine, Power
from tests.fakes.compute import FakeCompute
from tests.world import ALICE, World


def vm(world: World, name: str = "janus-0") -> dict[str, object]:
    return world.row("Fleet", "00", f"v|{name}")


async def stretches(world: World) -> list[tuple[str, int]]:
    """(machine, minutes) of all that is closed."""
    found = await world.services.fleet_store.stretches(0, world.now - timedelta(9), world.now)
    return [(one.vm, round((one.end - one.start).total_seconds() / 60)) for one in found]


@pytest.mark.parametrize("kind", ["throttled", "conflict"])
async def test_what_says_nothing_of_the_machine_is_asked_again_of_the_same(kind: str) -> None:
    world = World()
    wait = timedelta(minutes=2)
    world.compute.refuse["janus-0"] = ComputeError(kind, "not now", wait)
    booked = await world.book()
    await world.tick()
    await world.tick()
    world.clock.advance(seconds=119)
    await world.tick()
    assert world.compute.calls == [("start", "janus-0")], "not before it may be asked again"
    assert vm(world)["failures"] == 0
    world.clock.advance(seconds=1)
    del world.compute.refuse["janus-0"]
    await world.ready(booked)
    assert vm(world)["state"] == "ready"
    assert world.compute.machine("janus-1").power is Power.DEALLOCATED


@pytest.mark.parametrize("kind", ["allocation_failed", "sku_not_available", "quota_exceeded"])
@pytest.mark.parametrize("later", [False, True])
async def test_no_room_for_a_machine_means_another_one_and_no_bill(kind: str, later: bool) -> None:
    world = World()
    error = ComputeError(kind, "no capacity")
    (world.compute.fail_later if later else world.compute.refuse)["janus-0"] = error
    world.compute.slow.add("janus-0")
    booked = await world.book()
    for _ in range(4):
        world.clock.advance(seconds=1)
        await world.tick()
        if later:
            world.compute.set_power("janus-0", Power.DEALLOCATED)
    assert booked.room.room_id in world.compute.janus["janus-1"].room_specs
    assert vm(world)["reason"] == "no capacity"
    assert await stretches(world) == []


async def test_an_operation_is_followed_and_not_asked_again() -> None:
    world = World()
    world.compute.slow.add("janus-0")
    await world.book()
    for _ in range(4):
        world.clock.advance(seconds=20)
        await world.tick()
    assert world.compute.calls == [("start", "janus-0")]
    assert world.compute.followed == ["start janus-0"] * 3
    world.compute.finish("janus-0")
    await world.tick()
    assert vm(world)["state"] == "ready"
    assert vm(world)["operation"] == ""


async def test_a_slow_stop_is_followed_and_not_asked_again() -> None:
    world = World()
    await world.ready(await world.book(0, 60))
    world.compute.slow.add("janus-0")
    world.clock.advance(minutes=76)
    for _ in range(3):
        await world.tick()
    assert world.compute.calls.count(("deallocate", "janus-0")) == 1
    assert vm(world)["state"] == "deallocating"
    world.compute.finish("janus-0")
    await world.tick()
    assert vm(world)["state"] == "deallocated"
    assert await stretches(world) == [("janus-0", 76)]


async def test_a_stop_that_fails_later_is_tried_again() -> None:
    world = World()
    await world.ready(await world.book(0, 60))
    world.compute.fail_later["janus-0"] = ComputeError("failed", "internal error")
    world.compute.slow.add("janus-0")
    world.clock.advance(minutes=76)
    await world.tick()
    await world.tick()
    assert vm(world)["stop_failed"] is True
    world.compute.set_power("janus-0", Power.RUNNING)
    world.compute.slow.clear()
    await world.tick()
    world.clock.advance(minutes=1)
    await world.tick()
    assert world.compute.machine("janus-0").power is Power.DEALLOCATED
    await world.tick()
    assert vm(world)["stop_failed"] is False


async def gaps(world: World, verb: str, minutes: int) -> list[int]:
    """Seconds from one try to the next, with a pass every five seconds."""
    tried: list[int] = []
    for n in range(minutes * 12):
        before = world.compute.calls.count((verb, "janus-0"))
        await world.tick()
        tried += [5 * n] * (world.compute.calls.count((verb, "janus-0")) - before)
        world.clock.advance(seconds=5)
    return [later - earlier for earlier, later in pairwise(tried)]


@pytest.mark.parametrize("verb", ["start", "deallocate"])
async def test_what_is_refused_is_tried_again_less_and_less_often(verb: str) -> None:
    world = World(local_vms=1)
    booked = await world.book(0, 60)
    if verb == "deallocate":
        await world.ready(booked)
        world.clock.advance(minutes=76)
    world.compute.refuse["janus-0"] = ComputeError("auth", "The scope is locked")
    found = await gaps(world, verb, 45)
    assert found == sorted(found)
    assert (found[0], found[-1]) == (10, 600)


async def test_whoever_goes_by_an_older_row_stops_no_machine_that_carries_a_call() -> None:
    world = World(local_vms=1)
    other = Services(world.settings, world.services.ports)
    await world.ready(await world.book(0, 30))
    world.clock.advance(minutes=56)
    world.compute.refuse["janus-0"] = ComputeError("failed", "broken")
    await world.tick()
    world.compute.refuse.clear()
    world.clock.advance(minutes=1)
    read, on = asyncio.Event(), asyncio.Event()

    async def stalls(look: Collection[str] | None = None) -> list[Machine]:
        machines = await FakeCompute.machines(world.compute, look)
        read.set()
        await on.wait()
        return machines

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.compute, "machines", stalls)
        late = asyncio.create_task(other.tick())
        await read.wait()
    booked = await world.book(0, 30)
    janus = await world.ready(booked)
    on.set()
    await late
    assert world.compute.machine("janus-0").power is Power.RUNNING
    assert booked.room.room_id in janus.room_specs


async def test_a_machine_that_looks_off_forever_has_failed() -> None:
    world = World(local_vms=1)
    await world.book()
    await world.tick()
    for _ in range(8):
        world.compute.set_power("janus-0", Power.DEALLOCATED)
        world.clock.advance(minutes=1)
        await world.tick()
    assert vm(world)["failures"] == 1


async def test_a_machine_found_on_costs_from_then_on() -> None:
    world = World()
    world.compute.set_power("janus-1", Power.RUNNING)
    world.compute.slow.add("janus-1")
    await world.tick()
    world.clock.advance(minutes=3)
    world.compute.finish("janus-1")
    await world.tick()
    assert await stretches(world) == [("janus-1", 3)]


async def test_a_long_stretch_is_written_down_by_the_day() -> None:
    world = World(vm_margin=timedelta(hours=70))
    await world.ready(await world.book(0, 60))
    for _ in range(5):
        world.clock.advance(hours=15)
        await world.tick()
    world.compute.finish("janus-0")
    await world.tick()
    found = await world.services.fleet_store.stretches(0, world.now - timedelta(9), world.now)
    assert max(one.end - one.start for one in found) <= timedelta(hours=24)
    assert all(one.end == other.start for one, other in pairwise(found))
    assert found[-1].end - found[0].start == timedelta(hours=75)


async def test_a_booking_that_was_cancelled_before_its_start_is_in_the_ledger_too() -> None:
    world = World(cancel_notice=timedelta(0))
    booked = await world.book(20)
    await world.tick()
    world.clock.advance(minutes=5)
    await world.services.bookings.cancel(ALICE, booked.booking.booking_id, "")
    await world.tick()
    await world.tick()
    (gone,) = await world.services.fleet_store.carriages(
        0, world.now - timedelta(1), world.now + timedelta(1)
    )
    assert gone.start == gone.end
    assert await stretches(world) == [("janus-0", 5)]


async def test_only_machines_whose_state_matters_are_looked_at() -> None:
    world = World(local_vms=5)
    await world.tick()  # the first time nobody knows them
    world.clock.advance(minutes=1)
    world.compute.looks.clear()
    await world.tick()
    assert world.compute.looks == [[]]
    await world.ready(await world.book())
    world.clock.advance(minutes=1)
    world.compute.looks.clear()
    await world.tick()
    assert world.compute.looks == [["janus-0"]]


async def test_now_and_then_all_are_looked_at() -> None:
    world = World(local_vms=5)
    await world.tick()
    world.compute.looks.clear()
    for _ in range(20):
        world.clock.advance(minutes=1)
        await world.tick()
    assert sum(len(names) == 5 for names in world.compute.looks) == 2


async def test_a_host_that_is_silent_keeps_nobody_from_a_room() -> None:
    world = World()
    await world.ready(await world.book())
    world.compute.unavailable = ComputeError("throttled", "too many requests")
    booked = await world.book()
    await world.tick()
    assert booked.room.room_id in world.compute.janus["janus-0"].room_specs


async def test_a_machine_that_cannot_be_looked_at_keeps_its_bookings() -> None:
    world = World()
    await world.ready(await world.book())
    world.compute.hidden["janus-0"] = "timeout"
    booked = await world.book()
    await world.tick()
    assert booked.room.room_id in world.compute.janus["janus-0"].room_specs
    assert world.compute.machine("janus-1").power is Power.DEALLOCATED


async def test_wanted_again_while_it_stops_is_a_stop_and_a_start_for_whoever_counts() -> None:
    world = World(local_vms=1)
    await world.ready(await world.book(0, 60))
    world.compute.slow.add("janus-0")
    world.clock.advance(minutes=76)
    await world.tick()
    booked = await world.book()
    world.compute.slow.clear()
    world.compute.finish("janus-0")
    await world.ready(booked)
    kinds = [event["type"] for event in world.events() if event["type"].startswith("vm.")]
    assert sorted(kinds) == ["vm.deallocated", "vm.started", "vm.started"]
    assert await stretches(world) == [("janus-0", 76)]
