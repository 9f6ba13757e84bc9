"""Bookings: what callers may do with them (webrtc-streaming.md 5.5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Generic, TypeVar

from shared.bookings.calendar import Calendar
from shared.bookings.claims import Claim
from shared.bookings.events import booking_event
from shared.bookings.index import BookingIndex, cursor
from shared.bookings.making import Booked, Maker
from shared.bookings.models import Booking, Phase, Room, State, Status
from shared.bookings.moving import Mover
from shared.bookings.payloads import BookingCreate, BookingExtend, BookingPatch
from shared.bookings.rooms import Rooms
from shared.bookings.rows import Stored
from shared.events.catalogue import Audit, DomainEvent, EventType
from shared.events.outbox import Outbox
from shared.platform.auth import Caller
from shared.platform.clock import Clock, stamp
from shared.platform.once import Once
from shared.platform.problems import Problem
from shared.platform.retrying import again

if TYPE_CHECKING:
    from shared.platform.settings import Settings

T = TypeVar("T")

CHUNK = 100
"""Bookings that are read at a time while a list searches, however short its page."""

MOST_READ = 500
"""Bookings that one page looks at. What it has found by then is a short page."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`next` is the cursor of the following page; empty on the last one."""

    items: Sequence[T]
    next: str = ""


class Bookings:
    def __init__(
        self,
        maker: Maker,
        mover: Mover,
        calendar: Calendar,
        rooms: Rooms,
        index: BookingIndex,
        outbox: Outbox,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._maker = maker
        self._mover = mover
        self._calendar = calendar
        self._rooms = rooms
        self._index = index
        self._outbox = outbox
        self._settings = settings
        self._clock = clock

    # -- reading ---------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The moment by which a booking's status is told."""
        return self._clock.now()

    def password(self, room: Room) -> str:
        return self._rooms.unseal(room)

    async def own(
        self, caller: Caller, *, status: Status | None, day: date | None, after: str, limit: int
    ) -> Page[Booking]:
        """The caller's own bookings in the order of their starts.

        A page may be short, even empty, and not the last one.
        """
        now = self._clock.now()
        if status == "upcoming":  # not through years of the past
            after = max(after, stamp(now - self._settings.max_booking))
        found: list[Booking] = []
        last, read = after, 0
        async for place, booking in self._hinted(caller, day, after, limit + 1):
            if booking and status in (None, booking.status(now)):
                if len(found) == limit:
                    return Page(found, last)
                found.append(booking)
            last, read = place, read + 1
            if read == MOST_READ:
                return Page(found, last)
        return Page(found)

    async def _hinted(
        self, caller: Caller, day: date | None, after: str, chunk: int
    ) -> AsyncIterator[tuple[str, Booking | None]]:
        """Each place, with its booking unless that has moved; at first `chunk` at a time."""
        while True:
            hints = await self._index.page(
                caller.tenant, caller.sub, day=day, after=after, limit=chunk
            )
            stored = await asyncio.gather(*(self.find(caller.tenant, h.booking_id) for h in hints))
            for hint, found in zip(hints, stored, strict=True):
                there = found and hint.cursor == cursor(found.booking)
                yield hint.cursor, found.booking if found and there else None
            if len(hints) < chunk:
                return
            after, chunk = hints[-1].cursor, max(chunk, CHUNK)

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
        """The booking's room; one born with the booking whose row is missing is mended first.

        Also one that somebody tries to delete, who will find that it is booked. One that was
        deleted after the booking stays so. Raises Problem 404.
        """
        booking = stored.booking
        kept = await self._rooms.stored(booking.tenant, booking.room_id)
        room = kept.room if kept else None
        if room is None and stored.new_room and self._lives(booking):
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

    def phase(self, booking: Booking) -> Phase:
        return booking.phase(self._clock.now(), self._settings.join_early)

    def opens_at(self, booking: Booking) -> datetime:
        """When the door opens, unless the call before in the same room still runs."""
        return booking.start - self._settings.join_early

    def free_until(self, caller: Caller, booking: Booking) -> datetime | None:
        """Until when the caller may cancel or move the booking; None when it is too late."""
        until = self._mover.free_until(caller, booking)
        return until if booking.state is State.ACTIVE and self._clock.now() <= until else None

    # -- changing --------------------------------------------------------------------------------

    async def create(
        self, caller: Caller, request: BookingCreate, address: str, once: Once[Booked] | None = None
    ) -> Booked:
        return await self._maker.create(caller, request, address, once)

    async def reschedule(
        self, caller: Caller, booking_id: int, request: BookingPatch, address: str
    ) -> Stored:
        """Moves a booking that has not begun; it keeps its old slot until it has the new one."""
        stored = await self.get(caller, booking_id)
        await self._mover.reschedule(caller, stored, request, address)
        return await self.get(caller, booking_id)

    async def extend(
        self, caller: Caller, booking_id: int, request: BookingExtend, address: str
    ) -> Stored:
        """Lets a running booking end later, when nothing follows."""
        stored = await self.get(caller, booking_id)
        await self.room_of(stored)  # one that was born with the booking may have to be mended
        await self._mover.extend(caller, stored, request.end_time, address)
        return await self.get(caller, booking_id)

    async def cancel(self, caller: Caller, booking_id: int, address: str) -> None:
        """Before the start only; cancelling again changes nothing (5.5.4)."""
        audit = Audit(caller.sub, "booking.cancel", address)

        def after(booking: Booking) -> Booking | None:
            if booking.state is State.CANCELLED:
                return None
            self._mover.check_notice(caller, booking, "cancel_too_late", "booking_started")
            return booking.cancelled()

        await self._close(caller, booking_id, after, audit, EventType.BOOKING_CANCELLED)

    async def end(self, caller: Caller, booking_id: int, address: str) -> None:
        """Ends a running booking for all; ending it again changes nothing."""
        audit = Audit(caller.sub, "booking.end", address)

        def after(booking: Booking) -> Booking | None:
            now, active = self._clock.now(), booking.state is State.ACTIVE
            if booking.state is State.ENDED or (active and now >= booking.end):
                return None
            if not active or now < booking.start:
                raise Problem(409, "booking_not_running")
            return booking.ended(now)

        await self._close(caller, booking_id, after, audit, EventType.BOOKING_ENDED)

    async def _close(
        self,
        caller: Caller,
        booking_id: int,
        change: Callable[[Booking], Booking | None],
        audit: Audit,
        kind: EventType,
    ) -> None:
        """Anew when somebody else has changed the booking meanwhile: a guest was added, say."""

        async def attempt() -> None:
            stored = await self.get(caller, booking_id)
            after = change(stored.booking)
            if after is not None:
                event = booking_event(self._outbox, kind, after, audit)
                await self._calendar.close(stored, after, event)

        await again(attempt)

    # -- what other parts of the system ask --------------------------------------------------------

    async def claims(self, pool: int, since: datetime, until: datetime) -> list[Claim]:
        """The bookings of the days from `since` to `until`, each once."""
        return await self._calendar.claims(pool, since, until)

    async def on_event(self, event: DomainEvent) -> None:
        """Subscriber: finishes what a writer that died has left."""
        if event.type in MAKING:
            stored = await self.find(event.tenant, int(event.data["booking_id"]))
            if stored and stored.new_room and self._lives(stored.booking):
                await self.room_of(stored)

    def _lives(self, booking: Booking) -> bool:
        return booking.status(self._clock.now()) == "upcoming"


MAKING = frozenset({EventType.BOOKING_CREATED, EventType.BOOKING_RESCHEDULED})
"""Events of bookings with which a room may have been born."""
