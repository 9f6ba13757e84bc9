"""A process that dies at any await of any operation: nothing is lost, doubled or stuck afterwards.

Every operation is run once to count its calls of storage, queues and Janus, then once for each of
them with a process that dies before the call, and once with one that dies after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from shared.bookings.claims import partitions
from shared.bookings.models import Booking, State
from shared.bookings.payloads import BookingCreate
from shared.bookings.rows import stored_booking
from shared.events.catalogue import DomainEvent
from shared.platform.clock import iso
from shared.platform.once import Once, Replay
from shared.platform.problems import Problem
from tests import world as worlds
from tests.fakes.faults import Faults, When, none
from tests.fakes.queues import FakeQueues
from tests.fakes.tables import FakeTables
from tests.world import ALICE, BOB, World

NINE = datetime(2026, 6, 10, 9, tzinfo=UTC)
"""Where the test clock stands; the minutes below are from here."""

MIDNIGHT, TOMORROW, DAY_AFTER, WEEK = 15 * 60.0, 24 * 60.0, 48 * 60.0, 7 * 24 * 60.0
SETTLED = 150
"""Seconds: longer than pending claims, pointers without a row, and keys in flight are respected."""

Act = Callable[[World, Any], Awaitable[Any]]


class Crashing(World):
    """A world whose storage, queues and Janus can kill the process."""

    def __init__(self) -> None:
        self.faults = Faults()
        over = self.faults.over
        super().__init__(over(FakeTables()), over(FakeQueues()), local_vms=1, vm_capacity=2)
        janus = self.compute.janus
        janus.update({name: over(each) for name, each in janus.items()})

    def once(self) -> Once[Any]:
        return self.services.keys.once(ALICE, "key", "body", lambda made: "made")

    async def create(self, start: float, minutes: float = 60, room: int | None = None) -> Any:
        request = self.request(start, minutes, room)
        return await self.services.bookings.create(ALICE, request, "", self.once())

    def request(
        self, start: float = 0, minutes: float = 60, room: int | None = None
    ) -> BookingCreate:
        """`start` in minutes from nine, whatever the time."""
        begin = NINE + timedelta(minutes=start)
        return BookingCreate(
            start_time=begin, end_time=begin + timedelta(minutes=minutes), room_id=room
        )

    def own(self) -> list[Booking]:
        """In the order of Alice's list."""
        own = [b for b in self.bookings().values() if b.booker == ALICE.sub]
        return sorted(own, key=lambda b: (b.start, b.booking_id))

    def bookings(self) -> dict[int, Booking]:
        rows = [
            row
            for (table, _), found in self.tables.rows.items()
            for rk, row in found.items()
            if table == "Calendar" and rk.startswith("m|")
        ]
        found = (stored_booking(row).booking for row in rows)
        return {booking.booking_id: booking for booking in found}

    def claims(self) -> list[tuple[Any, ...]]:
        return sorted(
            (pk, c["booking_id"], c["room_id"], c["attempt"], c["start"], c["end"], c["fence"])
            for table, pk in self.tables.rows
            if table == "Calendar"
            for c in self.rows(table, pk, "b|")
        )

    async def listed(self) -> list[int]:
        page = await self.services.bookings.own(ALICE, status=None, day=None, after="", limit=200)
        return [booking.booking_id for booking in page.items]


@dataclass(frozen=True)
class Scenario:
    """`slots` are what `act` takes or frees, as (start, minutes); `again` is what a caller who
    can does after the crash."""

    name: str
    prepare: Act
    act: Act
    slots: tuple[tuple[float, float], ...]
    again: Act | None = None


async def nothing(world: World, made: Any) -> None:
    return None


async def last_week(world: World, made: None) -> Any:
    """There is a room, and the day has been booked on."""
    return await world.book(600, 30, who=BOB)


async def running(world: World, made: None) -> Any:
    booked = await world.book(0, 240, who=BOB)
    await world.ready(booked)
    return booked


def booked(start: float, minutes: float = 60) -> Act:
    return lambda world, made: world.book(start, minutes)


def moved_away(start: float, to: float, minutes: float = 60) -> Act:
    async def prepare(world: World, made: None) -> Any:
        return await world.move(await world.book(start), to, minutes)

    return prepare


