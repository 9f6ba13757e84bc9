"""A booking: never twice, never above what the machines carry, never lost with an answer."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.bookings import contention
from shared.bookings.models import RoomCreate
from shared.events.catalogue import Audit
from shared.janus.port import JanusError
from shared.platform.ids import Ids
from shared.platform.once import IN_FLIGHT, Replay
from shared.platform.problems import Problem
from shared.platform.tables import Conflict, StorageUnavailable
from tests.world import ADMIN, ALICE, BOB, EVE, World

DAY = "00|20260610"


async def test_books_a_new_room_and_answers_its_password() -> None:
    world = World()
    booked = await world.book(60)
    room = await world.services.rooms.get(ALICE, booked.room.room_id)
    assert room[0].size == 2
    assert room[1] is True
    assert len(world.services.bookings.password(booked.room)) == 12
    assert str(booked.booking.booking_id).startswith("2026061000")


async def test_a_free_room_is_found_before_one_is_created() -> None:
    world = World()
    first = await world.book(60)
    later = await world.book(600)
    assert later.room.room_id == first.room.room_id
    assert len(world.rows("Rooms", "acme|00")) == 1


async def test_a_found_room_keeps_apart_those_who_leave_late_and_those_who_come_early() -> None:
    world = World()
    first = await world.book(60, 60)
    next_to_it = await world.book(120 + 19, 60)
    apart = await world.book(120 + 20, 60)
    assert next_to_it.room.room_id != first.room.room_id
    assert apart.room.room_id == first.room.room_id


async def test_rooms_of_other_sizes_and_tenants_are_not_found() -> None:
    world = World()
    await world.services.rooms.create(ALICE, RoomCreate(max_participants=4))
    await world.book(60, who=EVE)
    booked = await world.book(600)
    assert booked.room.size == 2
    assert len(world.rows("Rooms", "acme|00", "0")) == 2


async def test_the_room_asked_for() -> None:
    world = World()
    room = await world.services.rooms.create(ALICE, RoomCreate(max_participants=4))
    booked = await world.book(60, room=room.room_id)
    assert booked.room.room_id == room.room_id
    back_to_back = await world.book(120, room=room.room_id)
    assert back_to_back.room.room_id == room.room_id


@pytest.mark.parametrize("start", [60, 90, 30, 119])
async def test_a_room_that_is_taken_is_a_409(start: float) -> None:
    world = World()
    booked = await world.book(60)
    with pytest.raises(Problem) as problem:
        await world.book(start, room=booked.room.room_id)
    assert (problem.value.status, problem.value.code) == (409, "room_taken")


async def test_a_room_that_is_unknown_or_foreign_is_a_404() -> None:
    world = World()
    booked = await world.book(60)
    for who, room in ((ALICE, 4711), (EVE, booked.room.room_id)):
        with pytest.raises(Problem) as problem:
            await world.book(600, who=who, room=room)
        assert (problem.value.status, problem.value.code) == (404, "room_not_found")


async def test_never_above_what_the_machines_carry() -> None:
    world = World(local_vms=1, vm_capacity=2)
    outcomes = await asyncio.gather(*(world.book(60 + n) for n in range(6)), return_exceptions=True)
    refused = [o for o in outcomes if isinstance(o, Problem)]
    assert len(outcomes) - len(refused) == 2
    assert {p.code for p in refused} == {"capacity_exhausted"}
    await world.book(60 + 60 + 5)  # half-open intervals: after the last one there is room again


async def test_a_refused_booking_leaves_nothing_in_the_list() -> None:
    world = World()
    booked = await world.book(60)
    with pytest.raises(Problem):
        await world.book(60, room=booked.room.room_id)
    assert len(world.rows("BookingIndex", "acme|alice")) == 1


@pytest.mark.parametrize(
    ("start", "minutes", "field"),
    [
        (60, 0, "end_time"),
        (60, -5, "end_time"),
        (-10, 60, "start_time"),
        (60, 24 * 60 + 1, "end_time"),
        (367 * 24 * 60, 60, "start_time"),
    ],
)
async def test_bad_intervals_name_their_field(start: float, minutes: float, field: str) -> None:
    world = World()
    with pytest.raises(Problem) as problem:
        await world.book(start, minutes)
    assert problem.value.status == 400
    assert [e.field for e in problem.value.errors] == [field]
    assert not world.tables.rows


async def test_everything_commits_together() -> None:
    world = World()
    booked = await world.book(60)
    number = booked.booking.booking_id
    keys = [rk.split("|")[0] for rk in sorted(world.tables.rows["Calendar", DAY])]
    assert keys == ["a", "b", "m", "o"]
    (event,) = world.events("booking.created")
    assert event["data"]["booking_id"] == number
    assert event["tenant"] == "acme"
    assert world.services.bookings.password(booked.room) not in str(world.tables.rows)
    await world.drain()
    assert world.left[0].audit == Audit("alice", "booking.create")


async def test_another_writer_makes_us_read_again() -> None:
    world = World()
    tries = iter([Conflict("head"), Conflict("head")])

    def fail(verb: str, table: str, pk: str) -> None:
        if verb == "commit" and table == "Calendar" and (error := next(tries, None)):
            raise error

    world.tables.fail = fail
    assert (await world.book(60)).booking.booking_id
    assert len(world.rows("Calendar", DAY, "b|")) == 1


async def test_too_much_contention_asks_to_come_back() -> None:
    world = World()

    def fail(verb: str, table: str, pk: str) -> None:
        if verb == "commit" and table == "Calendar":
            raise Conflict("head")

    world.tables.fail = fail
    with pytest.raises(Problem) as problem:
        await world.book(60)
    assert (problem.value.status, problem.value.code) == (503, "calendar_busy")
    assert problem.value.headers["Retry-After"]


@pytest.mark.parametrize("error", [Conflict("resent"), StorageUnavailable("cut")])
async def test_a_lost_answer_is_no_lost_booking(error: Exception) -> None:
    world = World()
    lost = iter([error])

    def fail(verb: str, table: str, pk: str) -> None:
        if verb == "commit!" and table == "Calendar" and (e := next(lost, None)):
            raise e

    world.tables.fail = fail
    booked = await world.book(60)
    assert world.row("Calendar", DAY, f"m|{booked.booking.booking_id}")["state"] == "active"
    assert len(world.rows("Calendar", DAY, "b|")) == 1


async def test_an_id_that_is_taken_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    first = await world.book(60)
    numbers = iter([first.booking.booking_id, 2026061000000042])
    monkeypatch.setattr(Ids, "booking_id", lambda *_: next(numbers))
    second = await world.book(600)
    assert second.booking.booking_id == 2026061000000042
    page = await world.services.bookings.own(ALICE, status=None, day=None, after="", limit=9)
    assert [b.booking_id for b in page.items] == [first.booking.booking_id, 2026061000000042]
    await world.drain()
    assert len(world.left) == 2


async def test_a_new_room_whose_row_was_lost_is_mended_from_its_booking() -> None:
    world = World()

    def fail(verb: str, table: str, pk: str) -> None:
        if verb == "commit" and table == "Rooms":
            raise StorageUnavailable("cut")

    world.tables.fail = fail
    booked = await world.book(60)
    world.tables.fail = lambda *_: None
    assert not world.rows("Rooms", "acme|00")
    await world.drain()
    room, _ = await world.services.rooms.get(ALICE, booked.room.room_id)
    assert world.services.bookings.password(room) == world.services.bookings.password(booked.room)


async def test_where_a_janus_runs_the_new_room_is_made_there_at_once() -> None:
    world = World()
    janus = await world.ready(await world.book())
    booked = await world.book(5)
    assert booked.room.room_id in janus.room_specs


async def test_a_running_janus_that_fails_is_a_503_and_leaves_no_room() -> None:
    world = World()
    janus = await world.ready(await world.book())
    before = len(world.rows("Rooms", "acme|00"))
    janus.fail_next = JanusError("no")
    with pytest.raises(Problem) as problem:
        await world.book(5)
    assert (problem.value.status, problem.value.code) == (503, "new_room_create_failed")
    janus.fail_next = JanusError("no")
    with pytest.raises(Problem) as problem:
        await world.services.rooms.create(ALICE, RoomCreate())
    assert (problem.value.status, problem.value.code) == (503, "room_create_failed")
    assert len(world.rows("Rooms", "acme|00")) == before
    assert len(world.rows("Calendar", DAY, "b|")) == 1


async def test_a_janus_that_has_just_failed_is_not_waited_for_again() -> None:
    world = World()
    janus = await world.ready(await world.book())
    janus.down = True
    janus.calls.clear()
    for _ in range(4):
        with pytest.raises(Problem):
            await world.book(5)
    assert len(janus.calls) == 1
    janus.down = False
    world.clock.advance(seconds=6)
    assert await world.book(5)


async def test_a_room_whose_row_can_not_be_written_leaves_janus_again() -> None:
    world = World()
    janus = await world.ready(await world.book())
    rooms = set(janus.room_specs)

    def fail(verb: str, table: str, pk: str) -> None:
        if verb == "commit" and table == "Rooms":
            raise ValueError("what no row can hold")

    world.tables.fail = fail
    with pytest.raises(ValueError, match="no row"):
        await world.services.rooms.create(ALICE, RoomCreate())
    assert set(janus.room_specs) == rooms


async def test_a_booking_that_loses_every_race_leaves_one_free_room() -> None:
    world = World()
    await world.ready(await world.book())
    before = len(world.rows("Rooms", "acme|00"))

    def fail(verb: str, table: str, pk: str) -> None:
        if verb == "commit" and table == "Calendar":
            raise Conflict("head")

    world.tables.fail = fail
    with pytest.raises(Problem):
        await world.book(5)
    assert len(world.rows("Rooms", "acme|00")) == before + 1


async def test_who_waits_behind_a_storage_that_hangs_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    monkeypatch.setattr(contention, "TURN", 0.01)
    hang = asyncio.Event()

    async def hangs(*_: object) -> None:
        await hang.wait()

    real = world.tables._request
    world.tables._request = hangs
    first = asyncio.create_task(world.book(60))
    await asyncio.sleep(0)
    with pytest.raises(Problem) as problem:
        await world.book(60)
    assert problem.value.code == "calendar_busy"
    world.tables._request = real
    hang.set()
    assert (await first).booking.booking_id
    assert await world.book(60), "and the next one has its turn"


async def test_no_machine_wanted_means_no_janus_asked() -> None:
    world = World()
    await world.services.rooms.create(ALICE, RoomCreate(optional_name="x"))
    await world.book(60)
    assert all(not janus.calls for janus in world.compute.janus.values())


def _once(world: World, key: str = "key") -> Any:
    return world.services.keys.once(ALICE, key, "body", lambda made: str(made.room.room_id))


async def test_a_replay_does_not_find_its_own_booking_in_the_way() -> None:
    world = World(local_vms=1, vm_capacity=1)
    room = (await world.book(600)).room.room_id
    create, request = world.services.bookings.create, world.request(60, room=room)
    await create(ALICE, request, "", _once(world))
    for later in (0, 0, 10, 90):
        world.clock.advance(minutes=later)
        with pytest.raises(Replay) as replay:
            await create(ALICE, request, "", _once(world))
        assert replay.value.answer == str(room)
    assert len(world.events("booking.created")) == 2


@pytest.mark.parametrize("refusal", [Replay, Problem])
async def test_one_that_wakes_up_after_its_key_was_taken_over_loses_nothing(
    refusal: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second request has made the booking that the first one meets: its hint stays."""
    world = World()
    request, real, stalled = world.request(120), world.tables.commit, False

    async def stall(table: str, pk: str, ops: Any) -> None:
        nonlocal stalled
        if table == "Calendar" and not stalled:
            stalled = True
            world.clock.advance(seconds=IN_FLIGHT.total_seconds() + 1)
            # Another process: it knows nothing of the turn of this one.
            other = World(tables=world.tables, queues=world.queues)
            other.clock.time = world.now
            other.services.ports.random.seed(8)
            await other.services.bookings.create(ALICE, request, "", _once(other))
        await real(table, pk, ops)

    world.tables.commit = stall
    if refusal is Replay:  # else it has been too slow to look again, and gives up
        monkeypatch.setattr(contention, "PATIENCE", 3 * IN_FLIGHT)
    with pytest.raises(refusal):
        await world.services.bookings.create(ALICE, request, "", _once(world))
    page = await world.services.bookings.own(ALICE, status=None, day=None, after="", limit=9)
    assert len(page.items) == len(world.rows("Calendar", DAY, "b|")) == 1


