"""Moving a booking: never without a slot, never with two, and its id stays."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.bookings.models import RoomCreate, State
from shared.bookings.payloads import BookingPatch
from shared.platform.problems import Problem
from tests.world import ADMIN, ALICE, World

HOME, NEXT = "00|20260610", "00|20260611"
TOMORROW = 24 * 60.0
MIDNIGHT = 15 * 60.0
"""Minutes from the test clock's 09:00."""


def intervals(world: World, pk: str) -> list[tuple[str, str]]:
    return [(str(c["start"]), str(c["end"])) for c in world.rows("Calendar", pk, "b|")]


async def test_to_another_hour_of_the_day() -> None:
    world = World(local_vms=1, vm_capacity=1)
    booked = await world.book(120)
    moved = (await world.move(booked, 300)).booking
    assert moved.booking_id == booked.booking.booking_id
    assert moved.room_id == booked.room.room_id
    assert moved.start == world.now + timedelta(minutes=300)
    assert moved.sequence == 1
    assert len(intervals(world, HOME)) == 1
    await world.book(120)
    with pytest.raises(Problem):
        await world.book(300)


async def test_to_another_day_its_row_stays_at_home() -> None:
    world = World(local_vms=1, vm_capacity=1)
    booked = await world.book(120)
    await world.move(booked, TOMORROW + 120)
    assert intervals(world, HOME) == []
    assert len(intervals(world, NEXT)) == 1
    (row,) = world.rows("Calendar", HOME, "m|")
    assert row["start"].startswith("2026-06-11")
    (claim,) = await world.services.bookings.claims(0, world.now, world.now + timedelta(days=2))
    assert claim.start.day == 11
    assert not claim.pending
    back = await world.move(booked, 120)
    assert back.booking.sequence == 2
    assert len(intervals(world, HOME)) == 1
    assert intervals(world, NEXT) == []


async def test_across_midnight_and_out_of_it() -> None:
    world = World(local_vms=1, vm_capacity=1)
    booked = await world.book(120)
    await world.move(booked, MIDNIGHT - 30)
    assert len(intervals(world, HOME)) == len(intervals(world, NEXT)) == 1
    await world.move(booked, MIDNIGHT - 20)
    assert len(intervals(world, HOME)) == len(intervals(world, NEXT)) == 1
    claims = await world.services.bookings.claims(0, world.now, world.now + timedelta(days=2))
    assert len(claims) == 1
    await world.move(booked, MIDNIGHT + 10)
    assert (len(intervals(world, HOME)), len(intervals(world, NEXT))) == (0, 1)
    await world.book(MIDNIGHT - 60, 60)


async def test_a_little_later_in_its_own_slot() -> None:
    """The old claim does not stand in its own way."""
    world = World(local_vms=1, vm_capacity=1)
    booked = await world.book(120)
    moved = await world.move(booked, 150)
    assert moved.booking.room_id == booked.room.room_id


async def test_when_the_new_slot_is_taken_the_old_one_is_kept() -> None:
    world = World(local_vms=1, vm_capacity=1)
    booked = await world.book(120)
    await world.book(300)
    before = dict(world.tables.rows["Calendar", HOME])
    with pytest.raises(Problem) as problem:
        await world.move(booked, 320)
    assert (problem.value.status, problem.value.code) == (409, "capacity_exhausted")
    assert world.tables.rows["Calendar", HOME] == before


async def test_another_room_when_its_own_is_taken_unless_it_was_asked_for() -> None:
    world = World()
    booked = await world.book(120)
    await world.book(300, room=booked.room.room_id)
    moved = await world.move(booked, 300)
    assert moved.booking.room_id != booked.room.room_id
    assert await world.services.bookings.room_of(moved)
    room = await world.services.rooms.create(ALICE, RoomCreate())
    asked = await world.book(500, room=room.room_id)
    await world.book(700, room=room.room_id)
    with pytest.raises(Problem) as problem:
        await world.move(asked, 700)
    assert problem.value.code == "room_taken"


async def test_to_a_room_asked_for() -> None:
    world = World()
    booked = await world.book(120)
    room = await world.services.rooms.create(ALICE, RoomCreate(max_participants=4))
    moved = await world.move(booked, 120, room=room.room_id)
    assert moved.booking.room_id == room.room_id
    with pytest.raises(Problem) as problem:
        await world.move(booked, 120, room=77)
    assert problem.value.code == "room_not_found"


async def test_a_new_start_alone_moves_the_end_along() -> None:
    world = World()
    booked = await world.book(120, 45)
    start = booked.booking.start + timedelta(hours=2)
    number = booked.booking.booking_id
    patch = BookingPatch(start_time=start)
    moved = (await world.services.bookings.reschedule(ALICE, number, patch, "")).booking
    assert moved.end - moved.start == timedelta(minutes=45)