def late_runner(start: float) -> Act:
    async def prepare(world: World, made: None) -> Any:
        return await world.book(start)

    return prepare


async def weekly(world: World, made: None) -> Any:
    return await world.repeat("FREQ=WEEKLY;COUNT=3", 120)


async def nightly(world: World, made: None) -> Any:
    return await world.repeat("FREQ=DAILY;COUNT=3", MIDNIGHT - 30)


def cancel(world: World, made: Any) -> Awaitable[Any]:
    return world.services.bookings.cancel(ALICE, made.booking.booking_id, "")


async def extend(world: World, made: Any) -> None:
    world.clock.time = made.booking.start + timedelta(minutes=10)
    await world.extend(made, 60)


async def end(world: World, made: Any) -> None:
    world.clock.time = made.booking.start + timedelta(minutes=10)
    await world.services.bookings.end(ALICE, made.booking.booking_id, "")


async def end_after_midnight(world: World, made: Any) -> None:
    world.clock.time = made.booking.start + timedelta(minutes=40)
    await world.services.bookings.end(ALICE, made.booking.booking_id, "")


def move(to: float, minutes: float = 60) -> Act:
    return lambda world, made: world.move(made, to, minutes)


async def two_rooms(world: World, made: None) -> Any:
    await world.book(115, who=BOB)
    await world.book(600, who=BOB)
    own = await world.book(120)
    world.other = (await world.book(600, who=BOB)).room  # type: ignore[attr-defined]
    return own


async def to_another_room(world: World, made: Any) -> None:
    await world.move(made, 300, room=world.other.room_id)  # type: ignore[attr-defined]


async def where_its_room_is_taken(world: World, made: None) -> Any:
    own = await world.book(120)
    await world.book(300, who=BOB, room=own.room.room_id)
    return own


def keyed(start: float, minutes: float = 60) -> Act:
    return lambda world, made: world.create(start, minutes)  # type: ignore[attr-defined]


def keyed_room(world: World, made: Any) -> Awaitable[Any]:
    return world.create(120, 60, made.room.room_id)  # type: ignore[attr-defined]


def series(rule: str, start: float) -> Act:
    return lambda world, made: world.repeat(rule, start)


async def keyed_series(world: World, made: Any) -> Any:
    once = world.once()  # type: ignore[attr-defined]
    return await world.repeat("FREQ=WEEKLY;COUNT=3", 120, once=once)


def cancel_series(world: World, made: Any) -> Awaitable[Any]:
    return world.services.series.cancel(ALICE, made.series_id, "")


WEEKS = ((120.0, 60.0), (120 + WEEK, 60.0), (120 + 2 * WEEK, 60.0))
NIGHTS = tuple((MIDNIGHT - 30 + n * TOMORROW, 60.0) for n in range(3))
LATE = ((MIDNIGHT - 30, 60.0),)

