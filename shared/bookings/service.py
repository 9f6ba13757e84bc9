"""Rooms and bookings: what callers may do (webrtc-streaming.md 5.3 and 5.5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

from shared.bookings.calendar import Calendar
from shared.bookings.claims import Claim, partition
from shared.bookings.index import BookingIndex
from shared.bookings.making import Booked, Maker, event_data
from shared.bookings.models import (
    Booking,
    BookingCreate,
    Room,
    RoomCreate,
    RoomFilter,
    State,
    Status,
)
from shared.bookings.rooms import Hosts, Rooms
from shared.bookings.rows import Audit, Stored
from shared.events.catalogue import DomainEvent, EventType
from shared.events.outbox import Outbox
from shared.platform.auth import Caller
from shared.platform.clock import Clock, stamp
from shared.platform.problems import Problem, busy
from shared.platform.tables import Conflict

if TYPE_CHECKING:
    from shared.platform.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`next` is the cursor of the following page; empty on the last one."""

    items: Sequence[T]
    next: str = ""


class Bookings:
    def __init__(
        self,
        maker: Maker,
        calendar: Calendar,
        rooms: Rooms,
        index: BookingIndex,
        outbox: Outbox,
        hosts: Hosts,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._maker = maker
        self._calendar = calendar
        self._rooms = rooms
        self._index = index
        self._outbox = outbox
        self._hosts = hosts
        self._settings = settings
        self._clock = clock

    # -- rooms -------------------------------------------------------------------------------------

    async def create_room(self, caller: Caller, request: RoomCreate) -> Room:
        """Makes the room in a running Janus first, so that a failure there leaves nothing here."""
        room = self._rooms.draft(caller.tenant, self._settings.pool, request)
        now = self._clock.now()
        host = await self._hosts.host_for(self._settings.pool, now, now)
        if host:
            await host.make(room, "room_create_failed")
        try:
            await self._rooms.insert(room)
        except BaseException:
            if host:
                await host.unmake(room)
            raise
        return room

    async def rooms(self, caller: Caller, wanted: RoomFilter, after: int, limit: int) -> Page[Room]:
        taken = await self._calendar.taken(self._settings.pool, *wanted.free) if wanted.free else ()
        found: list[Room] = []
        while len(found) <= limit:
            rooms = await self._rooms.page(caller.tenant, self._settings.pool, after, limit + 1)
            found += [room for room in rooms if wanted.admits(room, taken)]
            if len(rooms) <= limit:
                break
            after = rooms[-1].room_id
        more = len(found) > limit
        return Page(found[:limit], str(found[limit - 1].room_id) if more else "")

    async def room(self, caller: Caller, room_id: int) -> tuple[Room, bool]:
        """The room, and whether it has a booking that has not ended."""
        room = await self._rooms.get(caller.tenant, room_id)
        now = self._clock.now()
        since = now - self._settings.max_booking
        until = now + self._settings.horizon + timedelta(days=1)
        return room, await self._calendar.has_claim_after(room.room_id, now, (since, until))

    def now(self) -> datetime:
        """The moment by which a booking's status is told."""
        return self._clock.now()

    def password(self, room: Room) -> str:
        return self._rooms.unseal(room)

    # -- bookings ----------------------------------------------------------------------------------

    async def create(self, caller: Caller, request: BookingCreate, address: str) -> Booked:
        return await self._maker.create(caller, request, address)

    async def own(
        self, caller: Caller, *, status: Status | None, day: date | None, after: str, limit: int
    ) -> Page[Booking]:
        """The caller's own bookings in the order of their starts."""
        now = self._clock.now()
        if status == "upcoming":  # not through years of the past
            after = max(after, stamp(now - self._settings.max_booking))
        found: list[tuple[str, Booking]] = []
        async for cursor, booking in self._hinted(caller, day, after, limit):
            if status in (None, booking.status(now)):
                found.append((cursor, booking))
            if len(found) > limit:
                break
        more = len(found) > limit
        return Page([b for _, b in found[:limit]], found[limit - 1][0] if more else "")

    async def _hinted(
        self, caller: Caller, day: date | None, after: str, chunk: int
    ) -> AsyncIterator[tuple[str, Booking]]:
        while True:
            hints = await self._index.page(
                caller.tenant, caller.sub, day=day, after=after, limit=chunk + 1
            )
            stored = await asyncio.gather(*(self.find(caller.tenant, h.booking_id) for h in hints))
            for hint, found in zip(hints, stored, strict=True):
                if found and found.booking.booker == caller.sub:
                    yield hint.cursor, found.booking
            if len(hints) <= chunk:
                return
            after = hints[-1].cursor

    async def get(self, caller: Caller, booking_id: int) -> Stored:
        """Of the caller, or of the tenant when the caller is its admin; else 404."""
        stored = await self.find(caller.tenant, booking_id)
        if stored is None or not (stored.booking.booker == caller.sub or caller.is_admin):
            raise Problem(404, "booking_not_found", {"booking_id": str(booking_id)})
        return stored

    async def find(self, tenant: str, booking_id: int) -> Stored | None:
        stored = await self._calendar.find(booking_id)
        return stored if stored and stored.booking.tenant == tenant else None

    async def room_of(self, stored: Stored) -> Room:
        """The booking's room; one born with the booking whose row is missing is mended first."""
        booking = stored.booking
        room = await self._rooms.find(booking.tenant, booking.room_id)
        if room is None and stored.new_room:
            room = Room(
                room_id=booking.room_id,
                tenant=booking.tenant,
                size=stored.new_room.size,
                sealed_pin=stored.new_room.sealed_pin,
                created_at=booking.created_at,
                updated_at=booking.created_at,
            )
            await self._rooms.ensure(room)
        if room is None:
            raise Problem(404, "room_not_found", {"room_id": str(booking.room_id)})
        return room

    def shows_password(self, booking: Booking) -> bool:
        """Near the session only (5.5.3)."""
        opens = booking.start - self._settings.password_early
        return booking.state is State.ACTIVE and opens <= self._clock.now() < booking.end

    async def cancel(self, caller: Caller, booking_id: int, address: str) -> None:
        """Before the start only; cancelling again changes nothing (5.5.4)."""
        stored = await self.get(caller, booking_id)
        booking, now = stored.booking, self._clock.now()
        if booking.state is State.CANCELLED:
            return
        if booking.state is State.ENDED or now >= booking.start:
            raise Problem(403, "booking_started")
        if now > booking.start - self._settings.cancel_notice and not caller.is_admin:
            raise Problem(400, "cancel_too_late", {"notice": str(self._settings.cancel_notice)})
        audit = Audit(caller.sub, "booking.cancel", address)
        await self._close(stored, booking.cancelled(), audit, EventType.BOOKING_CANCELLED)

    async def end(self, caller: Caller, booking_id: int, address: str) -> None:
        """Ends a running booking for all; ending it again changes nothing."""
        stored = await self.get(caller, booking_id)
        booking, now = stored.booking, self._clock.now()
        if booking.state is State.ENDED or (booking.state is State.ACTIVE and now >= booking.end):
            return
        if booking.state is State.CANCELLED or now < booking.start:
            raise Problem(409, "booking_not_running")
        audit = Audit(caller.sub, "booking.end", address)
        await self._close(stored, booking.ended(now), audit, EventType.BOOKING_ENDED)

    async def _close(self, stored: Stored, after: Booking, audit: Audit, kind: EventType) -> None:
        subject = f"booking/{after.booking_id}"
        event = self._outbox.event(kind, after.tenant, subject, event_data(after))
        try:
            await self._calendar.close(stored, after, audit, event)
        except Conflict:
            again = await self._calendar.find(after.booking_id)
            if again is None or again.booking.state is not after.state:
                raise busy() from None

    # -- what other parts of the system ask --------------------------------------------------------

    async def claims(self, pool: int, since: datetime, until: datetime) -> list[Claim]:
        """The bookings of the days from `since` to `until`, each once."""
        count = (until.date() - since.date()).days + 1
        days = await self._calendar.read(
            [partition(pool, since.date() + timedelta(days=n)) for n in range(count)]
        )
        return [c for day in days for c in day.claims.values() if not c.foreign]

    async def on_created(self, event: DomainEvent) -> None:
        """Subscriber: makes sure that a room born with a booking has its row."""
        if event.type is EventType.BOOKING_CREATED:
            stored = await self.find(event.tenant, int(event.data["booking_id"]))
            if stored and stored.new_room:
                await self.room_of(stored)
