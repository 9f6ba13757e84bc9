"""Operations to crash in the middle of, and the world that they happen in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.bookings.models import Booking, State
from shared.bookings.payloads import BookingCreate
from shared.bookings.rows import stored_booking
from shared.platform.once import Once
from tests.fakes.faults import Faults
from tests.fakes.queues import FakeQueues
from tests.fakes.tables import FakeTables
from tests.world import ALICE, BOB, World

NINE = datetime(2026, 6, 10, 9, tzinfo=UTC)
"""Where the test clock stands; the minutes below are from here."""

MIDNIGHT, TOMORROW, DAY_AFTER, WEEK = 15 * 60.0, 24 * 60.0, 48 * 60.0, 7 * 24 * 60.0
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
    return await world.repeat("FREQ=WEEKLY;COUNT=2", 120)


async def nightly(world: World, made: None) -> Any:
    return await world.repeat("FREQ=DAILY;COUNT=2", MIDNIGHT - 30)


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


async def cancel_the_rest(world: World, made: Any) -> None:
    answer = await world.services.series.cancel(ALICE, made.series_id, "")
    assert not answer.kept
    _, bookings = await world.services.series.get(ALICE, made.series_id)
    assert [b.state for b in bookings] == [State.CANCELLED] * len(made.bookings)


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
    Scenario("series: cancel", weekly, cancel_series, WEEKS[:2], cancel_the_rest),
    Scenario("series: cancel nightly", nightly, cancel_series, NIGHTS[:2], cancel_the_rest),
]
