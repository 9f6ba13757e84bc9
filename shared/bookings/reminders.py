"""Reminders: `booking.reminder`, some time before a booking starts, once for each of the times.

That one was sent is a row in the booking's home, written in the transaction that commits the event:
so it is sent once, wherever the timer dies. What it is the reminder of (the booking, its start, how
long before) is the row's key, so that a booking that was moved is reminded of anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.bookings.calendar import Calendar
from shared.bookings.claims import Claim
from shared.bookings.events import booking_event
from shared.bookings.models import SHARED_LINK, Booking, State
from shared.bookings.rows import TABLE
from shared.events.catalogue import EventType
from shared.events.outbox import Outbox
from shared.platform import logs
from shared.platform.clock import Clock, stamp
from shared.platform.retrying import again
from shared.platform.tables import Conflict, Insert, Tables

if TYPE_CHECKING:
    from shared.platform.settings import Settings

PREFIX, AFTER = "r|", "r}"
MINUTE = timedelta(minutes=1)
AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Reminder:
    """One to send now. `minutes` is how long before the start it was due."""

    claim: Claim
    minutes: int

    @property
    def rk(self) -> str:
        return f"{PREFIX}{self.claim.booking_id}|{stamp(self.claim.start)}|{self.minutes}"


class Reminders:
    def __init__(
        self,
        tables: Tables,
        calendar: Calendar,
        outbox: Outbox,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._tables = tables
        self._calendar = calendar
        self._outbox = outbox
        self._settings = settings
        self._clock = clock
        self._sent: frozenset[str] = frozenset()
        """Of those that are due, the ones known to be sent: not looked up again each minute."""

    async def run(self) -> int:
        """Sends what is due; returns how many. One booking's failure stops no other: the next run
        tries it again."""
        times, now = self._settings.reminders, self._clock.now()
        if not times:
            return 0
        claims = await self._calendar.claims(self._settings.pool, now, now + max(times))
        due = {r.rk: r for claim in claims if (r := due_reminder(claim, times, now))}
        sent = self._sent & due.keys()
        sent |= await self._marked({due[rk].claim.home for rk in due.keys() - sent})
        waiting = [reminder for rk, reminder in due.items() if rk not in sent]
        room = asyncio.Semaphore(AT_ONCE)
        outcomes = await asyncio.gather(*(self._apart(r, room) for r in waiting))
        new = {r.rk for r, done in zip(waiting, outcomes, strict=True) if done}
        self._sent = frozenset((sent | new) & due.keys())
        return len(new)

    async def _marked(self, homes: Iterable[str]) -> set[str]:
        days = (self._tables.query(TABLE, home, PREFIX, AFTER) for home in homes)
        return {row.rk for rows in await asyncio.gather(*days) for row in rows}

    async def _apart(self, reminder: Reminder, room: asyncio.Semaphore) -> bool:
        async with room:
            try:
                return await self._send(reminder)
            except Exception as error:
                number = reminder.claim.booking_id
                logs.exception("booking.reminder_failed", error, booking_id=number)
                return False

    async def _send(self, reminder: Reminder) -> bool:
        """Whether it is sent now; not when there is nothing to remind of any more."""
        claim = reminder.claim

        async def attempt() -> bool:
            stored = await self._calendar.find(claim.booking_id)
            if stored is None or not _stands(stored.booking, claim):
                return False
            booking = stored.booking
            more = {"minutes_before": reminder.minutes, "guests": _guests(booking)}
            event = booking_event(self._outbox, EventType.BOOKING_REMINDER, booking, more=more)
            mark = Insert(reminder.rk, {"event": event.id})
            try:
                # With the booking's own row: who cancels it at this moment comes before or after.
                await self._calendar.amend(stored, booking, event, [mark])
            except Conflict:
                if not await self._tables.get(TABLE, claim.home, reminder.rk):
                    raise
            return True

        return await again(attempt)


def due_reminder(claim: Claim, times: Iterable[timedelta], now: datetime) -> Reminder | None:
    """The latest one whose time has come, while the start is ahead. The earlier ones are out of
    date then. None when the booking was made, or moved, after that time."""
    due = [before for before in times if claim.start - before <= now < claim.start]
    if not due or claim.ended or claim.pending:
        return None
    if claim.claimed_at > claim.start - min(due):
        return None
    return Reminder(claim, min(due) // MINUTE)


def _stands(booking: Booking, claim: Claim) -> bool:
    return booking.state is State.ACTIVE and booking.start == claim.start


def _guests(booking: Booking) -> list[dict[str, str]]:
    """Those with an invite of their own; never a link."""
    own = [guest for guest in booking.invites if guest.id != SHARED_LINK]
    known = [{"invite_id": g.id, "name": g.name, "email": g.email} for g in own]
    return [{name: value for name, value in each.items() if value} for each in known]
