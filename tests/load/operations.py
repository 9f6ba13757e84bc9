"""The operations that are measured: what each needs beforehand, and then the one call."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from functools import partial

from shared.bookings.claims import AFTER_CLAIMS, HEAD, partition
from shared.bookings.making import Booked
from shared.bookings.models import Booking, RoomFilter
from shared.bookings.payloads import BookingCreate, BookingExtend, BookingPatch, SeriesCreate
from shared.platform.auth import Caller
from shared.platform.queues import Queues
from shared.platform.tables import Tables
from tests.load.counting import Counted, Recorder
from tests.load.history import LENGTH
from tests.world import World

ROOMS = 10
HOUR = timedelta(hours=1)
PAGE = 20

Work = Callable[[], Awaitable[object]]


class Site:
    """A pool and a booker of their own on a storage that several sites share."""

    def __init__(self, pool: int, tables: Tables, queues: Queues) -> None:
        self.pool = pool
        self.bare = tables
        self.recorder = Recorder()
        self.world = World(
            tables=Counted(tables, self.recorder),
            queues=Counted(queues, self.recorder),
            pool=pool,
            local_vms=20,
            vm_capacity=1000,
            horizon=timedelta(days=100_000),
        )
        self.services = self.world.services
        self.bookings = self.services.bookings
        self.caller = Caller(f"booker-{pool}", "acme", frozenset({"user"}))
        self.changing = replace(self.caller, sub=f"changing-{pool}")
        self.began = self.world.now
        self._days = itertools.count(2)
        self._newcomers = itertools.count()

    async def open(self) -> Booking:
        """Makes the rooms, by bookings that all want one at the same time, far ahead; then one more
        booking, as a pattern for those of the past."""
        start = self.began + timedelta(days=50_000)
        for _ in range(ROOMS):
            await self.book(start)
        request = BookingCreate(start_time=start + 9 * HOUR, end_time=start + 9 * HOUR + LENGTH)
        return (await self.bookings.create(self.caller, request, "")).booking

    def day(self) -> datetime:
        """Noon of a day on which nobody has booked."""
        noon = datetime.combine(self.began.date(), time(12), UTC)
        return noon + timedelta(days=next(self._days))

    def newcomer(self) -> Caller:
        """Of a tenant that has no rooms."""
        return replace(self.caller, tenant=f"new-{self.pool}-{next(self._newcomers)}")

    async def book(self, start: datetime, caller: Caller | None = None) -> Booked:
        request = BookingCreate(start_time=start, end_time=start + HOUR)
        return await self.bookings.create(caller or self.caller, request, "")

    async def range_query(self, day: datetime) -> None:
        """The least that a look at the calendar costs: one range of one day, and nothing else."""
        await self.bare.query("Calendar", partition(self.pool, day.date()), HEAD, AFTER_CLAIMS)


Operation = Callable[[Site, datetime], Awaitable[Work]]
"""Prepares, on a day of its own, and returns what to measure. What changes bookings does so with
those of `changing`, so that the caller's lists hold none that are gone."""


async def create(site: Site, day: datetime) -> Work:
    return partial(site.book, day)


async def create_with_key(site: Site, day: datetime) -> Work:
    request = BookingCreate(start_time=day, end_time=day + HOUR)
    once = site.services.keys.once(site.caller, f"key-{day}", "the same", lambda _: "answer")
    return partial(site.bookings.create, site.caller, request, "", once)


async def create_with_new_room(site: Site, day: datetime) -> Work:
    return partial(site.book, day, site.newcomer())


async def create_over_midnight(site: Site, day: datetime) -> Work:
    site.day()  # the next one is ours too
    return partial(site.book, day + timedelta(hours=11, minutes=30))


async def create_series_of_10(site: Site, day: datetime) -> Work:
    for _ in range(9):
        site.day()  # those that follow are ours too
    rule = SeriesCreate(
        start_time=day, end_time=day + HOUR, time_zone="Europe/Lisbon", rrule="FREQ=DAILY;COUNT=10"
    )
    return partial(site.services.series.create, site.caller, rule, "")


async def show(site: Site, day: datetime) -> Work:
    booked = await site.book(day)
    return partial(site.bookings.get, site.caller, booked.booking.booking_id)


async def list_all(site: Site, day: datetime) -> Work:
    return partial(site.bookings.own, site.caller, status=None, day=None, after="", limit=PAGE)


async def list_upcoming(site: Site, day: datetime) -> Work:
    own = partial(site.bookings.own, site.caller, day=None, after="", limit=PAGE)
    return partial(own, status="upcoming")


async def availability(site: Site, day: datetime) -> Work:
    await site.book(day)
    wanted = RoomFilter(free=(day, day + HOUR))
    return partial(site.services.rooms.page, site.caller, wanted, 0, PAGE)


async def cancel(site: Site, day: datetime) -> Work:
    booked = await site.book(day, site.changing)
    return partial(site.bookings.cancel, site.changing, booked.booking.booking_id, "")


async def reschedule(site: Site, day: datetime) -> Work:
    booked = await site.book(day, site.changing)
    patch = BookingPatch(start_time=day + 2 * HOUR)
    number = booked.booking.booking_id
    return partial(site.bookings.reschedule, site.changing, number, patch, "")


async def reschedule_to_another_day(site: Site, day: datetime) -> Work:
    booked = await site.book(day, site.changing)
    patch = BookingPatch(start_time=site.day())
    number = booked.booking.booking_id
    return partial(site.bookings.reschedule, site.changing, number, patch, "")


async def extend(site: Site, day: datetime) -> Work:
    """While it runs: the clock is put there."""
    booked = await site.book(day, site.changing)
    site.world.clock.time = day + HOUR / 2
    longer = BookingExtend(end_time=day + 2 * HOUR)
    return partial(site.bookings.extend, site.changing, booked.booking.booking_id, longer, "")


OPERATIONS: dict[str, Operation] = {
    "create": create,
    "create, with an idempotency key": create_with_key,
    "create, with a new room": create_with_new_room,
    "create, over midnight": create_over_midnight,
    "create a series of 10": create_series_of_10,
    "show": show,
    "list": list_all,
    "list, upcoming": list_upcoming,
    "availability": availability,
    "cancel": cancel,
    "reschedule": reschedule,
    "reschedule, to another day": reschedule_to_another_day,
    "extend": extend,
}