SCENARIOS = [
    Scenario("create: new room", nothing, booked(120), ((120, 60),)),
    Scenario("create: found room", last_week, booked(120), ((120, 60),)),
    Scenario(
        "create: room asked for",
        last_week,
        lambda world, made: world.book(120, room=made.room.room_id),
        ((120, 60),),
    ),
    Scenario("create: Janus runs", running, booked(5, 30), ((5, 30),)),
    Scenario("create: across midnight", nothing, booked(*LATE[0]), LATE),
    Scenario("create: three days", nothing, booked(MIDNIGHT - 30, TOMORROW), LATE),
    Scenario("create: key", nothing, keyed(120), ((120, 60),), keyed(120)),
    Scenario("create: key, room asked for", last_week, keyed_room, ((120, 60),), keyed_room),
    Scenario("create: key, midnight", nothing, keyed(*LATE[0]), LATE, keyed(*LATE[0])),
    Scenario("create: key, Janus runs", running, keyed(5, 30), ((5, 30),), keyed(5, 30)),
    Scenario("cancel", booked(120), cancel, ((120, 60),)),
    Scenario("cancel: across midnight", booked(*LATE[0]), cancel, LATE),
    Scenario("cancel: was moved", moved_away(120, TOMORROW), cancel, ((TOMORROW, 60),)),
    Scenario(
        "cancel: was moved across midnight",
        moved_away(120, TOMORROW + MIDNIGHT - 30),
        cancel,
        ((TOMORROW + MIDNIGHT - 30, 60),),
    ),
    Scenario("move: same day", booked(120), move(300), ((120, 60), (300, 60))),
    Scenario("move: own slot", booked(120), move(150), ((120, 30), (180, 30))),
    Scenario("move: another day", booked(120), move(TOMORROW), ((120, 60), (TOMORROW, 60))),
    Scenario("move: into midnight", booked(120), move(*LATE[0]), ((120, 60), *LATE)),
    Scenario("move: out of midnight", booked(*LATE[0]), move(120), ((120, 60), *LATE)),
    Scenario(
        "move: within midnight",
        booked(*LATE[0]),
        move(MIDNIGHT - 20),
        ((MIDNIGHT - 30, 10), (MIDNIGHT + 30, 10)),
    ),
    Scenario(
        "move: on from another day",
        moved_away(120, TOMORROW),
        move(DAY_AFTER),
        ((TOMORROW, 60), (DAY_AFTER, 60)),
    ),
    Scenario("move: back home", moved_away(120, TOMORROW), move(120), ((120, 60), (TOMORROW, 60))),
    Scenario("move: to a room asked for", two_rooms, to_another_room, ((120, 60), (300, 60))),
    Scenario("move: to a new room", where_its_room_is_taken, move(300), ((120, 60), (300, 60))),
    Scenario("extend", booked(120), extend, ((180, 60),)),
    Scenario("extend: across midnight", booked(MIDNIGHT - 60), extend, ((MIDNIGHT + 1, 59),)),
    Scenario(
        "extend: again, beyond midnight",
        booked(MIDNIGHT - 30),
        extend,
        ((MIDNIGHT + 31, 59),),
    ),
    Scenario("end", booked(120), end, ((140, 40),)),
    Scenario("end: across midnight", booked(*LATE[0]), end, ((MIDNIGHT - 15, 40),)),
    Scenario("end: after midnight", booked(*LATE[0]), end_after_midnight, ((MIDNIGHT + 15, 10),)),
    Scenario("end: was moved", moved_away(120, TOMORROW), end, ((TOMORROW + 20, 30),)),
    Scenario("series: weekly", nothing, series("FREQ=WEEKLY;COUNT=3", 120), WEEKS),
    Scenario("series: nightly", nothing, series("FREQ=DAILY;COUNT=3", MIDNIGHT - 30), NIGHTS),
    Scenario("series: key", nothing, keyed_series, WEEKS, keyed_series),
    Scenario("series: cancel", weekly, cancel_series, WEEKS, cancel_series),
    Scenario("series: cancel nightly", nightly, cancel_series, NIGHTS, cancel_series),
]


@pytest.fixture(autouse=True, scope="module")
def _settings_once() -> Iterator[None]:
    """Hundreds of worlds with the same settings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worlds, "make_settings", cache(worlds.make_settings))
        yield


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
    await _check(world, scenario, before)
    return calls


async def _crash(scenario: Scenario, nth: int, when: When) -> None:
    world = Crashing()
    made = await scenario.prepare(world, None)
    before = len(world.own())
    world.faults.kill(nth, when)
    await world.faults.until_death(scenario.act(world, made))
    await _settle(world)
    if scenario.again:
        await _again(world, scenario, made)
    await _check(world, scenario, before)


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


async def _check(world: Crashing, scenario: Scenario, before: int) -> None:
    bookings = world.bookings()
    assert all(b.state is not State.PENDING for b in bookings.values())
    assert world.claims() == _expected(bookings), "no claim is lost, doubled or stuck"
    own = world.own()
    assert await world.listed() == [b.booking_id for b in own]
    assert len(own) == before or (before == 0 and len(own) == len(scenario.slots))
    _check_events(world, bookings)
    await _check_slots(world, scenario)
    await _check_fleet(world, own)


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
        if event.type.value.startswith("booking."):
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
        last = max(told[number], key=lambda event: len(event.data.get("previous", ())))
        assert booking.sequence == 0 or last.data["room_id"] == booking.room_id


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


async def _check_fleet(world: Crashing, own: list[Booking]) -> None:
    """While a booking runs, it has its place on a machine, with its times and its room."""
    for booking in own:
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
