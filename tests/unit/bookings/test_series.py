"""A series: all of its bookings, or none, whoever dies in between."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any

import pytest

from shared.bookings import contention
from shared.bookings.fences import PENDING_PATIENCE
from shared.bookings.models import RoomCreate
from shared.bookings.payloads import SeriesCreate
from shared.platform.auth import Caller
from shared.platform.clock import iso
from shared.platform.once import IN_FLIGHT, Replay
from shared.platform.problems import Problem
from shared.platform.tables import Conflict, StorageUnavailable
from tests.world import ADMIN, ALICE, BOB, EVE, World

WEEKLY = "FREQ=WEEKLY;COUNT=3"
DAYS = ["00|20260610", "00|20260617", "00|20260624"]
WEEK = 7 * 24 * 60.0


class Killed(BaseException):
    pass


def kept(world: World) -> list[int]:
    return [len(world.rows("Calendar", pk, "b|")) for pk in DAYS]


async def own(world: World, who: Caller = ALICE) -> list[int]:
    page = await world.services.bookings.own(who, status=None, day=None, after="", limit=200)
    return [booking.booking_id for booking in page.items]


async def test_every_time_has_a_booking_in_one_room() -> None:
    world = World(local_vms=1, vm_capacity=1)
    made = await world.repeat(WEEKLY)
    assert kept(world) == [1, 1, 1]
    assert await own(world) == [b.booking_id for b in made.bookings]
    for booking in made.bookings:
        stored = await world.services.bookings.get(ALICE, booking.booking_id)
        assert stored.booking.room_id == made.room.room_id
        assert stored.booking.series_id == made.series_id == made.bookings[0].booking_id
    with pytest.raises(Problem):
        await world.book(60 + WEEK)
    await world.drain()
    kinds = [event.type.value for event in world.left]
    assert kinds.count("booking.created") == 3
    assert kinds.count("series.created") == 1
    (audit,) = [event.audit for event in world.left if event.audit]
    assert audit.action == "series.create"


async def test_nothing_when_one_time_is_taken() -> None:
    world = World(local_vms=1, vm_capacity=1)
    await world.book(60 + 2 * WEEK)
    with pytest.raises(Problem) as problem:
        await world.repeat(WEEKLY)
    assert problem.value.code == "capacity_exhausted"
    assert kept(world) == [0, 0, 1]
    assert len(await own(world)) == 1


async def test_a_room_that_is_free_every_time() -> None:
    world = World()
    await world.book(10)
    first = await world.book(60 + WEEK, who=BOB)
    made = await world.repeat(WEEKLY)
    assert made.room.room_id != first.room.room_id
    room = await world.services.rooms.create(ALICE, RoomCreate())
    await world.book(60 + 2 * WEEK, room=room.room_id)
    with pytest.raises(Problem) as problem:
        await world.repeat(WEEKLY, room=room.room_id)
    assert problem.value.code == "room_taken"


async def test_across_midnight_each_time() -> None:
    world = World(local_vms=1, vm_capacity=1)
    await world.repeat("FREQ=DAILY;COUNT=3", 14.5 * 60, 60)
    for day in ("00|20260610", "00|20260611", "00|20260612", "00|20260613"):
        claims = world.rows("Calendar", day, "b|")
        assert claims
        assert all(claim["fence"] == "" for claim in claims)
    with pytest.raises(Problem):
        await world.book(24 * 60 + 15 * 60, 20)


def _killed_at(world: World, nth: int, when: str) -> None:
    count = 0

    def fail(verb: str, table: str, pk: str) -> None:
        nonlocal count
        count += verb == when
        if verb == when and count == nth:
            raise Killed

    world.tables.fail = fail


@pytest.mark.parametrize("when", ["commit", "commit!"])
@pytest.mark.parametrize("nth", range(1, 14))
async def test_a_crash_at_any_commit_leaves_all_or_nothing(nth: int, when: str) -> None:
    world = World(local_vms=1, vm_capacity=1)
    _killed_at(world, nth, when)
    made = None
    with contextlib.suppress(Killed):
        made = await world.repeat(WEEKLY)
    world.tables.fail = lambda *_: None
    world.clock.advance(seconds=PENDING_PATIENCE.total_seconds() + 1)
    await world.services.sweeper.run()
    await world.drain()
    assert kept(world) in ([0, 0, 0], [1, 1, 1])
    assert len(await own(world)) == sum(kept(world))
    created = [event for event in world.left if event.type.value == "booking.created"]
    assert len(created) == sum(kept(world))
    if made:
        assert kept(world) == [1, 1, 1]
    loose = [c for pk in DAYS for c in world.rows("Calendar", pk, "b|") if c["loose"]]
    assert not loose


@pytest.mark.parametrize("error", [Conflict("resent"), StorageUnavailable("cut")])
async def test_a_lost_answer_of_the_home_is_a_success(error: Exception) -> None:
    world = World()
    lost = iter([None, None, error])

    def fail(verb: str, table: str, pk: str) -> None:
        if verb == "commit!" and table == "Calendar" and (e := next(lost, None)):
            raise e

    world.tables.fail = fail
    await world.repeat(WEEKLY)
    assert kept(world) == [1, 1, 1]


async def test_nobody_sees_a_booking_of_a_series_that_is_not_decided() -> None:
    world = World()
    _killed_at(world, 5, "commit")
    with pytest.raises(Killed):
        await world.repeat(WEEKLY)
    world.tables.fail = lambda *_: None
    pending = [m for pk in DAYS for m in world.rows("Calendar", pk, "m|")]
    assert pending
    for row in pending:
        with pytest.raises(Problem):
            await world.services.bookings.get(ALICE, row["booking_id"])


async def test_other_ids_when_somebody_has_ours() -> None:
    world = World()
    await world.repeat(WEEKLY)
    world.services.ports.random.seed(7)
    again = World(tables=world.tables, queues=world.queues)
    made = await again.repeat(WEEKLY, start=300)
    assert len({b.booking_id for b in made.bookings}) == 3
    assert kept(world) == [2, 2, 2]


async def test_a_key_makes_one_series() -> None:
    world = World()

    def once() -> object:
        keys = world.services.keys
        return keys.once(ALICE, "key", "same", lambda made: str(made.series_id))

    made = await world.repeat(WEEKLY, once=once())
    with pytest.raises(Replay) as replay:
        await world.repeat(WEEKLY, once=once())
    assert replay.value.answer == str(made.series_id)
    assert kept(world) == [1, 1, 1]


@pytest.mark.parametrize("refusal", [Replay, Problem])
async def test_one_that_wakes_up_after_its_key_was_taken_over_loses_nothing(
    refusal: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    real, stalled = world.tables.commit, False
    start = world.now

    def once(where: World) -> Any:
        return where.services.keys.once(ALICE, "key", "same", lambda made: str(made.series_id))

    async def stall(table: str, pk: str, ops: Any) -> None:
        nonlocal stalled
        if table == "Calendar" and not stalled:
            stalled = True
            other = World(tables=world.tables, queues=world.queues)
            other.services.ports.random.seed(8)
            world.clock.advance(seconds=IN_FLIGHT.total_seconds() + 1)
            series = SeriesCreate(
                start_time=start + timedelta(minutes=60),
                end_time=start + timedelta(minutes=120),
                time_zone="UTC",
                rrule=WEEKLY,
            )
            other.clock.time = world.now
            await other.services.series.create(ALICE, series, "", once(other))
        await real(table, pk, ops)

    world.tables.commit = stall
    if refusal is Replay:  # else it has been too slow to look again, and gives up
        monkeypatch.setattr(contention, "PATIENCE", 3 * IN_FLIGHT)
    with pytest.raises(refusal):
        await world.repeat(WEEKLY, once=once(world))
    assert kept(world) == [1, 1, 1]
    assert len(await own(world)) == 3


async def test_a_replay_after_the_first_time_has_come() -> None:
    world = World()
    request = SeriesCreate(
        start_time=world.now + timedelta(minutes=60),
        end_time=world.now + timedelta(minutes=120),
        time_zone="UTC",
        rrule=WEEKLY,
    )
    keys, create = world.services.keys, world.services.series.create
    await create(ALICE, request, "", keys.once(ALICE, "key", "same", str))
    world.clock.advance(hours=2)
    with pytest.raises(Replay):
        await create(ALICE, request, "", keys.once(ALICE, "key", "same", str))


async def test_a_booking_that_can_not_be_confirmed_now_keeps_its_other_day() -> None:
    """The series was committed: its claims hold, whatever storage does just now."""
    world = World(local_vms=1, vm_capacity=1)

    def dies(verb: str, table: str, pk: str) -> None:
        if verb == "commit!" and pk == DAYS[0]:  # the home has decided
            raise Killed

    world.tables.fail = dies
    with pytest.raises(Killed):
        await world.repeat("FREQ=DAILY;COUNT=3", 14.5 * 60, 60)
    world.clock.advance(seconds=PENDING_PATIENCE.total_seconds() + 1)

    def fail(verb: str, table: str, pk: str) -> None:
        if verb == "commit" and pk == "00|20260611":
            raise StorageUnavailable("cut")

    world.tables.fail = fail
    slot = 24 * 60 + 15 * 60.0
    with pytest.raises(StorageUnavailable):
        await world.book(slot, 20)
    world.tables.fail = lambda *_: None
    with pytest.raises(Problem):
        await world.book(slot, 20)


async def test_who_may_see_it() -> None:
    world = World()
    made = await world.repeat(WEEKLY)
    get = world.services.series.get
    assert len((await get(ALICE, made.series_id))[1]) == 3
    assert await get(ADMIN, made.series_id)
    for other in (BOB, EVE):
        with pytest.raises(Problem) as problem:
            await get(other, made.series_id)
        assert problem.value.code == "series_not_found"


async def test_cancelling_the_rest() -> None:
    world = World()
    made = await world.repeat(WEEKLY)
    ids = [b.booking_id for b in made.bookings]
    world.clock.advance(minutes=WEEK + 1)
    answer = await world.services.series.cancel(ALICE, made.series_id, "")
    assert answer.cancelled == ids[2:]
    assert [(k.booking_id, k.code) for k in answer.kept] == [
        (ids[0], "booking_started"), (ids[1], "cancel_too_late"),
    ]  # fmt: skip
    again = await world.services.series.cancel(ALICE, made.series_id, "")
    assert again.cancelled == [], "cancelling twice changes nothing"
    assert again.kept == answer.kept


async def test_one_of_them_moves_alone() -> None:
    world = World()
    made = await world.repeat(WEEKLY)
    second = await world.services.bookings.get(ALICE, made.bookings[1].booking_id)
    await world.move(second, 300 + WEEK)
    _, bookings = await world.services.series.get(ALICE, made.series_id)
    assert [iso(b.start) for b in bookings][1] == "2026-06-17T14:00:00Z"
    assert kept(world) == [1, 1, 1]
