"""A room's bookings by their start: hints, so that a room's page needs no look at every day.

Written beside the booking's commit and again by its event's subscriber, so a crash only delays one.
Nothing is decided by them: deleting a room looks at the days themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.bookings.calendar import Calendar
from shared.bookings.index import cursor
from shared.bookings.models import Booking
from shared.events.catalogue import DomainEvent
from shared.platform.clock import parse, stamp
from shared.platform.ids import PLATFORM_TENANT
from shared.platform.tables import Conflict, Delete, StorageUnavailable, Tables, Upsert

TABLE = "RoomIndex"

CHUNK = 20
"""Hints that are verified side by side; most often the first one is true."""


class RoomIndex:
    def __init__(self, tables: Tables, calendar: Calendar, longest: timedelta) -> None:
        self._tables = tables
        self._calendar = calendar
        self._longest = longest

    async def put(self, bookings: Sequence[Booking]) -> None:
        """Of one room; at most as many as a series has."""
        pk = str(bookings[0].room_id)
        for n in range(0, len(bookings), 100):
            rows = [
                Upsert(cursor(each), {"booking_id": each.booking_id})
                for each in bookings[n : n + 100]
            ]
            await self._tables.commit(TABLE, pk, rows)

    async def booked(self, room_id: int, now: datetime) -> bool:
        """Whether a booking of the room is not over."""
        start = stamp(now - self._longest)
        while True:
            hints = await self._tables.query(TABLE, str(room_id), start, "", CHUNK)
            ids = [int(hint.data["booking_id"]) for hint in hints]
            found = await asyncio.gather(*(self._calendar.find(number) for number in ids))
            if any(each and _lasts(each.booking, room_id, now) for each in found):
                return True
            if len(hints) < CHUNK:
                return False
            start = hints[-1].rk + "\x7f"

    async def on_event(self, event: DomainEvent) -> None:
        """Subscriber: the hint is there while the booking has the room, and only then."""
        # What operators are told of a booking changes nothing of it.
        if not event.type.value.startswith("booking.") or event.tenant == PLATFORM_TENANT:
            return
        stored = await self._calendar.find(int(event.data["booking_id"]))
        if stored is None:
            return
        booking = stored.booking
        if _lasts(booking, booking.room_id, event.time):
            await self.put([booking])
        for told in (event.data, event.data.get("previous", event.data)):
            there = (int(told["room_id"]), parse(str(told["start_time"])))
            gone = not _lasts(booking, booking.room_id, event.time)
            if gone or there != (booking.room_id, booking.start):
                await self._drop(*there, booking.booking_id)

    async def _drop(self, room_id: int, start: datetime, booking_id: int) -> None:
        rk = f"{stamp(start)}|{booking_id}"
        try:
            await self._tables.commit(TABLE, str(room_id), [Delete(rk)])
        except (Conflict, StorageUnavailable):
            return  # it is gone, or stays and is skipped


def _lasts(booking: Booking, room_id: int, now: datetime) -> bool:
    return booking.room_id == room_id and booking.status(now) == "upcoming"
