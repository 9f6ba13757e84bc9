"""Who is in a room: who may ask, whom Janus is asked for, and how often."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.bookings import participants
from shared.bookings.models import Room
from shared.bookings.payloads import BookingExtend
from shared.janus.port import JanusError
from tests.fakes.faults import none
from tests.unit.bookings.rooms_world import RoomWorld
from tests.unit.bookings.test_rooms_deleting import refused
from tests.world import ADMIN, ALICE, BOB, EVE, World


async def who(world: World, room: Room, caller: Any = ADMIN) -> list[str]:
    people = await world.services.rooms.participants(caller, room.room_id)
    return [person.display for person in people]


def asked(janus: Any, room: Room) -> int:
    calls: int = janus.calls.count(("listparticipants", room.room_id))
    return calls


async def test_those_who_are_in_the_room() -> None:
    world = RoomWorld()
    booked = await world.book()
    janus = await world.ready(booked)
    janus.join(booked.room.room_id, 7, "Ana")
    (person,) = await world.services.rooms.participants(ALICE, booked.room.room_id)
    assert (person.id, person.display, person.publisher) == (7, "Ana", True)


async def test_who_may_ask() -> None:
    world = RoomWorld()
    booked = await world.book(30, 60)
    room = booked.room
    forbidden = (403, "participants_forbidden")
    assert await refused(who(world, room, EVE)) == (404, "room_not_found")
    assert await refused(who(world, room, BOB)) == forbidden
    assert await who(world, room, ADMIN) == []
    expected = {19: False, 20: True, 60: True, 90: True, 99: True, 100: False}
    for minute, may in expected.items():
        world.clock.time = booked.booking.start
        world.clock.advance(minutes=minute - 30)
        if may:
            assert await who(world, room, ALICE) == []
        else:
            assert await refused(who(world, room, ALICE)) == forbidden


async def test_an_ended_a_cancelled_and_an_extended_booking() -> None:
    world = RoomWorld()
    first, second = await world.book(0, 60), await world.book(65, 60)
    bookings = world.services.bookings
    await bookings.cancel(ALICE, second.booking.booking_id, "")
    request = BookingExtend(end_time=first.booking.end.replace(hour=11))
    world.clock.advance(minutes=59)
    await bookings.extend(ALICE, first.booking.booking_id, request, "")
    world.clock.advance(minutes=50)
    assert await who(world, first.room, ALICE) == []
    assert await refused(who(world, second.room, ALICE)) == (403, "participants_forbidden")
    await bookings.end(ALICE, first.booking.booking_id, "")
    world.clock.advance(seconds=5)
    assert await refused(who(world, first.room, ALICE)) == (403, "participants_forbidden")


async def test_nobody_without_a_machine_or_when_no_janus_has_the_room() -> None:
    world = RoomWorld()
    room = await world.room(4)
    assert await who(world, room) == []
    janus = await world.elsewhere()
    world.clock.advance(seconds=6)
    assert await who(world, room) == []
    assert asked(janus, room) == 1


@pytest.mark.parametrize("silent", [False, True])
async def test_a_running_janus_that_fails(silent: bool) -> None:
    world = RoomWorld()
    booked = await world.book()
    janus = await world.ready(booked)
    janus.down, janus.fail_next = silent, None if silent else JanusError("broken", 499)
    assert await refused(who(world, booked.room)) == (502, "janus_failed")
    janus.down = False
    assert await who(world, booked.room) == [], "a failure is not remembered"


async def test_a_machine_without_the_booking_is_not_asked() -> None:
    world = RoomWorld(vm_capacity=1)
    booked = await world.book()
    janus = await world.ready(booked)
    other = await world.ready(await world.book(who=BOB))
    assert other is not janus
    other.down = True
    assert await who(world, booked.room) == []


async def test_janus_is_asked_once_in_five_seconds() -> None:
    world = RoomWorld()
    booked = await world.book()
    janus = await world.ready(booked)
    before = asked(janus, booked.room)
    await asyncio.gather(*(who(world, booked.room) for _ in range(10)))
    assert asked(janus, booked.room) == before + 1
    janus.join(booked.room.room_id, 7, "Ana")
    world.clock.advance(seconds=4.9)
    assert await who(world, booked.room) == []
    world.clock.advance(seconds=0.1)
    assert await who(world, booked.room) == ["Ana"]
    assert asked(janus, booked.room) == before + 2


async def test_all_who_ask_at_once_hear_of_the_failure_and_one_call_is_made() -> None:
    world = RoomWorld()
    booked = await world.book()
    janus = await world.ready(booked)
    before = asked(janus, booked.room)
    janus.fail_next = JanusError("broken", 499)
    answers = await asyncio.gather(
        *(who(world, booked.room) for _ in range(5)), return_exceptions=True
    )
    assert [getattr(answer, "code", "") for answer in answers] == ["janus_failed"] * 5
    assert asked(janus, booked.room) == before + 1


async def test_one_who_gives_up_takes_nothing_from_the_others() -> None:
    world = RoomWorld()
    booked = await world.book()
    await world.ready(booked)
    first, second = (asyncio.ensure_future(who(world, booked.room)) for _ in range(2))
    for _ in range(4):
        await asyncio.sleep(0)
    first.cancel()
    assert await second == []


async def test_who_may_ask_is_looked_up_once_in_five_seconds() -> None:
    world = RoomWorld()
    room = (await world.book(0, 60)).room
    world.clock.advance(minutes=70)
    world.clock.advance(seconds=-2)

    async def reads(caller: Any, *, may: bool) -> int:
        world.faults.set(none)
        outcome = await asyncio.gather(who(world, room, caller), return_exceptions=True)
        assert (outcome == [[]]) is may
        return sum(call.args[0] == "Calendar" for call in world.faults.calls)

    assert await reads(ALICE, may=True) > 0
    assert await reads(BOB, may=False) > 0, "one's right is not another's"
    world.clock.advance(seconds=4.9)
    assert await reads(ALICE, may=True) == await reads(BOB, may=False) == 0
    world.clock.advance(seconds=0.1)
    assert await reads(ALICE, may=False) > 0, "the door has closed meanwhile"
    assert await reads(BOB, may=False) > 0


async def test_few_rooms_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(participants, "MOST", 2)
    world = RoomWorld()
    janus = await world.elsewhere()
    rooms = [await world.room() for _ in range(3)]
    for room in rooms:
        await who(world, room)
    for room, calls in zip(reversed(rooms), (1, 1, 2), strict=True):
        await who(world, room)
        assert asked(janus, room) == calls