async def test_status_and_who_may_see_a_booking() -> None:
    world = World()
    booked = await world.book(60)
    number = booked.booking.booking_id
    get = world.services.bookings.get
    assert (await get(ALICE, number)).booking.status(world.now) == "upcoming"
    assert (await get(ADMIN, number)).booking.booker == "alice"
    for who in (BOB, EVE):
        with pytest.raises(Problem) as problem:
            await get(who, number)
        assert problem.value.status == 404
    world.clock.advance(minutes=90)
    assert (await get(ALICE, number)).booking.status(world.now) == "upcoming"
    world.clock.advance(minutes=30)
    assert (await get(ALICE, number)).booking.status(world.now) == "past"


@pytest.mark.parametrize(
    "number", [1, 4711, 20260610, 2026_06_10_00_000000, 9999999999999999, 2**53 - 1]
)
async def test_ids_that_name_nothing_are_a_404(number: int) -> None:
    with pytest.raises(Problem) as problem:
        await World().services.bookings.get(ALICE, number)
    assert problem.value.status == 404


async def test_password_is_shown_near_the_session_only() -> None:
    world = World()
    booked = await world.book(60)
    shows = world.services.bookings.shows_password
    assert not shows(booked.booking)
    world.clock.advance(minutes=30)
    assert shows(booked.booking)
    world.clock.time = datetime(2026, 6, 10, 11, 0, tzinfo=UTC)
    assert not shows(booked.booking)
