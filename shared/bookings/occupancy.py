"""Which rooms have bookings that are not over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.bookings.calendar import Calendar
from shared.bookings.claims import partition
from shared.bookings.contention import Pause
from shared.bookings.models import Room
from shared.platform.clock import Clock
from shared.platform.ids import Ids

if TYPE_CHECKING:
    from shared.platform.settings import Settings

FAR = timedelta(days=3660)
"""Bookings made under a longer horizon than today's count too."""


class Occupancy:
    def __init__(self, calendar: Calendar, settings: Settings, clock: Clock, pause: Pause) -> None:
        self._calendar = calendar
        self._settings = settings
        self._clock = clock
        self._pause = pause
        self.pool = settings.pool

    async def booked(self, room: Room) -> bool:
        """Live or in the future; whoever books at the same time is not seen."""
        now = self._clock.now()
        return await self._calendar.has_claim_after(room.room_id, now, self._days(now))

    async def rooms(self) -> set[int]:
        """The booked ones of the pool, by one scan."""
        now = self._clock.now()
        return await self._calendar.booked_rooms(self.pool, now, self._days(now))

    async def closable(self, room: Room) -> bool:
        """Whether one more room may be deleted just now. Every deletion closes today, so that alone
        is looked at; `close` meets the rest."""
        now = self._clock.now()
        pk = partition(Ids.room_pool(room.room_id), now.date())
        return await self._calendar.has_room_to_close(pk, now)

    async def close(self, room: Room) -> bool:
        """Makes every booking of the room that is not committed yet fail, or look at the room's row
        again. False when a booking is not over. The row must have its mark before.

        Days on which nobody has booked need nothing: the first booking of a day makes its head, and
        looks at the room's row after that.

        Raises Problem 503 when others don't let it: days may be closed then."""
        now, settings = self._clock.now(), self._settings
        first = now - settings.max_booking - timedelta(days=1)
        last = now + settings.horizon + settings.max_booking + timedelta(days=2)
        pks = await self._calendar.begun(Ids.room_pool(room.room_id), (first, last))
        if not await self._calendar.close_room(room.room_id, pks, now, self._pause):
            return False
        return not await self.booked(room)

    async def taken(self, start: datetime, end: datetime) -> set[int] | None:
        """The rooms that are booked in [start, end); None when the machines carry no more."""
        days = await self._calendar.settled(self.pool, start, end)
        if self._settings.pool_capacity <= max(day.peak(start, end) for day in days):
            return None
        return {room for day in days for room in day.taken_rooms(start, end)}

    def _days(self, now: datetime) -> tuple[datetime, datetime]:
        return now - self._settings.max_booking, now + FAR
