"""Deleting a room: who may, when, and that no booking is ever in a deleted room."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.bookings import claims
from shared.bookings.contention import TRIES
from shared.bookings.models import Room, RoomFilter
from shared.bookings.payloads import BookingPatch
from shared.events.catalogue import Audit
from shared.janus.port import JanusError
from shared.platform.problems import Problem
from shared.platform.tables import Conflict, Insert, StorageUnavailable
from tests.fakes.faults import Call, When, none
from tests.fakes.tables import FakeTables
from tests.unit.bookings.rooms_world import SHORT, RoomWorld, Standstill
from tests.world import ADMIN, ALICE, BOB, EVE, World

TODAY = "00|20260610"

LATE = 14 * 60
"""Minutes from now to 23:00: an hour and a half from there crosses midnight."""


async def delete(world: World, room: Room, who: Any = ADMIN) -> None:
    await world.services.rooms.delete(who, room.room_id, "10.0.0.9")


async def refused(work: Awaitable[Any]) -> tuple[int, str]:
    with pytest.raises(Problem) as problem:
        await work
    return problem.value.status, problem.value.code


async def listed(world: World) -> list[int]:
    page = await world.services.rooms.page(ADMIN, RoomFilter(), 0, 50)
    return [room.room_id for room in page.items]


async def test_a_deleted_room_is_gone_and_told_of() -> None:
    world = RoomWorld()
    room, other = await world.room(), await world.room()
    await delete(world, room)
    assert await listed(world) == [other.room_id]
    assert await refused(world.services.rooms.get(ADMIN, room.room_id)) == (404, "room_not_found")
    assert await refused(delete(world, room)) == (404, "room_not_found")
    assert (await refused(world.book(60, room=room.room_id)))[0] == 404
    (event,) = world.events("room.deleted")
    assert (event["subject"], event["data"]) == (
        f"room/{room.room_id}",
        {"room_id": room.room_id},
    )
    await world.drain()
    assert world.left[-1].audit == Audit("root", "room.delete", "10.0.0.9")


async def test_who_may_delete() -> None:
    world = RoomWorld()
    room = await world.room()
    assert await refused(delete(world, room, EVE)) == (404, "room_not_found")
    assert await refused(delete(world, room, ALICE)) == (403, "admin_only")
    assert await refused(world.services.rooms.delete(ALICE, 77, "")) == (404, "room_not_found")
    assert await listed(world) == [room.room_id]


async def test_not_while_a_booking_is_not_over() -> None:
    world = RoomWorld()
    room = await world.room()
    booked = await world.book(120, 60, room=room.room_id)
    for later in (0, 120, 59):
        world.clock.advance(minutes=later)
        assert await refused(delete(world, room)) == (409, "room_booked")
        assert await listed(world) == [room.room_id]
    world.clock.advance(minutes=1)
    await delete(world, room)
    assert (await world.services.bookings.get(ALICE, booked.booking.booking_id)).booking


async def test_a_booking_made_under_a_longer_horizon_counts() -> None:
    tables = FakeTables()
    before = World(tables)
    booked = await before.book(300 * 24 * 60)
    now = RoomWorld(tables)
    assert await refused(delete(now, booked.room)) == (409, "room_booked")


async def test_after_a_cancellation() -> None:
    world = RoomWorld()
    booked = await world.book(120)
    await world.services.bookings.cancel(ALICE, booked.booking.booking_id, "")
    await delete(world, booked.room)
    assert await listed(world) == []


async def test_every_running_janus_forgets_it() -> None:
    world = RoomWorld()
    janus = await world.elsewhere()
    room = await world.room()
    assert room.room_id in janus.room_specs
    await delete(world, room)
    assert room.room_id not in janus.room_specs


@pytest.mark.parametrize("error", [JanusError("broken", 499), None])
async def test_a_janus_that_fails_keeps_the_room(error: JanusError | None) -> None:
    world = RoomWorld()
    janus = await world.elsewhere()
    room = await world.room()
    janus.fail_next, janus.down = error, error is None
    assert await refused(delete(world, room)) == (503, "room_delete_failed")
    assert room.room_id in await listed(world)
    assert not world.events("room.deleted")
    janus.down = False
    await world.book(60, room=room.room_id)


async def test_a_marked_room_is_there_for_nobody_and_can_be_deleted_again() -> None:
    world = RoomWorld()
    room = await world.room()
    await _marked(world, room)
    assert await listed(world) == []
    assert await refused(world.services.rooms.get(ADMIN, room.room_id)) == (404, "room_not_found")
    reset = world.services.rooms.reset(ADMIN, room.room_id, "", force=True)
    assert await refused(reset) == (404, "room_not_found")
    assert (await refused(world.book(60, room=room.room_id)))[0] == 404
    assert (await world.book(60)).room.room_id != room.room_id
    await delete(world, room)
    assert await world.stored(room) is None


async def _marked(world: RoomWorld, room: Room) -> None:
    """Somebody dies right after the mark."""
    for nth in range(1, 20):
        world.faults.kill(nth, "after")
        await world.faults.until_death(delete(world, room))
        stored = await world.stored(room)
        if stored and stored.deletion:
            return
    raise AssertionError("no mark was seen")


async def test_lists_are_whole_though_marked_rooms_stand_between() -> None:
    world = RoomWorld()
    rooms = sorted([await world.room() for _ in range(6)], key=lambda room: room.room_id)
    for marked in (0, 1, 3):
        await _marked(world, rooms[marked])
    seen, after = [], 0
    for _ in range(4):
        page = await world.services.rooms.page(ADMIN, RoomFilter(), after, 1)
        seen += [room.room_id for room in page.items]
        if not page.next:
            break
        after = int(page.next)
    assert seen == [rooms[n].room_id for n in (2, 4, 5)]


# Crashes


async def test_a_crash_at_any_await_is_gone_on_from_by_whoever_asks_again() -> None:
    for nth, when in await _calls_of_a_deletion():
        world, room = await _crashed(nth, when)
        if await world.stored(room):
            await delete(world, room)
        await _is_gone(world, room)


async def test_a_crash_at_any_await_is_gone_on_from_by_the_timer() -> None:
    ends = set()
    for nth, when in await _calls_of_a_deletion():
        world, room = await _crashed(nth, when)
        stored = await world.stored(room)
        await world.services.rooms.finish()
        assert (await world.stored(room) is None) == (stored is None), "too early"
        world.clock.advance(minutes=11)
        await world.services.rooms.finish()
        if stored and not stored.deletion:
            assert room.room_id in await listed(world)
            assert await world.is_whole(room)
        else:
            await _is_gone(world, room)
        ends.add(stored.deletion is not None if stored else None)
    assert ends == {False, True, None}


async def _calls_of_a_deletion() -> list[tuple[int, Any]]:
    world, room = await _deletable()
    await delete(world, room)
    return [
        (n, when) for n in range(1, len(world.faults.calls) + 1) for when in ("before", "after")
    ]


async def _deletable() -> tuple[RoomWorld, Room]:
    world = RoomWorld()
    await world.elsewhere()
    room = await world.room()
    world.faults.set(lambda call, when: None)
    return world, room


async def _crashed(nth: int, when: Any) -> tuple[RoomWorld, Room]:
    world, room = await _deletable()
    world.faults.kill(nth, when)
    await world.faults.until_death(delete(world, room))
    return world, room


async def _is_gone(world: RoomWorld, room: Room) -> None:
    assert await world.stored(room) is None
    assert not any(room.room_id in janus.room_specs for janus in world.compute.janus.values())
    await world.drain()
    assert [e.subject for e in world.left if e.type == "room.deleted"] == [f"room/{room.room_id}"]


async def test_whatever_fails_once_a_refused_deletion_leaves_the_room() -> None:
    """At once, not when the timer comes."""
    ends = set()
    for nth, when in await _calls_of_a_deletion():
        world, room = await _deletable()
        world.fail(nth, when, lasting=False)
        deleted = await _try(delete(world, room))
        world.faults.set(none)
        if deleted:
            await _is_gone(world, room)
        else:
            assert room.room_id in await listed(world), (nth, when)
            assert await world.is_whole(room), (nth, when)
        ends.add(deleted)
    assert ends == {True, False}


async def test_whatever_fails_for_long_a_room_is_whole_or_gone_afterwards() -> None:
    ends = set()
    for nth, when in await _calls_of_a_deletion():
        world, room = await _deletable()
        world.fail(nth, when, lasting=True)
        assert not await _try(delete(world, room))
        world.faults.set(none)
        world.clock.advance(minutes=11)
        await world.services.rooms.finish()
        if room.room_id in await listed(world):
            assert await world.is_whole(room), (nth, when)
        else:
            await _is_gone(world, room)
        ends.add(await world.stored(room) is None)
    assert ends == {True, False}


async def test_a_day_that_is_booked_on_all_the_time_lets_nobody_delete() -> None:
    world = RoomWorld()
    room = await world.room()
    await _begin(world)
    pauses: list[int] = []

    async def pause(number: int) -> None:
        pauses.append(number)

    world.services.rooms._occupancy._pause = pause

    def rule(call: Call, when: When) -> None:
        if when == "before" and call.verb == "commit" and call.args[:2] == ("Calendar", TODAY):
            raise Conflict("somebody has booked")

    world.faults.set(rule)
    assert await refused(delete(world, room)) == (503, "calendar_busy")
    world.faults.set(none)
    assert sorted(pauses)[-1] == TRIES - 1
    assert pauses.count(1) == 1, "of the other days none is tried again"
    assert await listed(world) == [room.room_id]
    assert await world.is_whole(room)


async def test_a_room_that_is_kept_is_offered_again_after_a_while() -> None:
    world = RoomWorld()
    janus = await world.elsewhere()
    room = await world.room()
    janus.down = True
    assert await refused(delete(world, room)) == (503, "room_delete_failed")
    janus.down = False
    assert (await world.book(60, 10)).room.room_id != room.room_id
    world.clock.advance(minutes=15)
    wanted = {(await world.book(60, 10, who=who)).room.room_id for who in (ALICE, BOB, ADMIN)}
    assert room.room_id in wanted


async def test_so_many_deletions_that_a_day_can_name_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claims, "MOST_CLOSED", 2)
    world = RoomWorld()
    rooms = [await world.room() for _ in range(3)]
    await _begin(world)
    for room in rooms[:2]:
        await delete(world, room)
    world.faults.set(none)
    assert await refused(delete(world, rooms[2])) == (503, "calendar_busy")
    assert not [call for call in world.faults.calls if call.verb == "commit"], "before the mark"
    world.clock.advance(minutes=15)
    await delete(world, rooms[2])
    assert await listed(world) == []


async def test_one_more_deletion_at_the_same_time_is_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claims, "MOST_CLOSED", 1)
    taken_back = 0
    for nth in range(1, 40):
        tables = FakeTables()
        one, other = await _room(tables, 1), await _room(tables, 2)

        async def meanwhile(tables: FakeTables = tables, one: Room = one) -> None:
            await _try(delete(World(tables, **SHORT), one))

        still = Standstill(tables, nth, meanwhile)
        late = RoomWorld(still)
        late.faults.set(none)
        deleted = await _try(delete(late, other))
        marked = any(c.verb == "commit" and c.args[0] == "Rooms" for c in late.faults.calls)
        left = await listed(World(tables, **SHORT))
        assert (other.room_id in left) is not deleted
        if not deleted:
            assert await RoomWorld(tables).is_whole(other)
            taken_back += marked
        if still.calls < nth:
            break
    assert taken_back, "it had looked, and there was room"


async def _room(tables: FakeTables, seed: int) -> Room:
    world = RoomWorld(tables)
    world.services.ports.random.seed(seed)
    return await world.room()


def test_the_rooms_that_a_day_names_fit_into_a_property() -> None:
    now = datetime(2026, 6, 10, 9, 0, 0, 123456, tzinfo=UTC)
    full = {9_999_999_999_999_999 - n: now for n in range(claims.MOST_CLOSED)}
    day = claims.Day(TODAY, "", {}, full)
    op = day.head(now)
    assert isinstance(op, Insert)
    assert len(str(op.data["closed"])) < 20_000
    assert day.full(now)
    assert not day.full(now, next(iter(full))), "one that is named already"
    assert not day.full(now + claims.CLOSED_LIFE)


@pytest.mark.parametrize("resent", [True, False])
async def test_a_lost_answer_leaves_a_room_or_none(resent: bool) -> None:
    for nth, when in await _calls_of_a_deletion():
        world, room = await _deletable()
        world.faults.lose(nth, when, resent=resent)
        try:
            await delete(world, room)
        except Exception:
            world.faults.set(lambda call, at: None)
            world.clock.advance(minutes=11)
            await world.services.rooms.finish()
        world.faults.set(lambda call, at: None)
        stored = await world.stored(room)
        assert stored is None or not stored.unfinished


async def test_a_deletion_that_was_left_is_given_up_when_the_room_was_booked() -> None:
    """A booking that had read everything before the mark commits after the crash."""
    world = RoomWorld()
    room = await world.room()
    await _marked(world, room)
    stored = await world.stored(room)
    assert stored
    await world.services.bookings._rooms.change(stored, stored.with_deletion(None))
    booked = await world.book(60, room=room.room_id)
    again = await world.stored(room)
    assert again
    await world.services.bookings._rooms.change(again, dict(stored.data))
    world.clock.advance(minutes=11)
    await world.services.rooms.finish()
    assert await listed(world) == [room.room_id]
    assert (await world.services.bookings.room_of(await _own(world, booked))).room_id


async def _own(world: World, booked: Any) -> Any:
    return await world.services.bookings.get(ALICE, booked.booking.booking_id)


# Both at the same time

Book = Callable[[World, Room, Any], Awaitable[Any]]


async def _asked(world: World, room: Room, other: Any) -> Any:
    return await world.book(60, room=room.room_id)


async def _found(world: World, room: Room, other: Any) -> Any:
    """Its own room is taken then."""
    return await world.book(300)


async def _midnight(world: World, room: Room, other: Any) -> Any:
    return await world.book(LATE, 90, room=room.room_id)


async def _moved_here(world: World, room: Room, other: Any) -> Any:
    request = BookingPatch(room_id=room.room_id)
    return await world.services.bookings.reschedule(ALICE, other.booking.booking_id, request, "")


async def _moved_to_tomorrow(world: World, room: Room, other: Any) -> Any:
    start = world.now.replace(hour=8) + timedelta(days=1)
    number = other.booking.booking_id
    return await world.services.bookings.reschedule(
        ALICE, number, BookingPatch(start_time=start), ""
    )


BOOKINGS = [_asked, _found, _midnight, _moved_here, _moved_to_tomorrow]


async def _begin(world: World) -> None:
    """Somebody has booked on the two days: they have heads."""
    for start in (200, 16 * 60):
        await world.book(start, 5, who=EVE)


async def _stage(book: Book, *, begun: bool) -> tuple[FakeTables, Room, Any]:
    """A room, and a booking that `book` moves."""
    tables = FakeTables()
    world = World(tables, **SHORT)
    if begun:
        await _begin(world)
    other = await world.book(300)
    room = other.room if book is _moved_to_tomorrow else None
    if room is None:
        room = await RoomWorld(tables).room()
    return tables, room, other


async def _agrees(tables: FakeTables, room: Room, where: object) -> bool:
    """Whether the room is deleted; no booking that is not over may be in it then."""
    world = World(tables, **SHORT)
    world.clock.advance(minutes=11)
    await world.services.rooms.finish()
    found = await world.services.bookings.claims(0, world.now, world.now + timedelta(days=3))
    gone = await world.services.bookings._rooms.stored(room.tenant, room.room_id) is None
    booked = room.room_id in {claim.room_id for claim in found}
    assert not (gone and booked), where
    return gone


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("book", BOOKINGS)
async def test_a_deletion_while_a_booking_stands_still(book: Book, begun: bool) -> None:
    outcomes = set()
    for nth in range(1, 60):
        tables, room, other = await _stage(book, begun=begun)
        deleting = World(tables, **SHORT)
        deleting.services.ports.random.seed(nth)

        async def meanwhile(deleting: World = deleting, room: Room = room) -> None:
            await _try(delete(deleting, room))

        still = Standstill(tables, nth, meanwhile)
        booking = World(still, **SHORT)
        booking.services.ports.random.seed(1000 + nth)
        booked = await _try(book(booking, room, other))
        gone = await _agrees(tables, room, nth)
        outcomes.add((gone, booked))
        if still.calls < nth:
            break
    assert (False, True) in outcomes, "the booking is made at times"
    assert book is _moved_to_tomorrow or (True, book is _found) in outcomes, (
        "the room goes at times"
    )


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("book", BOOKINGS)
async def test_a_booking_while_a_deletion_stands_still(book: Book, begun: bool) -> None:
    outcomes = set()
    for nth in range(1, 80):
        tables, room, other = await _stage(book, begun=begun)
        booking = World(tables, **SHORT)
        booking.services.ports.random.seed(1000 + nth)

        async def meanwhile(
            booking: World = booking, room: Room = room, other: Any = other
        ) -> None:
            await _try(book(booking, room, other))

        still = Standstill(tables, nth, meanwhile)
        await _try(delete(World(still, **SHORT), room))
        outcomes.add(await _agrees(tables, room, nth))
        if still.calls < nth:
            break
    assert False in outcomes
    assert book is _moved_to_tomorrow or True in outcomes


async def _try(work: Awaitable[Any]) -> bool:
    try:
        await work
    except (Problem, Conflict, StorageUnavailable):
        return False
    return True


async def test_two_deletions_at_once() -> None:
    for nth in range(1, 60):
        tables = FakeTables()
        room = await RoomWorld(tables).room()

        async def meanwhile(tables: FakeTables = tables, room: Room = room) -> None:
            await delete(World(tables, **SHORT), room)

        still = Standstill(tables, nth, meanwhile)
        await _try(delete(World(still, **SHORT), room))
        gone = World(tables, **SHORT)
        assert await gone.services.bookings._rooms.stored("acme", room.room_id) is None
        if still.calls < nth:
            return
        assert len(gone.events("room.deleted")) == 1


async def test_a_kept_room_that_is_being_deleted_is_left() -> None:
    """The day to which a booking moves was closed, the one that it leaves not yet looked at."""
    world = RoomWorld()
    booked = await world.book(300)
    await world.services.bookings._calendar.close_room(
        booked.room.room_id, ["00|20260611"], world.now, world.services._pause
    )
    start = world.now + timedelta(hours=23)
    moved = await world.services.bookings.reschedule(
        ALICE, booked.booking.booking_id, BookingPatch(start_time=start), ""
    )
    assert moved.booking.room_id != booked.room.room_id


async def test_a_call_that_goes_on_after_its_end_does_not_bring_the_room_back() -> None:
    world = RoomWorld()
    booked = await world.book(0, 60)
    janus = await world.ready(booked)
    world.clock.advance(minutes=61)
    await delete(world, booked.room)
    assert booked.room.room_id not in janus.room_specs
    await world.tick()
    await world.drain()
    assert await world.stored(booked.room) is None
    assert booked.room.room_id not in janus.room_specs


async def test_only_days_that_somebody_has_booked_are_written() -> None:
    world = RoomWorld()
    room = await world.room()
    await _begin(world)
    world.faults.set(none)
    await delete(world, room)
    written = [
        c.args[1] for c in world.faults.calls if (c.verb, c.args[0]) == ("commit", "Calendar")
    ]
    assert sorted(written) == [TODAY, "00|20260611"]
