"""Making a booking: two waits for storage, one to read and one to commit, when nobody competes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.bookings.calendar import Calendar, Contended
from shared.bookings.choice import choose
from shared.bookings.claims import Day, partitions
from shared.bookings.index import BookingIndex
from shared.bookings.models import Booking, BookingCreate, Room
from shared.bookings.rooms import Hosts, Rooms
from shared.bookings.rows import Audit, Draft, NewRoom
from shared.events.catalogue import DomainEvent, EventType
from shared.events.outbox import Outbox
from shared.events.relay import PATIENCE
from shared.platform import logs
from shared.platform.auth import Caller
from shared.platform.clock import Clock, iso
from shared.platform.ids import Ids
from shared.platform.problems import FieldError, Problem, busy, invalid

if TYPE_CHECKING:
    from shared.platform.settings import Settings

TRIES = 12
"""Attempts at a contended day before the caller is asked to come back."""

TURN = 3.0
"""Seconds to wait for the others of this process that book the same day."""

LATE = timedelta(minutes=5)
"""How far in the past a booking may begin: clocks differ, and «now» travels."""

MOST_ROOMS = 1000
"""Rooms of the tenant that are looked at: one answer of the table. With more, all of them taken, a
new one is made."""

Pause = Callable[[int], Awaitable[None]]
"""Waits before the n-th attempt: jittered in life, nothing in tests."""


@dataclass(frozen=True, slots=True)
class Booked:
    booking: Booking
    room: Room


class Maker:
    def __init__(
        self,
        calendar: Calendar,
        rooms: Rooms,
        index: BookingIndex,
        outbox: Outbox,
        hosts: Hosts,
        settings: Settings,
        clock: Clock,
        ids: Ids,
        pause: Pause,
    ) -> None:
        self._calendar = calendar
        self._rooms = rooms
        self._index = index
        self._outbox = outbox
        self._hosts = hosts
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._pause = pause

    async def create(self, caller: Caller, request: BookingCreate, address: str) -> Booked:
        """Books the room asked for, or a free one, or a new one.

        Problems: 400 interval, 404 room, 409 taken or no capacity, 503 Janus, storage, or too many
        others booking the same day.
        """
        self._check(request)
        draft = self._draft(caller, request, address)
        return await self._in_turn(draft)

    async def _in_turn(self, draft: Draft) -> Booked:
        """Those who wait behind a storage that hangs are told so, and not queued up."""
        turn = self._calendar.turns.of(draft.home)
        try:
            async with asyncio.timeout(TURN):
                await turn.acquire()
        except TimeoutError:
            raise busy() from None
        try:
            return await self._persist(draft)
        except Problem:
            await self._index.drop(draft.booking)
            raise
        finally:
            turn.release()

    async def _persist(self, draft: Draft) -> Booked:
        """Gives up well before the relay forgets the pointer that the first attempt has put."""
        deadline = self._clock.now() + PATIENCE / 2
        for attempt in range(TRIES):
            await self._pause(attempt)
            try:
                return await self._attempt(draft, first=attempt == 0)
            except Contended:
                draft = await self._fresh(draft)
            if self._clock.now() > deadline:
                break
        raise busy()

    async def _fresh(self, draft: Draft) -> Draft:
        """With another id when somebody else's booking has ours: a million a day are not many."""
        if not await self._calendar.find(draft.booking.booking_id):
            return draft
        await self._index.drop(draft.booking)
        number = self._ids.booking_id(self._settings.pool, draft.booking.start)
        booking = replace(draft.booking, booking_id=number)
        await self._index.put(booking)
        return replace(draft, booking=booking)

    async def _attempt(self, draft: Draft, *, first: bool) -> Booked:
        booking, settings = draft.booking, self._settings
        announce = [self._calendar.announce(draft), self._index.put(booking)] if first else []
        (days, rooms, host), _ = await asyncio.gather(
            asyncio.gather(
                self._calendar.read(self._days(booking)),
                self._candidates(booking),
                self._hosts.host_for(settings.pool, booking.start, booking.end),
            ),
            asyncio.gather(*announce),
        )
        days = [
            await self._calendar.foreign.settle(day, booking.start, booking.end) for day in days
        ]
        room = choose(days, rooms, booking, capacity=settings.pool_capacity, apart=self._apart)
        born = room is None
        room = room or self._rooms.draft(booking.tenant, settings.pool)
        if host:
            await host.make(room, "new_room_create_failed" if born else "room_create_failed")
        own = set(partitions(settings.pool, booking.start, booking.end))
        return await self._commit(draft, [day for day in days if day.pk in own], room, born=born)

    def _days(self, booking: Booking) -> list[str]:
        """The days that decide: when we choose the room, also those of its neighbours in time."""
        apart = timedelta(0) if booking.room_id else self._apart
        return partitions(self._settings.pool, booking.start - apart, booking.end + apart)

    @property
    def _apart(self) -> timedelta:
        return self._settings.join_early + self._settings.join_grace

    async def _candidates(self, booking: Booking) -> Sequence[Room]:
        if booking.room_id:
            return [await self._rooms.get(booking.tenant, booking.room_id)]
        return await self._rooms.page(booking.tenant, self._settings.pool, limit=MOST_ROOMS)

    async def _commit(self, draft: Draft, days: Sequence[Day], room: Room, *, born: bool) -> Booked:
        booking = replace(draft.booking, room_id=room.room_id)
        seed = NewRoom(room.size, room.sealed_pin) if born else None
        final = replace(draft, booking=booking, new_room=seed)
        # A new room's row is written beside the booking's; `Bookings.on_created` mends a lost one.
        # Should the booking fail, the room is one that is free: the next attempt finds it.
        work = [self._calendar.claim(final, days, self._event(final))]
        work += [self._rooms.insert(room)] if born else []
        outcomes = await asyncio.gather(*work, return_exceptions=True)
        if isinstance(outcomes[0], BaseException):
            raise outcomes[0]
        if isinstance(outcomes[-1], BaseException):
            logs.exception("room.insert_failed", outcomes[-1], room_id=room.room_id)
        return Booked(booking, room)

    def _draft(self, caller: Caller, request: BookingCreate, address: str) -> Draft:
        pool = self._settings.pool
        booking = Booking(
            booking_id=self._ids.booking_id(pool, request.start_time),
            tenant=caller.tenant,
            booker=caller.sub,
            room_id=request.room_id or 0,
            start=request.start_time,
            end=request.end_time,
            created_at=self._clock.now(),
        )
        return Draft(
            booking=booking,
            home=partitions(pool, booking.start, booking.end)[0],
            token=self._ids.token(),
            event_id=self._ids.event_id(),
            audit=Audit(caller.sub, "booking.create", address),
        )

    def _event(self, draft: Draft) -> DomainEvent:
        return self._outbox.event(
            EventType.BOOKING_CREATED,
            draft.booking.tenant,
            f"booking/{draft.booking.booking_id}",
            event_data(draft.booking),
            event_id=draft.event_id,
        )

    def _check(self, request: BookingCreate) -> None:
        errors = interval_errors(request, self._clock, self._settings)
        if errors:
            raise invalid(errors)


def interval_errors(request: BookingCreate, clock: Clock, settings: Settings) -> list[FieldError]:
    now, start, end = clock.now(), request.start_time, request.end_time
    rules = [
        (start >= end, "end_time", "must be after start_time"),
        (end - start > settings.max_booking, "end_time", f"at most {settings.max_booking} long"),
        (start < now - LATE, "start_time", "must not be in the past"),
        (
            start > now + settings.horizon,
            "start_time",
            f"at most {settings.horizon.days} days ahead",
        ),
        (end <= now, "end_time", "must be in the future"),
    ]
    return [FieldError(field, message) for broken, field, message in rules if broken]


def event_data(booking: Booking) -> dict[str, object]:
    """What events tell of a booking: never its password."""
    return {
        "booking_id": booking.booking_id,
        "room_id": booking.room_id,
        "start_time": iso(booking.start),
        "end_time": iso(booking.end),
        "booked_by": booking.booker,
    }
