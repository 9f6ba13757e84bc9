"""Bookings across midnight: pending claims, one decision, and whoever comes back late obeys it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.bookings.fences import PENDING_PATIENCE
from shared.platform.problems import Problem
from shared.platform.tables import Conflict, StorageUnavailable
from tests.world import ALICE, World

HOME, NEXT = "00|20260610", "00|20260611"
LATE = 14 * 60.0
"""23:00 on the first day: the test clock stands at 09:00."""


class Killed(BaseException):
    """The process dies here: no `except Exception` sees it."""


async def test_both_days_know_of_it() -> None:
    world = World()
    booked = await world.book(LATE, 120)
    for pk in (HOME, NEXT):
        (claim,) = world.rows("Calendar", pk, "b|")
        assert claim["booking_id"] == booked.booking.booking_id
        assert claim["fence"] == "", "it waits for no decision any more"
    assert [d["decision"] for d in world.rows("Calendar", HOME, "d|")] == ["committed"]


@pytest.mark.parametrize("start", [LATE + 30, LATE + 90])
async def test_it_blocks_its_room_on_both_days(start: float) -> None:
    world = World()
    booked = await world.book(LATE, 120)
    with pytest.raises(Problem) as problem:
        await world.book(start, 15, room=booked.room.room_id)
    assert problem.value.code == "room_taken"


async def test_one_that_ends_at_midnight_stays_on_its_day() -> None:
    world = World()
    await world.book(LATE, 60)
    assert ("Calendar", NEXT) not in world.tables.rows


def _killed_at(world: World, nth: int, when: str) -> None:
    """The process dies before (`commit`) or after (`commit!`) its nth commit to the calendar."""
    count = 0

    def fail(verb: str, table: str, pk: str) -> None:
        nonlocal count
        if table != "Calendar" or verb != when:
            return
        count += 1
        if count == nth:
            raise Killed

    world.tables.fail = fail


@pytest.mark.parametrize("when", ["commit", "commit!"])
@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_crash_at_any_commit_leaves_all_or_nothing(nth: int, when: str) -> None:
    world = World(local_vms=1, vm_capacity=1)
    _killed_at(world, nth, when)
    with pytest.raises(Killed):
        await world.book(LATE, 120)
    world.tables.fail = lambda *_: None
    stands = bool(world.rows("Calendar", HOME, "m|"))
    world.clock.advance(seconds=PENDING_PATIENCE.total_seconds() + 1)
    # The other day is tried first: a claim left pending there must obey the home's decision.
    if stands:
        with pytest.raises(Problem):
            await world.book(LATE + 70, 15)
    else:
        await world.book(LATE + 70, 15)
        await world.book(LATE + 10, 15)


async def test_a_young_pending_claim_is_respected() -> None:
    world = World(local_vms=1, vm_capacity=1)
    _killed_at(world, 2, "commit")
    with pytest.raises(Killed):
        await world.book(LATE, 120)
    world.tables.fail = lambda *_: None
    with pytest.raises(Problem) as problem:
        await world.book(LATE + 70, 15)
    assert problem.value.code == "capacity_exhausted"


async def test_a_slow_writer_that_comes_back_after_its_expiry_does_not_double_book() -> None:
    """The fence: expiring writes `aborted` at the home first, so the late commit fails there."""
    world = World(local_vms=1, vm_capacity=1)
    other: list[int] = []
    commits = 0

    real = world.tables.commit

    async def stall(table: str, pk: str, ops: list[object]) -> None:
        nonlocal commits
        commits += table == "Calendar"
        if table == "Calendar" and commits == 2 and not other:
            world.clock.advance(seconds=PENDING_PATIENCE.total_seconds() + 1)
            other.append(0)
            rival = await world.book(LATE - world_minutes(world) + 70, 15)
            other[0] = rival.booking.booking_id
        await real(table, pk, ops)

    world.tables.commit = stall
    with pytest.raises(Problem) as problem:
        await world.book(LATE, 120)
    assert problem.value.code == "capacity_exhausted"
    assert [c["booking_id"] for c in world.rows("Calendar", NEXT, "b|")] == other
    assert not world.rows("Calendar", HOME, "b|")


def world_minutes(world: World) -> float:
    """How far the clock has moved since the test began."""
    start = world.now.replace(hour=9, minute=0, second=0)
    return (world.now - start) / timedelta(minutes=1)


@pytest.mark.parametrize("error", [Conflict("resent"), StorageUnavailable("cut")])
async def test_a_lost_answer_of_the_home_is_a_success(error: Exception) -> None:
    world = World()
    lost = iter([None, error])

    def fail(verb: str, table: str, pk: str) -> None:
        if verb == "commit!" and table == "Calendar" and (e := next(lost, None)):
            raise e

    world.tables.fail = fail
    booked = await world.book(LATE, 120)
    assert world.rows("Calendar", NEXT, "b|")[0]["booking_id"] == booked.booking.booking_id
    assert len(world.rows("Calendar", HOME, "m|")) == 1


async def test_a_room_that_we_choose_keeps_apart_across_midnight_too() -> None:
    world = World()
    until_midnight = await world.book(LATE, 59)
    after = await world.book(LATE + 60, 60)
    assert after.room.room_id != until_midnight.room.room_id


@pytest.mark.parametrize("crash", [False, True])
async def test_ending_early_frees_the_rest_of_the_other_day(crash: bool) -> None:
    world = World(local_vms=1, vm_capacity=1)
    booked = await world.book(LATE, 180)
    world.clock.advance(minutes=LATE + 75)
    if crash:
        _killed_at(world, 1, "commit!")
        with pytest.raises(Killed):
            await world.services.bookings.end(ALICE, booked.booking.booking_id, "")
        world.tables.fail = lambda *_: None
    else:
        await world.services.bookings.end(ALICE, booked.booking.booking_id, "")
    await world.book(5, 30)
    await world.book(40, 30, room=booked.room.room_id)


async def test_cancelling_frees_both_days() -> None:
    world = World(local_vms=1, vm_capacity=1)
    booked = await world.book(LATE, 120)
    await world.services.bookings.cancel(ALICE, booked.booking.booking_id, "")
    await world.book(LATE + 70, 15)
    await world.book(LATE + 10, 15)


async def test_a_crash_while_cancelling_frees_the_other_day_when_it_is_asked_for() -> None:
    world = World(local_vms=1, vm_capacity=1)
    booked = await world.book(LATE, 120)
    _killed_at(world, 1, "commit!")
    with pytest.raises(Killed):
        await world.services.bookings.cancel(ALICE, booked.booking.booking_id, "")
    world.tables.fail = lambda *_: None
    assert world.rows("Calendar", NEXT, "b|")
    await world.book(LATE + 70, 15)
