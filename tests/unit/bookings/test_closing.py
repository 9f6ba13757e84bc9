"""Cancelling before the start, ending while it runs, and the lists that show it."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest

from shared.bookings import service
from shared.events.catalogue import Audit
from shared.platform.problems import Problem
from shared.platform.tables import Conflict
from tests.world import ADMIN, ALICE, BOB, EVE, World

DAY = "00|20260610"


async def test_cancelling_frees_the_slot_and_tells() -> None:
    world = World(local_vms=1, vm_capacity=1)
    booked = await world.book(120)
    number = booked.booking.booking_id
    await world.services.bookings.cancel(ALICE, number, "10.0.0.1")
    assert (await world.services.bookings.get(ALICE, number)).booking.status(world.now) == (
        "cancelled"
    )
    (event,) = world.events("booking.cancelled")
    assert event["data"]["booking_id"] == number
    await world.drain()
    audit = world.left[-1].audit
    assert audit == Audit("alice", "booking.cancel", "10.0.0.1")
    await world.book(120)


async def test_cancelling_twice_tells_once() -> None:
    world = World()
    booked = await world.book(120)
    for _ in range(2):
        await world.services.bookings.cancel(ALICE, booked.booking.booking_id, "")
    assert len(world.events("booking.cancelled")) == 1


@pytest.mark.parametrize(
    ("who", "start", "after", "status", "code"),
    [
        (BOB, 120, 0, 404, "booking_not_found"),
        (EVE, 120, 0, 404, "booking_not_found"),
        (ALICE, 59, 0, 400, "cancel_too_late"),
        (ALICE, 120, 120, 403, "booking_started"),
        (ALICE, 120, 300, 403, "booking_started"),
        (ADMIN, 120, 120, 403, "booking_started"),
    ],
)
async def test_who_may_not_cancel_when(
    who: object, start: float, after: float, status: int, code: str
) -> None:
    world = World()
    booked = await world.book(start)
    world.clock.advance(minutes=after)
    with pytest.raises(Problem) as problem:
        await world.services.bookings.cancel(who, booked.booking.booking_id, "")  # type: ignore[arg-type]
    assert (problem.value.status, problem.value.code) == (status, code)


async def test_admins_may_cancel_at_short_notice() -> None:
    world = World()
    booked = await world.book(5)
    await world.services.bookings.cancel(ADMIN, booked.booking.booking_id, "")
    assert not world.rows("Calendar", DAY, "b|")


async def test_ending_a_running_booking_frees_the_rest_of_its_time() -> None:
    world = World(local_vms=1, vm_capacity=1)
    booked = await world.book(0, 60)
    world.clock.advance(minutes=10)
    await world.services.bookings.end(ALICE, booked.booking.booking_id, "")
    await world.services.bookings.end(ALICE, booked.booking.booking_id, "")
    assert len(world.events("booking.ended")) == 1
    assert (await world.services.bookings.get(ALICE, booked.booking.booking_id)).booking.status(
        world.now
    ) == "past"
    await world.book(5)


async def test_one_that_is_ended_as_it_begins_takes_nothing() -> None:
    world = World(local_vms=1, vm_capacity=1)
    booked = await world.book(0, 60)
    await world.services.bookings.end(ALICE, booked.booking.booking_id, "")
    again = await world.book(-1, 60)
    assert again.room.room_id == booked.room.room_id


async def test_only_a_running_booking_can_be_ended() -> None:
    world = World()
    booked = await world.book(60)
    with pytest.raises(Problem) as problem:
        await world.services.bookings.end(ALICE, booked.booking.booking_id, "")
    assert (problem.value.status, problem.value.code) == (409, "booking_not_running")


async def test_a_change_in_between_asks_to_come_back_and_changes_nothing() -> None:
    world = World()
    booked = await world.book(120)

    def fail(verb: str, table: str, pk: str) -> None:
        if verb == "commit" and table == "Calendar":
            raise Conflict("etag")

    world.tables.fail = fail
    with pytest.raises(Problem) as problem:
        await world.services.bookings.cancel(ALICE, booked.booking.booking_id, "")
    assert problem.value.status == 503
    assert world.row("Calendar", DAY, f"m|{booked.booking.booking_id}")["state"] == "active"


async def _list(world: World, **filters: object) -> tuple[list[int], str]:
    wanted = {"status": None, "day": None, "after": "", "limit": 50} | filters
    page = await world.services.bookings.own(ALICE, **wanted)  # type: ignore[arg-type]
    return [b.booking_id for b in page.items], page.next


async def test_the_list_is_in_order_of_starts_and_filters() -> None:
    world = World()
    tomorrow = (await world.book(24 * 60)).booking.booking_id
    soon = (await world.book(90)).booking.booking_id
    now = (await world.book(0, 30)).booking.booking_id
    await world.book(90, who=BOB)
    await world.services.bookings.cancel(ALICE, soon, "")
    world.clock.advance(minutes=40)
    assert (await _list(world))[0] == [now, soon, tomorrow]
    assert (await _list(world, status="upcoming"))[0] == [tomorrow]
    assert (await _list(world, status="past"))[0] == [now]
    assert (await _list(world, status="cancelled"))[0] == [soon]
    assert (await _list(world, day=date(2026, 6, 10)))[0] == [now, soon]


async def test_pages_follow_each_other_whatever_the_filter() -> None:
    world = World(local_vms=20)
    numbers = [(await world.book(90 + n)).booking.booking_id for n in range(7)]
    await world.services.bookings.cancel(ALICE, numbers[1], "")
    seen: list[int] = []
    after = ""
    for _ in range(10):
        page, after = await _list(world, status="upcoming", limit=2, after=after)
        seen += page
        if not after:
            break
    assert seen == [n for n in numbers if n != numbers[1]]


async def _cancelled(world: World, limit: int) -> tuple[list[int], list[int]]:
    """The pages of all that are cancelled: how long each was, and their bookings."""
    sizes: list[int] = []
    seen: list[int] = []
    after = ""
    while not sizes or after:
        page, after = await _list(world, status="cancelled", limit=limit, after=after)
        sizes.append(len(page))
        seen += page
    return sizes, seen


async def test_a_search_reads_large_chunks_however_short_its_page() -> None:
    world = World(local_vms=20)
    numbers = [(await world.book(90 + n)).booking.booking_id for n in range(100)]
    await world.services.bookings.cancel(ALICE, numbers[-1], "")
    world.tables.requests.clear()
    assert await _list(world, status="cancelled", limit=1) == ([numbers[-1]], "")
    assert Counter(verb for verb, *_ in world.tables.requests) == {"query": 2, "get": 100}


async def test_a_search_reads_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "CHUNK", 4)
    monkeypatch.setattr(service, "MOST_READ", 6)
    world = World(local_vms=20)
    numbers = [(await world.book(90 + n)).booking.booking_id for n in range(20)]
    gone = [numbers[n] for n in (3, 5, 6, 18, 19)]
    for number in gone:
        await world.services.bookings.cancel(ALICE, number, "")
    assert await _cancelled(world, limit=1) == ([1, 1, 1, 0, 1, 1], gone)
    assert await _cancelled(world, limit=9) == ([2, 1, 0, 2], gone)
    world.tables.requests.clear()
    await _list(world, status="past", limit=1)
    assert Counter(verb for verb, *_ in world.tables.requests) == {"query": 2, "get": 6}


async def test_hints_without_a_booking_are_skipped() -> None:
    world = World()
    booked = await world.book(90)
    await world.services.bookings._index.put(
        booked.booking.__class__(
            booking_id=2026061000999999,
            tenant="acme",
            booker="alice",
            room_id=1,
            start=booked.booking.start,
            end=booked.booking.end,
            created_at=world.now,
        )
    )
    assert (await _list(world))[0] == [booked.booking.booking_id]


async def test_cancelling_while_somebody_else_changes_the_booking() -> None:
    world = World()
    booked = await world.book(120)
    others = iter([Conflict("a guest was added")])

    def fail(verb: str, table: str, pk: str) -> None:
        if verb == "commit" and table == "Calendar" and (error := next(others, None)):
            raise error

    world.tables.fail = fail
    await world.services.bookings.cancel(ALICE, booked.booking.booking_id, "")
    assert len(world.events("booking.cancelled")) == 1
