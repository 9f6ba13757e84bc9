"""A process that dies at any await of any operation: nothing is lost, doubled or stuck afterwards.

Every operation is run once to count its calls of storage, queues and Janus, then once for each of
them with a process that dies before the call, and once with one that dies after it.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from shared.bookings.claims import partitions
from shared.bookings.models import Booking, State
from shared.events.catalogue import DomainEvent
from shared.platform.clock import iso
from shared.platform.ids import PLATFORM_TENANT
from shared.platform.once import Replay
from shared.platform.problems import Problem
from tests.fakes.faults import When, none
from tests.unit.bookings.crashing import NINE, SCENARIOS, Crashing, Scenario
from tests.world import BOB

SETTLED = 150
"""Seconds: longer than pending claims, pointers without a row, and keys in flight are respected."""


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
async def test_a_crash_at_any_await(scenario: Scenario) -> None:
    calls = await _clean(scenario)
    assert calls >= 3
    for nth in range(1, calls + 1):
        for when in ("before", "after"):
            try:
                await _crash(scenario, nth, when)
            except BaseException as error:
                error.add_note(f"{scenario.name}: killed {when} call {nth} of {calls}")
                raise


async def _clean(scenario: Scenario) -> int:
    """How many calls a run makes that nothing happens to; the checks must hold for it too."""
    world = Crashing()
    made = await scenario.prepare(world, None)
    before = len(world.own())
    world.faults.set(none)
    await scenario.act(world, made)
    calls = len(world.faults.calls)
    await _settle(world)
    await _check_bookings(world, scenario, before)
    assert before or len(world.own()) == len(scenario.slots)
    await _check_slots(world, scenario)
    await _check_fleet(world)
    return calls


async def _crash(scenario: Scenario, nth: int, when: When) -> None:
    world = Crashing()
    made = await scenario.prepare(world, None)
    before = len(world.own())
    world.faults.kill(nth, when)
    await world.faults.until_death(scenario.act(world, made))
    await _settle(world)
    await _check_bookings(world, scenario, before)
    if scenario.again:
        await _again(world, scenario, made)
        await _check_bookings(world, scenario, before)
    await _check_slots(world, scenario)
    await _check_fleet(world)


async def _settle(world: Crashing) -> None:
    """What happens by itself: messages are handled, the sweeper runs once, and its events leave."""
    world.clock.advance(seconds=SETTLED)
    await world.drain()
    await world.services.sweeper.run()
    assert not [claim for claim in world.claims() if claim[-1]], "no claim waits any more"
    await world.drain()


async def _again(world: Crashing, scenario: Scenario, made: Any) -> None:
    """The caller tries again, with the same key or, to cancel, without."""
    assert scenario.again
    before = world.own()
    try:
        await scenario.again(world, made)
    except Replay:
        assert before, "an answer of something that was made"
    assert len(world.own()) == len(scenario.slots)
    assert not before or [b.booking_id for b in before] == [b.booking_id for b in world.own()]
    await world.drain()


async def _check_bookings(world: Crashing, scenario: Scenario, before: int) -> None:
    bookings = world.bookings()
    assert all(b.state is not State.PENDING for b in bookings.values())
    assert world.claims() == _expected(bookings), "no claim is lost, doubled or stuck"
    own = world.own()
    assert await world.listed() == [b.booking_id for b in own]
    assert len(own) == before or (before == 0 and len(own) == len(scenario.slots))
    _check_events(world, bookings)


def _expected(bookings: dict[int, Booking]) -> list[tuple[Any, ...]]:
    return sorted(
        (pk, b.booking_id, b.room_id, b.attempt, iso(b.start), iso(b.end), "")
        for b in bookings.values()
        if b.state is not State.CANCELLED
        for pk in partitions(0, b.start, b.end)
    )


def _check_events(world: Crashing, bookings: dict[int, Booking]) -> None:
    """One event for each change, and none for what did not come to be."""
    told: dict[int, list[DomainEvent]] = {number: [] for number in bookings}
    for event in world.left:
        # Operators' own (`booking.not_ready`) tell of machines.
        if event.type.value.startswith("booking.") and event.tenant != PLATFORM_TENANT:
            told[event.data["booking_id"]].append(event)
    for number, booking in bookings.items():
        kinds = Counter(event.type.value for event in told[number])
        assert kinds.pop("booking.created") == 1
        assert kinds.pop("booking.cancelled", 0) == (booking.state is State.CANCELLED)
        assert kinds.pop("booking.ended", 0) == (booking.state is State.ENDED)
        changes = booking.sequence - (booking.state is not State.ACTIVE)
        moves = kinds.pop("booking.rescheduled", 0) + kinds.pop("booking.extended", 0)
        assert moves == changes
        assert not kinds


async def _check_slots(world: Crashing, scenario: Scenario) -> None:
    """As many as the machines still carry can book what the operation took or freed."""
    for start, minutes in scenario.slots:
        free = world.settings.pool_capacity - _peak(world, start, minutes)
        for _ in range(free):
            await world.book(start, minutes, who=BOB)
        with pytest.raises(Problem) as problem:
            await world.book(start, minutes, who=BOB)
        assert problem.value.code == "capacity_exhausted"


def _peak(world: Crashing, start: float, minutes: float) -> int:
    moments = [NINE + timedelta(minutes=start + n) for n in range(int(minutes))]
    alive = [b for b in world.bookings().values() if b.state is not State.CANCELLED]
    return max(sum(b.start <= at < b.end for b in alive) for at in moments)


async def _check_fleet(world: Crashing) -> None:
    """While a booking runs, it has its place on a machine, with its times and its room."""
    for booking in world.own():
        world.clock.time = max(world.now, booking.start + timedelta(minutes=1))
        for _ in range(3):
            await world.tick()
        placed = {(p["booking_id"], p["room_id"]) for p in world.rows("Fleet", "00", "p|")}
        alive = [b for b in world.bookings().values() if b.state is State.ACTIVE]
        lead, grace = world.settings.vm_lead, world.settings.join_grace
        now = world.now
        running = {(b.booking_id, b.room_id) for b in alive if b.start <= now < b.end}
        due = {(b.booking_id, b.room_id) for b in alive if b.start - lead <= now < b.end + grace}
        assert running <= placed <= due