async def test_nothing_to_change_changes_nothing() -> None:
    world = World()
    booked = await world.book(120)
    same = await world.services.bookings.reschedule(
        ALICE, booked.booking.booking_id, BookingPatch(), ""
    )
    assert same.booking.sequence == 0
    assert not world.events("booking.rescheduled")


@pytest.mark.parametrize(
    ("advance", "who", "status", "code"),
    [
        (61, ALICE, 400, "change_too_late"),
        (120, ALICE, 403, "change_started"),
        (120, ADMIN, 403, "change_started"),
        (119, ADMIN, 0, ""),
        (59, ALICE, 0, ""),
    ],
)
async def test_until_when(advance: float, who: object, status: int, code: str) -> None:
    world = World()
    booked = await world.book(120)
    world.clock.advance(minutes=advance)
    if not status:
        assert (await world.move(booked, 200, who=who)).booking.sequence == 1  # type: ignore[arg-type]
        return
    with pytest.raises(Problem) as problem:
        await world.move(booked, 200, who=who)  # type: ignore[arg-type]
    assert (problem.value.status, problem.value.code) == (status, code)


async def test_a_cancelled_one_is_a_409_and_a_bad_interval_a_400() -> None:
    world = World()
    booked = await world.book(120)
    with pytest.raises(Problem) as problem:
        await world.move(booked, 200, -5)
    assert problem.value.status == 400
    await world.services.bookings.cancel(ALICE, booked.booking.booking_id, "")
    with pytest.raises(Problem) as problem:
        await world.move(booked, 200)
    assert (problem.value.status, problem.value.code) == (409, "booking_cancelled")


async def test_the_list_shows_it_once_where_it_is_now() -> None:
    world = World()
    booked = await world.book(120)
    other = await world.book(200)
    await world.move(booked, 400)
    page = await world.services.bookings.own(ALICE, status=None, day=None, after="", limit=10)
    numbers = [b.booking_id for b in page.items]
    assert numbers == [other.booking.booking_id, booked.booking.booking_id]


async def test_the_event_tells_from_where_to_where() -> None:
    world = World()
    booked = await world.book(120)
    await world.move(booked, 400)
    (event,) = world.events("booking.rescheduled")
    assert event["data"]["start_time"] == "2026-06-10T15:40:00Z"
    assert event["data"]["previous"]["start_time"] == "2026-06-10T11:00:00Z"
    await world.drain()
    audit = world.left[-1].audit
    assert audit
    assert (audit.actor, audit.action) == ("alice", "booking.reschedule")


async def test_cancelling_a_moved_booking_frees_the_day_it_moved_to() -> None:
    world = World(local_vms=1, vm_capacity=1)
    booked = await world.book(120)
    await world.move(booked, TOMORROW + 120)
    await world.services.bookings.cancel(ALICE, booked.booking.booking_id, "")
    assert intervals(world, NEXT) == []
    await world.book(TOMORROW + 120)


async def test_ending_a_moved_booking_frees_the_rest() -> None:
    world = World(local_vms=1, vm_capacity=1)
    booked = await world.book(120)
    await world.move(booked, TOMORROW)
    world.clock.advance(minutes=TOMORROW + 20)
    await world.services.bookings.end(ALICE, booked.booking.booking_id, "")
    await world.book(1, 30)


async def test_two_moves_of_one_booking_at_once() -> None:
    world = World(local_vms=1, vm_capacity=1)
    booked = await world.book(120)
    stale = await world.services.bookings.get(ALICE, booked.booking.booking_id)
    await world.move(booked, TOMORROW)
    mover = world.services.bookings._mover
    request = world.request(400)
    patch = BookingPatch(start_time=request.start_time, end_time=request.end_time)
    with pytest.raises(Problem) as problem:
        await mover.reschedule(ALICE, stale, patch, "")
    assert problem.value.code == "calendar_busy"
    assert len(intervals(world, NEXT)) == 1
    assert intervals(world, HOME) == []


async def test_extending_a_running_booking() -> None:
    world = World(local_vms=1, vm_capacity=1)
    booked = await world.book(0)
    world.clock.advance(minutes=50)
    longer = await world.extend(booked, 30)
    assert longer.booking.end - longer.booking.start == timedelta(minutes=90)
    assert longer.booking.state is State.ACTIVE
    with pytest.raises(Problem):
        await world.book(20)
    await world.book(40)
    (event,) = world.events("booking.extended")
    assert event["data"]["end_time"] == "2026-06-10T10:30:00Z"


