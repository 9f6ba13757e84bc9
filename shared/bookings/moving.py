"""Moving a booking to another time: the old slot is kept until the new one is claimed.

The booking keeps its id, and its row stays in its home; only its claims move (docs/calendar.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.bookings.attempts import Attempt, claims_of
from shared.bookings.choice import Wish
from shared.bookings.claims import CLAIM, claimed_days, home_of
from shared.bookings.desk import Desk
from shared.bookings.events import before, booking_event
from shared.bookings.finding import Found
from shared.bookings.making import check_interval
from shared.bookings.models import Booking, State
from shared.bookings.payloads import BookingPatch
from shared.bookings.rows import NewRoom, Stored, booking_rk
from shared.events.catalogue import Audit, EventType
from shared.platform.auth import Caller
from shared.platform.clock import iso
from shared.platform.i18n import Message
from shared.platform.problems import FieldError, Problem, busy, invalid
from shared.platform.tables import Delete, Insert, Op, Replace, Upsert
from shared.platform.waiting import beside

if TYPE_CHECKING:
    pass


class Mover:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    # -- who may, until when ---------------------------------------------------------------------

    def free_until(self, caller: Caller, booking: Booking) -> datetime:
        """The last moment at which the caller may cancel or move the booking."""
        notice = timedelta(0) if caller.is_admin else self._desk.settings.cancel_notice
        return booking.start - notice

    def check_notice(self, caller: Caller, booking: Booking, late: str, started: str) -> None:
        """Problems: 403 `started` after the start, 400 `late` inside the notice."""
        now = self._desk.clock.now()
        if booking.state is State.ENDED or now >= booking.start:
            raise Problem(403, started)
        if now > self.free_until(caller, booking):
            raise Problem(400, late, {"notice": self._desk.settings.cancel_notice})

    # -- what is asked for -----------------------------------------------------------------------

    async def reschedule(
        self, caller: Caller, stored: Stored, request: BookingPatch, address: str
    ) -> None:
        """Problems: 400 interval or notice, 403 started, 404 room, 409 cancelled, taken or no
        capacity, 503."""
        booking = stored.booking
        if booking.state is State.CANCELLED:
            raise Problem(409, "booking_cancelled")
        self.check_notice(caller, booking, "change_too_late", "change_started")
        start = request.start_time or booking.start
        end = request.end_time or start + (booking.end - booking.start)
        if (start, end, request.room_id or booking.room_id) == (
            booking.start,
            booking.end,
            booking.room_id,
        ):
            return
        fresh = start != booking.start
        check_interval(start, end, self._desk.clock, self._desk.settings, fresh=fresh)
        asked = request.room_id or (booking.room_id if booking.asked else 0)
        wish = Wish(start, end, booking.booking_id, asked, booking.room_id)
        audit = Audit(caller.sub, "booking.reschedule", address)
        await self._move(stored, wish, EventType.BOOKING_RESCHEDULED, audit)

    async def extend(self, caller: Caller, stored: Stored, end: datetime, address: str) -> None:
        """Problems: 400 not later or too long, 409 not running or taken (`free_until`), 503."""
        booking, now = stored.booking, self._desk.clock.now()
        if booking.state is not State.ACTIVE or not booking.start <= now < booking.end:
            raise Problem(409, "booking_not_running")
        if end == booking.end:
            return
        longest = booking.start + self._desk.settings.max_booking
        if not booking.end < end <= longest:
            message = Message(
                f"deve ser depois do fim atual, {iso(booking.end)}, e até {iso(longest)}",
                f"must be after the present end, {iso(booking.end)}, and at most {iso(longest)}",
            )
            raise invalid([FieldError("end_time", message)])
        room_id = booking.room_id
        wish = Wish(booking.start, end, booking.booking_id, asked=room_id, kept=room_id)
        audit = Audit(caller.sub, "booking.extend", address)
        try:
            await self._move(stored, wish, EventType.BOOKING_EXTENDED, audit)
        except Problem as problem:
            if problem.code == "room_taken":
                raise await self._followed(booking, end) from problem
            raise

    async def _followed(self, booking: Booking, end: datetime) -> Problem:
        """Says how long the room is free."""
        pool = self._desk.settings.pool
        days = await self._desk.calendar.settled(pool, booking.end, end)
        claims = (claim for day in days for claim in day.claims.values())
        starts = [
            claim.start
            for claim in claims
            if claim.room_id == booking.room_id and claim.start >= booking.end
        ]
        until = iso(min(starts, default=booking.end))
        return Problem(409, "extend_taken", {"free_until": until}, extra={"free_until": until})

    # -- doing it --------------------------------------------------------------------------------

    async def _move(self, stored: Stored, wish: Wish, kind: EventType, audit: Audit) -> None:
        home = home_of(stored.booking.booking_id)
        reads = stored

        async def attempt(number: int) -> None:
            nonlocal reads
            if number:
                reads = await self._unchanged(reads)
            await self._attempt(reads, wish, kind, audit)

        await self._desk.contention.run(home, attempt)

    async def _unchanged(self, before: Stored) -> Stored:
        """The booking anew; raises Problem 503 when somebody else has changed it meanwhile, so that
        what was checked no longer holds."""
        again = await self._desk.calendar.find(before.booking.booking_id)
        if again is None or again.booking.sequence != before.booking.sequence:
            raise busy()
        return again

    async def _attempt(self, stored: Stored, wish: Wish, kind: EventType, audit: Audit) -> None:
        old = stored.booking
        found = await self._desk.finder.find(old.tenant, [wish])
        room_id, attempt_id = found.room.room_id, self._desk.ids.token()
        asked = old.asked or (bool(wish.asked) and kind is EventType.BOOKING_RESCHEDULED)
        new = old.moved(wish.start, wish.end, room_id, attempt_id, asked=asked)
        if new.start != old.start:
            await self._desk.index.put(new)
        attempt = self._plan(stored, new, found, kind, audit)
        await beside(
            self._desk.calendar.commit(attempt),
            *self._desk.rooms.births(found.room, born=found.born),
            self._desk.room_index.put([new]),
        )
        await self._desk.calendar.let_go(old, new)
        if new.start != old.start:
            await self._desk.index.drop(old)

    def _plan(
        self, stored: Stored, new: Booking, found: Found, kind: EventType, audit: Audit
    ) -> Attempt:
        old, home = stored.booking, home_of(new.booking_id)
        days = claimed_days(new)
        claims = claims_of(new, home, days, self._desk.clock)
        seed = NewRoom(found.room.size, found.room.sealed_pin) if found.born else None
        row = Replace(booking_rk(new.booking_id), stored.changed(new, seed), old.etag)
        ops: dict[str, Sequence[Op]] = {
            claim.pk: [Insert(claim.rk, claim.to_row())] for claim in claims if claim.pending
        }
        # The claim at home changes only together with the booking's row, whose ETag guards it.
        own = [Upsert(claim.rk, claim.to_row()) for claim in claims if not claim.pending]
        gone = [Delete(f"{CLAIM}{old.booking_id}")] if home in claimed_days(old) and not own else []
        ops[home] = [row, *own, *gone]
        return Attempt(
            id=new.attempt,
            home=home,
            witness=new.booking_id,
            days=found.of(days),
            ops=ops,
            pending=[claim for claim in claims if claim.pending],
            events=[booking_event(self._desk.outbox, kind, new, audit, more=before(old))],
        )
