"""What people decide about a machine, and how one is emptied without cutting anybody off."""

from __future__ import annotations

from datetime import timedelta

from shared.fleet.compute import Power
from shared.fleet.models import Override
from shared.fleet.store import write
from tests.world import World


def vm(world: World, name: str = "janus-0") -> dict[str, object]:
    return world.row("Fleet", "00", f"v|{name}")


def power(world: World, name: str = "janus-0") -> Power:
    return world.compute.machine(name).power


async def decide(world: World, name: str, *, hold: float = 0, exclude: float = 0) -> None:
    """In minutes from now."""
    now = world.now
    override = Override(
        name,
        hold_since=now,
        hold_until=now + timedelta(minutes=hold),
        exclude_until=now + timedelta(minutes=exclude),
        by="olga",
        reason="maintenance",
        at=now,
    )
    await world.services.fleet_store.commit(0, [write(override)])


async def test_a_held_machine_is_started_and_stays_on_until_the_hold_ends() -> None:
    world = World()
    await decide(world, "janus-1", hold=60)
    for _ in range(60):
        await world.tick()
        assert power(world, "janus-1") is Power.RUNNING
        world.clock.advance(minutes=1)
    await world.tick()
    assert power(world, "janus-1") is Power.DEALLOCATED
    assert not world.rows("Fleet", "00", "r|"), "what has had its time is forgotten"


async def test_a_hold_keeps_on_what_bookings_leave() -> None:
    world = World()
    await world.ready(await world.book(0, 60))
    await decide(world, "janus-0", hold=120)
    world.clock.advance(minutes=119)
    await world.tick()
    assert power(world) is Power.RUNNING


async def test_an_excluded_machine_gets_no_booking() -> None:
    world = World()
    await decide(world, "janus-0", exclude=60)
    booked = await world.book()
    await world.tick()
    await world.tick()
    assert booked.room.room_id in world.compute.janus["janus-1"].room_specs


async def test_a_booking_after_the_exclusion_does_not_start_the_machine_within_it() -> None:
    world = World()
    await decide(world, "janus-0", exclude=20)
    await world.book(25)
    await world.tick()
    assert world.compute.calls == [("start", "janus-1")]


async def test_who_has_no_other_machine_gets_it_when_the_exclusion_ends() -> None:
    world = World(local_vms=1)
    await decide(world, "janus-0", exclude=20)
    booked = await world.book(25)
    await world.tick()
    assert not world.compute.calls
    world.clock.advance(minutes=20)
    janus = await world.ready(booked)
    assert booked.room.room_id in janus.room_specs


async def test_bookings_that_may_move_leave_an_excluded_machine() -> None:
    world = World()
    running, later = await world.book(), await world.book(25)
    janus = await world.ready(running)
    await decide(world, "janus-0", exclude=180)
    await world.tick()
    await world.tick()
    assert janus.room_specs.keys() == {running.room.room_id}, "a call is not moved"
    assert later.room.room_id in world.compute.janus["janus-1"].room_specs
    assert vm(world)["state"] == "draining"
    assert vm(world)["reason"] == "maintenance"
    assert janus.accepting, "who reloads the page must get in again"


async def test_an_excluded_machine_goes_off_without_the_margin_when_its_calls_are_over() -> None:
    world = World()
    await world.ready(await world.book(0, 60))
    await decide(world, "janus-0", exclude=180)
    world.clock.advance(minutes=71)
    await world.tick()
    assert power(world) is Power.DEALLOCATED


async def test_nobody_new_gets_in_when_no_booking_may_still_join() -> None:
    world = World()
    booked = await world.book(0, 60)
    janus = await world.ready(booked)
    alice = await world.join(booked)
    janus.join(booked.room.room_id, alice.participant_id)
    world.clock.advance(minutes=85)
    await world.tick()
    assert power(world) is Power.RUNNING, "a call that overruns is never cut"
    assert vm(world)["state"] == "draining"
    assert not janus.accepting
    janus.leave(booked.room.room_id, alice.participant_id)
    await world.tick()
    assert power(world) is Power.DEALLOCATED


async def test_a_machine_that_drains_opens_again_for_a_new_booking() -> None:
    world = World(local_vms=1)
    booked = await world.book(0, 60)
    janus = await world.ready(booked)
    alice = await world.join(booked)
    janus.join(booked.room.room_id, alice.participant_id)
    world.clock.advance(minutes=85)
    await world.tick()
    other = await world.book()
    await world.tick()
    assert janus.accepting
    assert vm(world)["state"] == "ready"
    assert other.room.room_id in janus.room_specs


async def test_a_janus_that_was_restarted_while_draining_is_closed_again() -> None:
    world = World()
    booked = await world.book(0, 60)
    janus = await world.ready(booked)
    alice = await world.join(booked)
    janus.join(booked.room.room_id, alice.participant_id)
    world.clock.advance(minutes=85)
    await world.tick()
    janus.accepting = True
    janus.down = True
    await world.tick()
    janus.down = False
    await world.tick()
    await world.tick()
    assert not janus.accepting


async def test_one_that_was_closed_without_a_note_of_it_is_no_machine_that_hangs() -> None:
    """Whoever closed it died before they wrote that down."""
    world = World()
    booked = await world.book(0, 60)
    janus = await world.ready(booked)
    janus.accepting = False
    await world.tick()
    assert janus.accepting
    assert vm(world)["state"] == "ready"
    world.clock.advance(minutes=85)
    janus.accepting = False
    await world.tick()
    await world.tick()
    assert power(world) is Power.DEALLOCATED


async def test_a_booking_that_ended_before_the_last_one_is_no_reason_for_a_margin() -> None:
    world = World()
    first, last = await world.book(0, 60), await world.book(0, 63)
    janus = await world.ready(first)
    await world.tick()
    assert last.room.room_id in janus.room_specs
    await decide(world, "janus-0", exclude=180)
    for minutes in (71, 3):
        world.clock.advance(minutes=minutes)
        await world.tick()
    assert power(world) is Power.DEALLOCATED
