"""Guests of a booking: each has a link of their own, which can be revoked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from shared.bookings.attempts import Contended
from shared.bookings.calendar import Calendar
from shared.bookings.claims import home_of
from shared.bookings.contention import Contention
from shared.bookings.events import booking_event
from shared.bookings.models import SHARED_LINK, Booking, Guest
from shared.bookings.payloads import MOST_GUESTS, InviteCreate
from shared.bookings.rows import TABLE, Stored
from shared.bookings.service import Bookings
from shared.events.catalogue import Audit, EventType
from shared.events.outbox import Outbox
from shared.platform.auth import Caller
from shared.platform.clock import Clock
from shared.platform.ids import Ids
from shared.platform.once import Once
from shared.platform.problems import Problem, busy
from shared.platform.tables import Conflict, Insert, Op, StorageUnavailable, Tables

MOST_EVER = 100
"""Invites that a booking can have had: the ids of revoked ones stay in its row."""


@dataclass(frozen=True, slots=True)
class Invited:
    booking: Booking
    guest: Guest


@dataclass(frozen=True, slots=True)
class Change:
    """`apply` gives what the booking becomes, or None when it is so already; it may refuse."""

    kind: EventType
    audit: Audit
    event_id: str
    details: Mapping[str, str]
    apply: Callable[[Booking], Booking | None]
    ops: Sequence[Op] = ()


class Guests:
    def __init__(
        self,
        tables: Tables,
        bookings: Bookings,
        calendar: Calendar,
        contention: Contention,
        outbox: Outbox,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._tables = tables
        self._bookings = bookings
        self._calendar = calendar
        self._contention = contention
        self._outbox = outbox
        self._clock = clock
        self._ids = ids

    async def booking(self, caller: Caller, booking_id: int) -> Booking:
        """The booking whose invites the caller may see. Raises Problem 404."""
        return (await self._bookings.get(caller, booking_id)).booking

    async def find(self, caller: Caller, booking_id: int, invite_id: str) -> Invited:
        """An invite that holds. Raises Problem 404, for a revoked one too."""
        booking = await self.booking(caller, booking_id)
        guest = booking.guest(invite_id)
        if guest is None:
            raise Problem(404, "invite_not_found")
        return Invited(booking, guest)

    async def invite(
        self,
        caller: Caller,
        booking_id: int,
        request: InviteCreate,
        address: str,
        once: Once[Invited] | None = None,
    ) -> Invited:
        """Problems: 404, 409 over or too many guests, 503; with a key also what `Once.begin`
        raises."""
        stored = await self._bookings.get(caller, booking_id)
        invite_id = self._ids.token()
        if once:
            invite_id = await once.begin(invite_id, self._finder(booking_id))
        guest = Guest(invite_id, request.name, request.email)
        try:
            # What was made in time is answered again above, however late it is.
            after = self._with(stored.booking, guest)
            sealed = once.sealed(Invited(after or stored.booking, guest)) if once else None
            change = Change(
                EventType.INVITE_CREATED,
                Audit(caller.sub, "invite.create", address),
                self._ids.event_id(),
                _details(guest),
                lambda booking: self._with(booking, guest),
                [Insert(_invite_rk(booking_id, invite_id), sealed)] if sealed else [],
            )
            return Invited(await self._change(stored, change), guest)
        except Problem:
            if once:
                await once.release()
            raise

    async def revoke(self, caller: Caller, booking_id: int, invite_id: str, address: str) -> None:
        """A second time changes nothing. Problems: 404 for one that never was, 503."""
        stored = await self._bookings.get(caller, booking_id)
        guest = next((g for g in _every(stored.booking) if g.id == invite_id), None)
        if guest is None and invite_id not in stored.booking.revoked:
            raise Problem(404, "invite_not_found")
        change = Change(
            EventType.INVITE_REVOKED,
            Audit(caller.sub, "invite.revoke", address),
            self._ids.event_id(),
            _details(guest or Guest(invite_id)),
            lambda booking: _without(booking, invite_id),
        )
        await self._change(stored, change)

    # -- doing it --------------------------------------------------------------------------------

    async def _change(self, stored: Stored, change: Change) -> Booking:
        """Until nobody else has changed the booking between our reading and writing it."""
        booking_id, current = stored.booking.booking_id, stored

        async def attempt(number: int) -> Booking:
            nonlocal current
            current = await self._again(booking_id) if number else current
            return await self._try(current, change)

        return await self._contention.run(f"{home_of(booking_id)}|{booking_id}", attempt)

    async def _try(self, stored: Stored, change: Change) -> Booking:
        after = change.apply(stored.booking)
        if after is None:
            return stored.booking
        event = booking_event(
            self._outbox,
            change.kind,
            after,
            change.audit,
            event_id=change.event_id,
            more=change.details,
        )
        try:
            await self._calendar.amend(stored, after, event, change.ops)
        except Conflict:
            raise Contended from None
        except StorageUnavailable:
            # The answer may be lost and the rows in place.
            if change.apply((await self._again(after.booking_id)).booking) is not None:
                raise
        return after

    async def _again(self, booking_id: int) -> Stored:
        stored = await self._calendar.find(booking_id)
        if stored is None:
            raise busy()
        return stored

    def _with(self, booking: Booking, guest: Guest) -> Booking | None:
        if guest.id in booking.revoked or any(g.id == guest.id for g in booking.guests):
            return None
        if booking.status(self._clock.now()) != "upcoming":
            raise Problem(409, "booking_closed")
        had = len(booking.guests) + len(booking.revoked - {SHARED_LINK})
        for count, limit in ((len(booking.guests), MOST_GUESTS), (had, MOST_EVER)):
            if count >= limit:
                raise Problem(409, "too_many_guests", {"limit": str(limit)})
        guests = (*booking.guests, guest)
        return replace(booking, guests=guests, sequence=booking.sequence + 1)

    def _finder(self, booking_id: int) -> Callable[[str], Any]:
        async def find(invite_id: str) -> Mapping[str, Any] | None:
            rk = _invite_rk(booking_id, invite_id)
            row = await self._tables.get(TABLE, home_of(booking_id), rk)
            return row.data if row else None

        return find


def _without(booking: Booking, invite_id: str) -> Booking | None:
    """Whoever is no guest any more is forgotten; only the id stays, so that the link is known."""
    if invite_id in booking.revoked:
        return None
    return replace(
        booking,
        guests=tuple(guest for guest in booking.guests if guest.id != invite_id),
        revoked=booking.revoked | {invite_id},
        sequence=booking.sequence + 1,
    )


def _every(booking: Booking) -> tuple[Guest, ...]:
    return (Guest(SHARED_LINK), *booking.guests)


def _details(guest: Guest) -> dict[str, str]:
    """Never the link: whoever has it is the guest."""
    known = {"invite_id": guest.id, "name": guest.name, "email": guest.email}
    return {name: value for name, value in known.items() if value is not None}


def _invite_rk(booking_id: int, invite_id: str) -> str:
    """The row that an idempotency key finds: the mark and the sealed answer."""
    return f"i|{booking_id}|{invite_id}"
