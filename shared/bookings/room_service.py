"""Rooms: what callers may do with them (webrtc-streaming.md 5.3, 5.4, 5.6, 5.7)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.bookings.calendar import Calendar
from shared.bookings.models import Room, RoomCreate, RoomFilter
from shared.bookings.rooms import Hosts, Rooms
from shared.bookings.service import Page
from shared.platform.auth import Caller
from shared.platform.clock import Clock

if TYPE_CHECKING:
    from shared.platform.settings import Settings


class RoomService:
    def __init__(
        self, calendar: Calendar, rooms: Rooms, hosts: Hosts, settings: Settings, clock: Clock
    ) -> None:
        self._calendar = calendar
        self._rooms = rooms
        self._hosts = hosts
        self._settings = settings
        self._clock = clock

    async def create(self, caller: Caller, request: RoomCreate) -> Room:
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

    async def page(self, caller: Caller, wanted: RoomFilter, after: int, limit: int) -> Page[Room]:
        taken = await self._taken(*wanted.free) if wanted.free else ()
        found: list[Room] = []
        while len(found) <= limit:
            rooms = await self._rooms.page(caller.tenant, self._settings.pool, after, limit + 1)
            found += [room for room in rooms if wanted.admits(room, taken)]
            if len(rooms) <= limit:
                break
            after = rooms[-1].room_id
        more = len(found) > limit
        return Page(found[:limit], str(found[limit - 1].room_id) if more else "")

    async def get(self, caller: Caller, room_id: int) -> tuple[Room, bool]:
        """The room, and whether it has a booking that has not ended."""
        room = await self._rooms.get(caller.tenant, room_id)
        now = self._clock.now()
        since = now - self._settings.max_booking
        until = now + self._settings.horizon + timedelta(days=1)
        return room, await self._calendar.has_claim_after(room.room_id, now, (since, until))

    def password(self, room: Room) -> str:
        return self._rooms.unseal(room)

    async def _taken(self, start: datetime, end: datetime) -> set[int]:
        days = await self._calendar.settled(self._settings.pool, start, end)
        return {room for day in days for room in day.taken_rooms(start, end)}
