"""Whether a room is booked, without a look at every day."""

from __future__ import annotations

import pytest

from shared.bookings.room_index import CHUNK
from tests.world import ADMIN, ALICE, World

DAY = 24 * 60.0


async def booked(world: World, room_id: int) -> bool:
    return (await world.services.rooms.get(ALICE, room_id))[1]


async def test_from_the_booking_to_its_end() -> None:
    world = World()
    made = await world.book(60)
    room = made.room.room_id
    assert await booked(world, room)
    world.clock.advance(minutes=119)
    assert await booked(world, room)
    world.clock.advance(minutes=1)
    assert not await booked(world, room)


@pytest.mark.parametrize("drain", [False, True])
async def test_not_after_it_was_cancelled_or_has_moved_to_another_room(drain: bool) -> None:
    world = World()
    first = await world.book(120)
    room = first.room.room_id
    other = await world.book(120)
    if drain:
        await world.drain()
    await world.move(first, 120 + DAY, room=other.room.room_id)
    await world.services.bookings.cancel(ALICE, other.booking.booking_id, "")
    assert not await booked(world, room)
    assert await booked(world, other.room.room_id)
    await world.drain()
    assert [len(world.rows("RoomIndex", str(n))) for n in (room, other.room.room_id)] == [0, 1]


async def test_a_hint_that_a_crash_lost_comes_with_the_event() -> None:
    world = World()

    def fail(verb: str, table: str, pk: str) -> None:
        if table == "RoomIndex":
            raise ConnectionError

    world.tables.fail = fail
    made = await world.book(60)
    world.tables.fail = lambda *_: None
    assert not await booked(world, made.room.room_id)
    await world.drain()
    assert await booked(world, made.room.room_id)


async def test_a_series_counts_to_its_last_one() -> None:
    world = World()
    made = await world.repeat("FREQ=WEEKLY;COUNT=3")
    world.clock.advance(minutes=8 * DAY)
    assert await booked(world, made.room.room_id)
    world.clock.advance(minutes=8 * DAY)
    assert not await booked(world, made.room.room_id)


async def test_many_that_were_cancelled_before_one_that_was_not() -> None:
    world = World()
    first = await world.book(60)
    room = first.room.room_id
    for n in range(CHUNK + 5):
        gone = await world.book(180 + n, 1, room=room)
        await world.services.bookings.cancel(ADMIN, gone.booking.booking_id, "")
    await world.services.bookings.cancel(ADMIN, first.booking.booking_id, "")
    assert not await booked(world, room)
    await world.book(600, room=room)
    assert await booked(world, room)
