"""Changing a room's password: who may, when, and which one a Janus holds meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import pytest

from shared.bookings.models import Room
from shared.events.catalogue import Audit
from shared.fleet.models import VmState
from shared.janus.port import JanusError, RoomSpec
from shared.platform.problems import Problem
from shared.platform.tables import Conflict, StorageUnavailable
from tests.fakes.faults import none
from tests.fakes.tables import FakeTables
from tests.unit.bookings.rooms_world import SHORT, RoomWorld, Standstill
from tests.unit.bookings.test_rooms_deleting import refused
from tests.world import ADMIN, ALICE, BOB, EVE, World


async def reset(world: World, room: Room, who: Any = ADMIN, *, force: bool = False) -> str:
    return await world.services.rooms.reset(who, room.room_id, "10.0.0.9", force=force)


async def test_a_new_password_in_the_row_and_in_every_running_janus() -> None:
    world = RoomWorld()
    janus = await world.elsewhere()
    room = await world.room()
    old = await world.pin(room)
    new = await reset(world, room)
    assert new == await world.pin(room) == janus.room_specs[room.room_id].pin != old
    stored = await world.stored(room)
    assert stored
    assert not stored.unfinished
    assert not stored.room.unsettled
    (event,) = world.events("room.password_reset")
    assert event["data"] == {"room_id": room.room_id, "reason": "admin"}
    await world.drain()
    assert world.left[-1].audit == Audit("root", "room.password_reset", "10.0.0.9")


async def test_without_a_machine_it_is_the_row_alone() -> None:
    world = RoomWorld()
    room = await world.room()
    assert await reset(world, room) == await world.pin(room)


async def test_who_may_reset() -> None:
    world = RoomWorld()
    room = await world.room()
    assert await refused(reset(world, room, EVE)) == (404, "room_not_found")
    assert await refused(reset(world, room, ALICE)) == (403, "admin_only")


async def test_only_by_force_while_a_booking_is_not_over() -> None:
    world = RoomWorld()
    booked = await world.book(60, 60)
    old = await world.pin(booked.room)
    assert await refused(reset(world, booked.room)) == (409, "room_booked")
    assert await world.pin(booked.room) == old
    assert await reset(world, booked.room, force=True) != old
    world.clock.advance(minutes=120)
    await reset(world, booked.room)


async def test_one_that_is_booked_just_after_the_first_look_keeps_its_password() -> None:
    tables = FakeTables()
    room = await RoomWorld(tables).room()
    kept = 0
    for nth in range(1, 12):
        before = await RoomWorld(tables).pin(room)
        booking = World(tables, **SHORT)
        booking.services.ports.random.seed(nth)

        async def meanwhile(booking: World = booking, nth: int = nth) -> None:
            await booking.book(60 * nth, 30, room=room.room_id)

        still = Standstill(tables, nth, meanwhile)
        resetting = RoomWorld(still)
        resetting.services.ports.random.seed(100 + nth)
        outcome = await attempt(reset(resetting, room))
        after = await RoomWorld(tables).stored(room)
        assert after
        assert not after.unfinished
        if outcome == "room_booked":
            assert await RoomWorld(tables).pin(room) == before
            kept += 1
        page = await booking.services.bookings.own(ALICE, status=None, day=None, after="", limit=9)
        for each in page.items:
            await booking.services.bookings.cancel(ALICE, each.booking_id, "")
    assert kept >= 3


async def attempt(work: Awaitable[Any]) -> str:
    try:
        await work
    except Problem as problem:
        return problem.code
    except Conflict:
        return "busy"
    except StorageUnavailable:
        return "storage"
    return ""


@pytest.mark.parametrize("silent", [False, True])
async def test_when_one_janus_fails_the_others_get_the_old_one_back(silent: bool) -> None:
    world = RoomWorld(vm_capacity=1)
    first, second = await _two(world)
    room = await world.room()
    for janus in (first, second):
        await janus.create_room(_spec(world, room))
    old = await world.pin(room)
    second.down = silent
    second.fail_next = None if silent else JanusError("broken", 499)
    assert await refused(reset(world, room)) == (503, "password_reset_failed")
    assert await world.pin(room) == old == first.room_specs[room.room_id].pin
    assert not world.events("room.password_reset")
    stored = await world.stored(room)
    assert stored
    assert stored.unfinished is silent
    # What it holds is not known while it says nothing; once it answers, the timer tells it.
    second.down = False
    second.room_specs[room.room_id] = RoomSpec(room.room_id, "?", 2, _spec(world, room).secret)
    world.clock.advance(minutes=11)
    await world.services.rooms.finish()
    stored = await world.stored(room)
    assert stored
    assert not stored.unfinished
    assert not world.events("room.password_reset")
    assert (second.room_specs[room.room_id].pin == old) is silent


def _spec(world: World, room: Room) -> RoomSpec:
    return world.services.fleet._secrets.spec(room)


async def _two(world: RoomWorld) -> tuple[Any, Any]:
    """Both machines run."""
    await world.ready(await world.book(0, 600))
    await world.ready(await world.book(0, 600, who=BOB))
    janus = world.compute.janus
    return janus["janus-0"], janus["janus-1"]


async def test_a_machine_that_hangs_is_not_passed_over() -> None:
    """It may come back with the room and its old password."""
    world = RoomWorld()
    janus = await world.elsewhere()
    room = await world.room()
    janus.down = True
    await world.tick()
    assert world.row("Fleet", "00", "v|janus-0")["state"] == VmState.STARTING
    assert await refused(reset(world, room)) == (503, "password_reset_failed")


async def test_a_crash_at_any_await_rolls_back() -> None:
    ends = set()
    for nth, when in await _calls_of_a_reset():
        world, room, old = await _crashed(nth, when)
        stored = await world.stored(room)
        assert stored
        await world.services.rooms.finish()
        assert await unfinished(world, room) == stored.unfinished, "too early"
        world.clock.advance(minutes=11)
        await world.services.rooms.finish()
        pin = await world.pin(room)
        assert len(world.events("room.password_reset")) == (pin != old)
        ends.add((stored.unfinished, pin != old))
        assert await world.is_whole(room)
    assert ends == {(False, False), (True, False), (False, True)}


async def test_whatever_fails_once_a_refused_reset_leaves_the_old_password() -> None:
    """At once, not when the timer comes."""
    ends = set()
    for nth, when in await _calls_of_a_reset():
        world, room, old = await resettable()
        world.fail(nth, when, lasting=False)
        told = await attempt(reset(world, room))
        world.faults.set(none)
        assert (await world.pin(room) == old) is (told != ""), (nth, when)
        assert len(world.events("room.password_reset")) == (told == "")
        assert await world.is_whole(room), (nth, when)
        ends.add(told)
    assert ends == {"", "storage", "password_reset_failed"}


async def test_whatever_fails_for_long_a_refused_reset_leaves_the_old_password() -> None:
    """But when the storage has taken the commit, and then hides it."""
    calls = await _calls_of_a_reset()
    verb = [call.verb for call in await verbs()]
    hidden = (len(verb) - verb[::-1].index("commit"), "after")
    ends = set()
    for nth, when in calls:
        world, room, old = await resettable()
        world.fail(nth, when, lasting=True)
        assert await attempt(reset(world, room))
        world.faults.set(none)
        world.clock.advance(minutes=11)
        await world.services.rooms.finish()
        assert (await world.pin(room) == old) is ((nth, when) != hidden), (nth, when)
        assert await world.is_whole(room)
        ends.add((nth, when) == hidden)
    assert ends == {True, False}


async def test_going_back_names_the_admin_and_is_no_event() -> None:
    world, room, _ = await resettable()
    world.compute.janus["janus-0"].down = True
    assert await refused(reset(world, room)) == (503, "password_reset_failed")
    stored = await world.stored(room)
    assert stored
    assert stored.reset
    assert (stored.reset.by, stored.reset.address) == ("root", "10.0.0.9")
    assert not world.events("room.password_reset")
    assert await world.book(60, room=room.room_id), "only one password can come of it"


async def unfinished(world: RoomWorld, room: Room) -> bool:
    stored = await world.stored(room)
    return stored is not None and stored.unfinished


async def test_after_a_crash_the_admin_may_ask_again() -> None:
    for nth, when in await _calls_of_a_reset():
        world, room, _ = await _crashed(nth, when)
        new = await reset(world, room)
        assert new == await world.pin(room)
        assert world.compute.janus["janus-0"].room_specs[room.room_id].pin == new
        assert not await unfinished(world, room)


async def _calls_of_a_reset() -> list[tuple[int, Any]]:
    world, room, _ = await resettable()
    await reset(world, room)
    return [
        (n, when) for n in range(1, len(world.faults.calls) + 1) for when in ("before", "after")
    ]


async def resettable() -> tuple[RoomWorld, Room, str]:
    world = RoomWorld()
    await world.elsewhere()
    room = await world.room()
    pin = await world.pin(room)
    world.faults.set(none)
    return world, room, pin


async def _crashed(nth: int, when: Any) -> tuple[RoomWorld, Room, str]:
    world, room, old = await resettable()
    world.faults.kill(nth, when)
    await world.faults.until_death(reset(world, room))
    return world, room, old


@pytest.mark.parametrize("resent", [True, False])
async def test_a_lost_answer_ends_in_one_password(resent: bool) -> None:
    for nth, when in await _calls_of_a_reset():
        world, room, _ = await resettable()
        world.faults.lose(nth, when, resent=resent)
        try:
            new = await reset(world, room)
        except Exception:
            new = ""
        world.faults.set(none)
        world.clock.advance(minutes=11)
        await world.services.rooms.finish()
        pin = await world.pin(room)
        assert new in ("", pin)
        assert world.compute.janus["janus-0"].room_specs[room.room_id].pin == pin


# Joining meanwhile


async def test_joining_while_a_reset_is_half_done() -> None:
    """Whatever the reset had done when it died: the ticket's pin is the one that Janus has."""
    calls = await _calls_of_a_forced_reset()
    for nth, when in calls:
        world, booked = await _running()
        world.faults.kill(nth, when)
        await world.faults.until_death(reset(world, booked.room, force=True))
        await _enters(world, booked)
        world.clock.advance(minutes=11)
        await world.services.rooms.finish()
        await _enters(world, booked)


