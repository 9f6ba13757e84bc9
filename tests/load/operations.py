"""The operations that are measured: what each needs beforehand, and then the one call."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from functools import partial

from shared.bookings.claims import AFTER_CLAIMS, HEAD, partition
from shared.bookings.making import Booked
from shared.bookings.models import Booking, Room, RoomCreate, RoomFilter
from shared.bookings.payloads import (
    BookingCreate,
    BookingExtend,
    BookingPatch,
    InviteCreate,
    SeriesCreate,
)
from shared.bootstrap import Services
from shared.platform.auth import Caller
from shared.platform.queues import Queues
from shared.platform.tables import Insert, Tables
from tests.load.counting import Counted, Recorder
from tests.load.history import LENGTH
from tests.world import World

ROOMS = 10
HOUR = timedelta(hours=1)
PAGE = 20
NEAR = timedelta(days=30)
"""How far ahead one may book where rooms are deleted: that looks at every day until then."""

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
        near = self.world.settings.model_copy(update={"horizon": NEAR})
        self.near = Services(near, self.services.ports)
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

    async def begin(self, *days: datetime) -> None:
        """Somebody books them: the first booking of a day costs more."""
        for day in days:
            await self.book(day, self.newcomer())

    async def room(self) -> tuple[Caller, Room]:
        """A room that nobody has booked, and an admin of its tenant, which has no other."""
        admin = replace(self.newcomer(), sub="root", roles=frozenset({"admin"}))
        return admin, await self.services.rooms.create(admin, RoomCreate())

    async def range_query(self, day: datetime) -> None:
        """The least that a look at the calendar costs: one range of one day, and nothing else."""
        await self.bare.query("Calendar", partition(self.pool, day.date()), HEAD, AFTER_CLAIMS)


Operation = Callable[[Site, datetime], Awaitable[Work]]
"""Prepares, on a day of its own, and returns what to measure. What changes bookings does so with
those of `changing`, so that the caller's lists hold none that are gone."""


async def floor(site: Site, day: datetime) -> Work:
    """What no booking can do with less: look, and commit something."""

    async def look_and_commit() -> None:
        await site.world.tables.query("Floor", f"{day:%Y%m%d}", "a", "c")
        rows = [Insert("m|1", {"number": 1}), Insert("u|1", {"number": 1})]
        await site.world.tables.commit("Floor", f"{site.pool}|{day:%Y%m%d}", rows)

    return look_and_commit


async def create(site: Site, day: datetime) -> Work:
    await site.begin(day)
    return partial(site.book, day)


async def create_first_of_day(site: Site, day: datetime) -> Work:
    return partial(site.book, day)


async def create_with_key(site: Site, day: datetime) -> Work:
    await site.begin(day)
    request = BookingCreate(start_time=day, end_time=day + HOUR)
    once = site.services.keys.once(site.caller, f"key-{day}", "the same", lambda _: "answer")
    return partial(site.bookings.create, site.caller, request, "", once)


async def create_with_new_room(site: Site, day: datetime) -> Work:
    await site.begin(day)
    return partial(site.book, day, site.newcomer())


async def create_over_midnight(site: Site, day: datetime) -> Work:
    await site.begin(day, site.day())  # the next one is ours too
    return partial(site.book, day + timedelta(hours=11, minutes=30))


async def create_series_of_10(site: Site, day: datetime) -> Work:
    await site.begin(day, *(site.day() for _ in range(9)))  # those that follow are ours too
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
    other = site.day()
    await site.begin(other)
    patch = BookingPatch(start_time=other)
    number = booked.booking.booking_id
    return partial(site.bookings.reschedule, site.changing, number, patch, "")


async def extend(site: Site, day: datetime) -> Work:
    """While it runs: the clock is put there."""
    booked = await site.book(day, site.changing)
    site.world.clock.time = day + HOUR / 2
    longer = BookingExtend(end_time=day + 2 * HOUR)
    return partial(site.bookings.extend, site.changing, booked.booking.booking_id, longer, "")


async def invite(site: Site, day: datetime) -> Work:
    booked = await site.book(day, site.changing)
    guest = InviteCreate(name="Ana", email="ana@example.test")
    number = booked.booking.booking_id
    return partial(site.services.guests.invite, site.changing, number, guest, "")


async def show_room(site: Site, day: datetime) -> Work:
    who = site.newcomer()
    booked = await site.book(day, who)
    return partial(site.services.rooms.get, who, booked.room.room_id)


async def participants(site: Site, day: datetime) -> Work:
    """For who has booked the room for now."""
    who = site.newcomer()
    booked = await site.book(site.began, who)
    return partial(site.services.rooms.participants, who, booked.room.room_id)


async def reset_room(site: Site, day: datetime) -> Work:
    admin, room = await site.room()
    return partial(site.services.rooms.reset, admin, room.room_id, "", force=False)


async def delete_room(site: Site, day: datetime) -> Work:
    """On days that no other operation uses: they keep the mark of the deletion for a while."""
    admin, room = await site.room()
    for _ in range(NEAR.days + 5):
        site.day()
    site.world.clock.time = day + timedelta(days=3)
    return partial(site.near.rooms.delete, admin, room.room_id, "")


OPERATIONS: dict[str, Operation] = {
    "a bare query and transaction": floor,
    "create": create,
    "create, the first of its day": create_first_of_day,
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
    "invite": invite,
    "room, show": show_room,
    "room, participants": participants,
    "room, reset": reset_room,
    "room, delete (30 days ahead)": delete_room,
}

SEARCH_AHEAD = frozenset({"room, reset", "room, delete (30 days ahead)"})
"""Those that look at all that is booked, whatever it costs: nothing may be missed."""
