"""A machine that is gone: its bookings move, its bill ends, operators hear of it once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.fleet.compute import Power
from tests.world import World


def vm(world: World, name: str = "janus-0") -> dict[str, object]:
    return world.row("Fleet", "00", f"v|{name}")


async def test_a_call_goes_on_elsewhere_when_its_machine_is_gone() -> None:
    world = World()
    booked = await world.book()
    await world.ready(booked)
    world.compute.crash("janus-0")
    await world.tick()
    await world.tick()
    there = world.compute.janus["janus-1"].room_specs
    assert there[booked.room.room_id].pin == world.services.bookings.password(booked.room)
    ticket = await world.join(booked)
    assert ticket.janus_url == "ws://janus-1:8188"


async def test_two_bookings_of_it_move_together_and_it_stays_off() -> None:
    world = World()
    first, second = await world.book(), await world.book(20)
    await world.ready(first)
    await world.tick()
    world.compute.crash("janus-0")
    for _ in range(3):
        await world.tick()
    rooms = world.compute.janus["janus-1"].room_specs.keys()
    assert {first.room.room_id, second.room.room_id} <= rooms
    assert vm(world)["state"] == "deallocated"


@pytest.mark.parametrize("after", [Power.DEALLOCATED, Power.FAILED])
async def test_it_is_told_once_and_its_bill_ends(after: Power) -> None:
    world = World(vm_price="0.10")
    booked = await world.book()
    await world.ready(booked)
    began = world.now
    world.clock.advance(minutes=7)
    world.compute.set_power("janus-0", after, "evicted")
    for _ in range(3):
        await world.tick()
    (event,) = world.events("vm.lost")
    assert event["data"]["bookings"] == [booked.booking.booking_id]
    assert event["severity"] == "error"
    (stretch,) = await world.services.fleet_store.stretches(0, began, world.now)
    assert (stretch.vm, stretch.end - stretch.start) == ("janus-0", timedelta(minutes=7))
    assert stretch.price == "0.10"
    (carried,) = await world.services.fleet_store.carriages(0, began, world.now)
    assert (carried.booking_id, carried.vm) == (booked.booking.booking_id, "janus-0")
    assert carried.end - carried.start == timedelta(minutes=7)


async def test_without_another_machine_it_is_started_again_at_once() -> None:
    world = World(local_vms=1)
    booked = await world.book()
    janus = await world.ready(booked)
    world.compute.crash("janus-0")
    await world.tick()
    await world.tick()
    assert booked.room.room_id in janus.room_specs
    assert vm(world)["state"] == "ready"


async def test_one_that_was_deleted_by_hand_leaves_nothing() -> None:
    world = World()
    booked = await world.book()
    await world.ready(booked)
    world.clock.advance(minutes=5)
    world.compute.remove("janus-0")
    for _ in range(3):
        await world.tick()
    assert booked.room.room_id in world.compute.janus["janus-1"].room_specs
    assert not world.rows("Fleet", "00", "v|janus-0")
    assert len(world.events("vm.lost")) == 1
    (stretch,) = await world.services.fleet_store.stretches(0, world.now - timedelta(1), world.now)
    assert stretch.end - stretch.start == timedelta(minutes=5)
