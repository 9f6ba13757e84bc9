"""Company for starts that take their time: whichever machine is ready first gets the booking."""

from __future__ import annotations

from datetime import timedelta

from shared.fleet.compute import ComputeError, Power
from shared.fleet.models import Override, Vm, VmState
from shared.fleet.store import write
from tests.unit.fleet.test_stuck import minutes, power
from tests.world import World


async def test_a_start_that_takes_its_time_has_company_when_the_booking_is_near() -> None:
    world = World(local_vms=3)
    world.compute.slow = {"janus-0", "janus-1"}
    booked = await world.book()
    await minutes(world, 4)
    assert world.compute.calls == [("start", "janus-0")]
    await minutes(world, 1)
    assert world.compute.calls[1:] == [("start", "janus-1")]
    assert power(world) is Power.STARTING, "it may still be the first"
    world.compute.finish("janus-1")
    await minutes(world, 2)
    assert booked.room.room_id in world.compute.janus["janus-1"].room_specs
    assert power(world) is Power.DEALLOCATING


async def test_company_goes_when_it_is_not_the_first() -> None:
    world = World()
    world.compute.slow = {"janus-0", "janus-1"}
    booked = await world.book()
    await minutes(world, 5)
    world.compute.finish("janus-0")
    await minutes(world, 1)
    assert booked.room.room_id in world.compute.janus["janus-0"].room_specs
    await minutes(world, 1)
    assert power(world, "janus-1") is Power.DEALLOCATING


async def test_one_more_each_time_that_none_of_them_hurries() -> None:
    world = World(local_vms=4)
    world.compute.slow = {f"janus-{n}" for n in range(4)}
    await world.book(0, 60)
    await minutes(world, 6)
    assert {name for _, name in world.compute.calls} == {"janus-0", "janus-1"}
    await minutes(world, 3)
    assert {name for _, name in world.compute.calls} == {"janus-0", "janus-1", "janus-2"}


async def test_a_booking_that_is_not_near_waits_for_its_machine() -> None:
    world = World()
    world.compute.slow = {"janus-0"}
    await world.book(30)
    await minutes(world, 6)
    assert world.compute.calls == [("start", "janus-0")]


async def test_company_that_is_asked_and_not_seen_yet_is_no_reason_for_more() -> None:
    world = World(local_vms=5)
    world.compute.slow = {"janus-0"}
    await world.book()
    await minutes(world, 4)
    world.compute.ignores = {f"janus-{n}" for n in range(1, 5)}
    for _ in range(10):
        await world.tick()
        world.clock.advance(seconds=5)
    assert {name for _, name in world.compute.calls} == {"janus-0", "janus-1"}


async def test_company_that_is_refused_for_now_is_not_waited_for() -> None:
    world = World(local_vms=3)
    world.compute.slow = {"janus-0"}
    world.compute.refuse["janus-1"] = ComputeError("conflict", "busy")
    booked = await world.book()
    await minutes(world, 8)
    assert booked.room.room_id in world.compute.janus["janus-2"].room_specs


async def test_a_machine_that_stops_is_no_company() -> None:
    world = World(local_vms=3)
    world.compute.slow = {"janus-0", "janus-1"}
    world.compute.set_power("janus-1", Power.DEALLOCATING)
    going = Vm("janus-1", VmState.DEALLOCATING, world.now, on_since=world.now)
    await world.services.fleet_store.save(0, going)
    booked = await world.book()
    await minutes(world, 7)
    assert booked.room.room_id in world.compute.janus["janus-2"].room_specs


async def test_a_hold_binds_no_booking_to_a_machine_that_takes_its_time() -> None:
    world = World()
    world.compute.slow = {"janus-0"}
    until = world.now + timedelta(hours=2)
    hold = Override("janus-0", hold_since=world.now, hold_until=until, by="olga", at=world.now)
    await world.services.fleet_store.commit(0, [write(hold)])
    booked = await world.book()
    await minutes(world, 7)
    assert booked.room.room_id in world.compute.janus["janus-1"].room_specs