async def test_extending_across_midnight() -> None:
    world = World(local_vms=1, vm_capacity=1)
    booked = await world.book(MIDNIGHT - 60, 60)
    world.clock.advance(minutes=MIDNIGHT - 10)
    await world.extend(booked, 60)
    with pytest.raises(Problem):
        await world.book(30, 15)
    again = await world.services.bookings.get(ALICE, booked.booking.booking_id)
    await world.extend(again, 60)
    assert len(intervals(world, NEXT)) == 1


async def test_not_when_something_follows_and_how_long_it_is_free() -> None:
    world = World()
    booked = await world.book(0)
    await world.book(75, room=booked.room.room_id)
    with pytest.raises(Problem) as problem:
        await world.extend(booked, 30)
    assert (problem.value.status, problem.value.code) == (409, "extend_taken")
    assert problem.value.extra["free_until"] == "2026-06-10T10:15:00Z"
    await world.extend(booked, 15)


@pytest.mark.parametrize("minutes", [-30, 24 * 60])
async def test_an_end_that_can_not_be(minutes: float) -> None:
    world = World()
    booked = await world.book(0)
    with pytest.raises(Problem) as problem:
        await world.extend(booked, minutes)
    assert problem.value.status == 400


async def test_only_a_running_booking_is_extended() -> None:
    world = World()
    booked = await world.book(60)
    with pytest.raises(Problem) as problem:
        await world.extend(booked, 30)
    assert problem.value.code == "booking_not_running"
    world.clock.advance(minutes=121)
    with pytest.raises(Problem) as problem:
        await world.extend(booked, 30)
    assert problem.value.code == "booking_not_running"


async def test_the_room_follows_a_booking_that_was_extended_and_moved() -> None:
    """The fleet keeps the room until the new end, and gives it up where the booking was."""
    world = World()
    booked = await world.book(20)
    await world.ready(booked)
    await world.move(booked, 300, who=ADMIN)
    await world.tick()
    assert not world.rows("Fleet", "00", "p|")
    running = await world.book(0)
    janus = await world.ready(running)
    await world.extend(running, 60)
    world.clock.advance(minutes=90)
    await world.tick()
    assert running.room.room_id in janus.room_specs


async def test_whoever_waits_in_the_room_is_out_when_the_booking_moves_away() -> None:
    world = World()
    booked = await world.book(20)
    janus = await world.ready(booked)
    janus.join(booked.room.room_id)
    await world.move(booked, 300, who=ADMIN)
    await world.drain()
    assert booked.room.room_id not in janus.room_specs


async def test_nobody_stays_in_the_room_that_a_booking_has_left_for_another() -> None:
    world = World()
    booked = await world.book(20)
    janus = await world.ready(booked)
    janus.join(booked.room.room_id)
    other = await world.services.rooms.create(ALICE, RoomCreate(), "")
    await world.move(booked, 20, room=other.room_id, who=ADMIN)
    await world.drain()
    await world.tick()
    assert set(janus.room_specs) == {other.room_id}


async def test_a_room_that_a_move_asked_for_is_kept_by_the_next_move() -> None:
    world = World()
    booked = await world.book(120)
    room = await world.services.rooms.create(ALICE, RoomCreate(), "")
    moved = await world.move(booked, 120, room=room.room_id)
    await world.book(300, room=room.room_id)
    with pytest.raises(Problem) as problem:
        await world.move(moved, 300)
    assert problem.value.code == "room_taken"


async def test_the_minimum_notice_is_for_a_new_start_only() -> None:
    world = World(min_notice=timedelta(hours=2), cancel_notice=timedelta(0))
    booked = await world.book(150)
    world.clock.advance(minutes=60)
    shorter = await world.move(booked, 90, 30)
    assert shorter.booking.end - shorter.booking.start == timedelta(minutes=30)
    with pytest.raises(Problem) as problem:
        await world.move(booked, 100, 30)
    assert problem.value.status == 400


async def test_extending_mends_the_room_that_was_born_with_the_booking() -> None:
    world = World()
    booked = await world.book(0)
    del world.tables.rows["Rooms", "acme|00"]
    assert (await world.extend(booked, 30)).booking.sequence == 1


async def test_a_room_of_another_pool_does_not_exist_here() -> None:
    world = World()
    other = World(pool=1, tables=world.tables, queues=world.queues)
    room = await other.services.rooms.create(ALICE, RoomCreate(), "")
    with pytest.raises(Problem) as problem:
        await world.book(60, room=room.room_id)
    assert problem.value.code == "room_not_found"
