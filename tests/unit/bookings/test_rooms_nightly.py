"""Every night: new passwords for rooms without bookings, secrets under the newest key."""

from __future__ import annotations

from datetime import timedelta

from shared.bookings.models import RoomCreate
from shared.bookings.room_rows import room_rk
from shared.platform.tables import StorageUnavailable
from tests.fakes.faults import Call, When, none
from tests.fakes.tables import FakeTables
from tests.unit.bookings.rooms_world import SHORT, RoomWorld, Standstill
from tests.unit.bookings.test_rooms_pins import reset, resettable, unfinished, verbs
from tests.world import ALICE, EVE, World


async def test_every_night_rooms_without_bookings_get_new_passwords() -> None:
    world = RoomWorld()
    free, foreign = await world.room(), (await world.book(60, 60, who=EVE)).room
    booked = (await world.book(60, 60)).room
    later = await world.room()
    await world.book(600, 60, room=later.room_id)
    rooms = (free, foreign, booked, later)
    old = [await world.pin(room) for room in rooms]
    world.clock.advance(minutes=121)
    await world.services.rooms.nightly()
    new = [await world.pin(room) for room in rooms]
    assert [a != b for a, b in zip(old, new, strict=True)] == [True, True, True, False]
    await world.drain()
    told = [e for e in world.left if e.type == "room.password_reset"]
    assert {e.data["reason"] for e in told} == {"nightly"}
    assert {e.data["room_id"] for e in told} == {free.room_id, foreign.room_id, booked.room_id}
    assert {e.audit and e.audit.actor for e in told} == {"timer:rooms_nightly"}
    assert {e.tenant for e in told} == {"acme", "evil"}


async def test_a_night_reads_the_calendar_twice_however_many_rooms_there_are() -> None:
    world = RoomWorld()
    for _ in range(5):
        await world.room()
    world.faults.set(none)
    await world.services.rooms.nightly()
    scans = [call for call in world.faults.calls if call.verb == "scan"]
    assert len([call for call in scans if call.args[0] == "Calendar"]) == 2


async def test_a_room_booked_during_the_night_keeps_its_password() -> None:
    tables = FakeTables()
    world = RoomWorld(tables)
    room = await world.room()
    kept = 0
    for nth in range(1, 16):
        booking = World(tables, **SHORT)
        booking.services.ports.random.seed(nth)
        told: list[str] = []

        async def meanwhile(booking: World = booking, told: list[str] = told) -> None:
            booked = await booking.book(60, 30, room=room.room_id)
            told.append(booking.services.bookings.password(booked.room))
            told.append(str(booked.booking.booking_id))

        night = RoomWorld(Standstill(tables, nth, meanwhile))
        night.services.ports.random.seed(100 + nth)
        await night.services.rooms.nightly()
        assert not await unfinished(world, room)
        if told:
            kept += told[0] == await world.pin(room)
            await booking.services.bookings.cancel(ALICE, int(told[1]), "")
    assert kept >= 6


async def test_one_rooms_failure_does_not_stop_the_night() -> None:
    world = RoomWorld()
    janus = await world.elsewhere()
    rooms = [await world.room() for _ in range(3)]
    old = [await world.pin(room) for room in rooms]

    def rule(call: Call, when: When) -> None:
        bad = room_rk(rooms[1].room_id)
        if call.verb == "commit" and any(op.rk == bad for op in call.args[2]):
            raise StorageUnavailable("this one")

    world.faults.set(rule)
    await world.services.rooms.nightly()
    world.faults.set(none)
    new = [await world.pin(room) for room in rooms]
    assert [a != b for a, b in zip(old, new, strict=True)] == [True, False, True]
    janus.down = True
    await world.services.rooms.nightly()
    assert new == [await world.pin(room) for room in rooms]


FIRST, SECOND = (
    "Zmlyc3QtZmlyc3QtZmlyc3QtZmlyc3QtZmlyc3QtMTI=",
    "c2Vjb25kLXNlY29uZC1zZWNvbmQtc2Vjb25kLTEyMzQ=",
)


async def test_after_a_night_an_old_key_may_go() -> None:
    tables = FakeTables()
    world = RoomWorld(tables, encryption_keys=FIRST)
    kept, free = (await world.book(300)).room, await world.room()
    pin = await world.pin(kept)
    world = RoomWorld(tables, encryption_keys=f"{SECOND},{FIRST}")
    await world.services.rooms.nightly()
    world = RoomWorld(tables, encryption_keys=SECOND)
    assert await world.pin(kept) == pin
    assert await world.pin(free)


async def test_the_answer_of_an_idempotency_key_goes_when_nobody_can_ask_for_it() -> None:
    world = RoomWorld()
    once = world.services.keys.once(ALICE, "key", "body", lambda room: "made")
    room = await world.services.rooms.create(ALICE, RoomCreate(), "", once)
    for hours, there in ((23, True), (2, False)):
        world.clock.advance(hours=hours)
        await world.services.rooms.nightly()
        stored = await world.stored(room)
        assert stored
        assert ("answer" in stored.data) is there
    assert timedelta(hours=24) < world.now - room.created_at


async def test_the_night_goes_on_with_what_was_left() -> None:
    world, room, old = await resettable()
    calls = [call.verb for call in await verbs()]
    world.faults.kill(calls.index("edit_room") + 1, "after")
    await world.faults.until_death(reset(world, room))
    world.clock.advance(minutes=11)
    await world.services.rooms.nightly()
    assert not await unfinished(world, room)
    assert await world.pin(room) != old