async def test_joining_while_a_reset_stands_still() -> None:
    calls = len(await _calls_of_a_forced_reset()) // 2
    for nth in range(1, calls + 1):
        tables = FakeTables()
        world, booked = await _running(tables)

        async def meanwhile(world: World = world, booked: Any = booked) -> None:
            await _enters(world, booked)

        other = RoomWorld(Standstill(tables, nth, meanwhile))
        other.compute.janus.update(world.compute.janus)
        await reset(other, booked.room, force=True)
        await _enters(world, booked)


async def _running(tables: Any = None) -> tuple[RoomWorld, Any]:
    world = RoomWorld(tables)
    booked = await world.book()
    await world.ready(booked)
    world.faults.set(none)
    return world, booked


async def _calls_of_a_forced_reset() -> list[tuple[int, Any]]:
    world, booked = await _running()
    await reset(world, booked.room, force=True)
    return [
        (n, when) for n in range(1, len(world.faults.calls) + 1) for when in ("before", "after")
    ]


async def _enters(world: World, booked: Any) -> None:
    ticket = await world.join(booked)
    assert ticket.pin == world.compute.janus["janus-0"].room_specs[ticket.room_id].pin


async def test_a_join_fails_as_usual_while_janus_does() -> None:
    world, booked = await _running()
    world.faults.kill(len(await _calls_of_a_forced_reset()) // 2, "before")
    await world.faults.until_death(reset(world, booked.room, force=True))
    stored = await world.stored(booked.room)
    assert stored
    assert stored.room.unsettled
    janus = world.compute.janus["janus-0"]
    janus.down = True
    assert await refused(world.join(booked)) == (503, "janus_unavailable")
    janus.down = False
    janus.wipe()
    assert await refused(world.join(booked)) == (425, "room_starting")
    await world.tick()
    await _enters(world, booked)


async def test_a_room_made_with_a_pin_that_was_changed_meanwhile() -> None:
    """A booking reads the room, the pin is changed, then the booking makes the room in Janus."""
    world = RoomWorld()
    janus = await world.elsewhere()
    room = await world.room()
    await janus.destroy_room(room.room_id, _spec(world, room).secret)
    stale = room
    await reset(world, room)
    booked = await world.book(0, room=room.room_id)
    janus.room_specs[room.room_id] = _spec(world, stale)
    await world.ready(booked)
    await _enters(world, booked)


async def test_the_keeper_and_a_reset_at_once() -> None:
    for nth in range(1, 25):
        tables = FakeTables()
        world, booked = await _running(tables)
        janus = world.compute.janus["janus-0"]
        janus.wipe()

        async def meanwhile(world: World = world, booked: Any = booked) -> None:
            await reset(world, booked.room, force=True)

        still = Standstill(tables, nth, meanwhile)
        other = RoomWorld(still)
        other.compute = world.compute
        other.services = _services(other, world)
        await other.tick()
        await world.tick()
        await _enters(world, booked)
        if still.calls < nth:
            return


async def test_the_keeper_stands_still_before_it_asks_janus() -> None:
    """It has read the old pin; the reset finds no room in Janus to change."""
    for nth in range(1, 12):
        world, booked = await _running(FakeTables())
        janus = world.compute.janus["janus-0"]
        janus.wipe()

        async def meanwhile(world: World = world, booked: Any = booked) -> None:
            await reset(world, booked.room, force=True)

        still = Standstill(janus, nth, meanwhile)
        world.compute.janus["janus-0"] = still
        await world.tick()
        world.compute.janus["janus-0"] = janus
        await _enters(world, booked)
        if still.calls < nth:
            return
    raise AssertionError("the keeper asks without end")


def _services(other: RoomWorld, world: RoomWorld) -> Any:
    """Those of another process that reaches the same machines."""
    from dataclasses import replace

    from shared.bootstrap import Services

    ports = other.services.ports
    return Services(
        other.settings, replace(ports, compute=world.compute, janus=world.compute.janus_of)
    )


async def test_two_resets_at_once_end_in_one_password() -> None:
    for nth in range(1, 25):
        tables = FakeTables()
        world, booked = await _running(tables)

        async def meanwhile(world: World = world, booked: Any = booked) -> None:
            await reset(world, booked.room, force=True)

        still = Standstill(tables, nth, meanwhile)
        other = RoomWorld(still)
        other.services = _services(other, world)
        await attempt(reset(other, booked.room, force=True))
        world.clock.advance(minutes=11)
        await world.services.rooms.finish()
        await _enters(world, booked)
        if still.calls < nth:
            return


async def test_a_room_whose_password_is_being_changed_is_not_chosen() -> None:
    world, room, _ = await resettable()
    calls = [call.verb for call in await verbs()]
    world.faults.kill(calls.index("edit_room") + 1, "before")
    await world.faults.until_death(reset(world, room))
    stored = await world.stored(room)
    assert stored
    assert stored.room.unsettled
    assert (await world.book(60)).room.room_id != room.room_id
    asked = world.book(60, room=room.room_id)
    assert await refused(asked) == (503, "calendar_busy"), "which one will hold is undecided"
    world.clock.advance(minutes=11)
    await world.services.rooms.finish()
    assert await world.is_whole(room)


async def test_moving_to_a_room_whose_password_is_being_changed_waits() -> None:
    world, booked = await _undecided()
    other = await world.book(120)
    patch = world.move(other, 240, room=booked.room.room_id)
    assert await refused(patch) == (503, "calendar_busy")


async def test_who_has_the_room_already_may_extend_and_move() -> None:
    world, booked = await _undecided()
    assert (await world.extend(booked, 30)).booking.room_id == booked.room.room_id
    later = await world.book(600)
    await _begin(world, later.room)
    assert (await world.move(later, 660)).booking.room_id == later.room.room_id


async def _undecided() -> tuple[RoomWorld, Any]:
    """Somebody dies right after the mark, the booking runs."""
    world, booked = await _running()
    await _begin(world, booked.room)
    return world, booked


async def _begin(world: RoomWorld, room: Room) -> None:
    for nth in range(1, 20):
        world.faults.kill(nth, "after")
        await world.faults.until_death(reset(world, room, force=True))
        stored = await world.stored(room)
        if stored and stored.room.undecided:
            return
    raise AssertionError("no mark was seen")


async def verbs() -> list[Any]:
    world, room, _ = await resettable()
    await reset(world, room)
    return world.faults.calls
