"""What an operation costs when nobody competes: how often it waits, and for how many requests."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.faults import Call, Faults
from tests.fakes.queues import FakeQueues
from tests.fakes.tables import FakeTables
from tests.world import ALICE, World


class Slow(Faults):
    """Answers all that is asked at the same time at the same time. `waits` counts those times."""

    waits = 0
    under_way = 0

    async def call(self, verb: str, method: Callable[..., Awaitable[Any]], args: Any) -> Any:
        self.calls.append(Call(len(self.calls) + 1, verb, args))
        self.waits += self.under_way == 0
        self.under_way += 1
        for _ in range(20):
            await asyncio.sleep(0)
        self.under_way -= 1
        return await method(*args)

    async def cost(self, work: Awaitable[Any]) -> tuple[int, dict[str, int]]:
        self.calls, self.waits = [], 0
        await work
        return self.waits, dict(Counter(f"{call.verb} {call.args[0]}" for call in self.calls))


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def world(slow: Slow) -> World:
    return World(slow.over(FakeTables()), slow.over(FakeQueues()))


MIDNIGHT, TOMORROW = 15 * 60.0, 24 * 60.0

BOOKING = {
    "query Calendar": 1,
    "query Rooms": 1,
    "put outbox": 1,
    "commit BookingIndex": 1,
    "commit Calendar": 1,
    "commit RoomIndex": 1,
}


async def test_a_booking_two_waits_and_six_requests(world: World, slow: Slow) -> None:
    await world.book(600)
    assert await slow.cost(world.book(60)) == (2, BOOKING)


async def test_with_a_key_one_request_more(world: World, slow: Slow) -> None:
    await world.book(600)
    once = world.services.keys.once(ALICE, "key", "body", lambda made: "made")
    create = world.services.bookings.create(ALICE, world.request(60), "", once)
    assert await slow.cost(create) == (2, BOOKING | {"commit Idempotency": 1})


async def test_a_new_room_one_request_more(world: World, slow: Slow) -> None:
    assert await slow.cost(world.book(60)) == (2, BOOKING | {"commit Rooms": 1})


async def test_across_midnight_the_other_day_first_and_last(world: World, slow: Slow) -> None:
    await world.book(600)
    await world.book(TOMORROW + 600)
    waits, requests = await slow.cost(world.book(MIDNIGHT - 30))
    assert waits == 5, "read; claim the other day; commit; make the claim firm, in two"
    assert requests == BOOKING | {"query Calendar": 2, "get Calendar": 1, "commit Calendar": 3}


async def test_the_first_of_a_day_makes_its_head_and_reads_again(world: World, slow: Slow) -> None:
    """Unless its room is a new one: nobody can be deleting that."""
    await world.book(600)
    waits, requests = await slow.cost(world.book(TOMORROW + 600))
    assert waits == 5
    twice = {"query Calendar": 2, "query Rooms": 2, "get Calendar": 1, "commit Calendar": 2}
    assert requests == BOOKING | twice


CHANGE = {"get Calendar": 1, "put outbox": 1, "commit Calendar": 1}
MOVE = CHANGE | {
    "query Calendar": 1,
    "query Rooms": 1,
    "get Rooms": 1,
    "get Calendar": 2,
    "commit RoomIndex": 1,
}


async def test_cancelling(world: World, slow: Slow) -> None:
    booked = await world.book(120)
    cancel = world.services.bookings.cancel(ALICE, booked.booking.booking_id, "")
    assert await slow.cost(cancel) == (3, CHANGE)


async def test_moving(world: World, slow: Slow) -> None:
    """The booking; the day and the rooms; hints and pointer; the commit; the booking again."""
    booked = await world.book(120)
    assert await slow.cost(world.move(booked, 300)) == (7, MOVE | {"commit BookingIndex": 2})


async def test_extending(world: World, slow: Slow) -> None:
    booked = await world.book(0)
    world.clock.advance(minutes=1)
    requests = {name: n for name, n in MOVE.items() if name != "query Rooms"}
    requests |= {"get Rooms": 2}
    assert await slow.cost(world.extend(booked, 30)) == (6, requests)


@pytest.mark.parametrize("past", [0, 40])
async def test_past_bookings_cost_nothing(world: World, slow: Slow, past: int) -> None:
    for _ in range(past):
        await world.book(0, 30)
        world.clock.time += timedelta(days=1)
    await world.book(600)
    assert await slow.cost(world.book(60)) == (2, BOOKING)
