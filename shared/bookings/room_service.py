"""Rooms: what callers may do with them (webrtc-streaming.md 5.3, 5.4, 5.6, 5.7)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.bookings.closing import Closing
from shared.bookings.models import Room, RoomCreate, RoomFilter
from shared.bookings.occupancy import Occupancy
from shared.bookings.participants import Participants
from shared.bookings.pins import Pins, each
from shared.bookings.room_index import RoomIndex
from shared.bookings.room_rows import StoredRoom
from shared.bookings.rooms import Hosts, RoomHost, Rooms
from shared.bookings.service import Page
from shared.events.catalogue import Audit, DomainEvent, EventType
from shared.events.outbox import Outbox
from shared.janus.port import Participant
from shared.platform import logs
from shared.platform.auth import Caller
from shared.platform.clock import Clock
from shared.platform.once import Once
from shared.platform.problems import Problem
from shared.platform.tables import Conflict, StorageUnavailable

if TYPE_CHECKING:
    from shared.platform.settings import Settings

DEAD = timedelta(minutes=10)
"""How old a mark is when its writer is taken for dead: far longer than any request lasts."""

CHUNK = 1000
"""Rooms that are read at a time while a list searches, however short its page."""

MOST_READ = 5000
"""Rooms that one page looks at. What it has found by then is a short page."""


class RoomService:
    def __init__(
        self,
        rooms: Rooms,
        index: RoomIndex,
        occupancy: Occupancy,
        closing: Closing,
        pins: Pins,
        participants: Participants,
        hosts: Hosts,
        outbox: Outbox,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._rooms = rooms
        self._index = index
        self._occupancy = occupancy
        self._closing = closing
        self._pins = pins
        self._participants = participants
        self._hosts = hosts
        self._outbox = outbox
        self._settings = settings
        self._clock = clock

    # -- making ----------------------------------------------------------------------------------

    async def create(
        self,
        caller: Caller,
        request: RoomCreate,
        address: str = "",
        once: Once[Room] | None = None,
    ) -> Room:
        """Makes the room in a running Janus first, so that a failure there leaves nothing here.

        Problems: 503 when Janus fails; with a key also what `Once.begin` raises.
        """
        room = self._rooms.draft(caller.tenant, self._settings.pool, request)
        host = await self._host()
        if once:
            room = await self._reserve(room, once, host)
        try:
            await self._insert(room, Audit(caller.sub, "room.create", address), once, host)
        except Problem:
            if once:
                await once.release()
            raise
        return room

    async def _host(self) -> RoomHost | None:
        now = self._clock.now()
        return await self._hosts.host_for(self._settings.pool, now, now)

    async def _reserve(self, room: Room, once: Once[Room], host: RoomHost | None) -> Room:
        async def find(room_id: str) -> Mapping[str, Any] | None:
            stored = await self._rooms.stored(room.tenant, int(room_id))
            return stored.data if stored else None

        reserved = int(await once.begin(str(room.room_id), find))
        if reserved == room.room_id:
            return room
        room = replace(room, room_id=reserved)
        if host:  # the request that reserved it has died, and may have left it there, with its pin
            await host.unmake(room)
        return room

    async def _insert(
        self, room: Room, audit: Audit, once: Once[Room] | None, host: RoomHost | None
    ) -> None:
        if host:
            await host.make(room, "room_create_failed")
        sealed = once.sealed(room) if once else {}
        try:
            await self._rooms.insert(room, [self._created(room, audit)], sealed)
        except BaseException as error:
            if isinstance(error, Conflict | StorageUnavailable) and await self._stands(room, once):
                return
            if host:
                await host.unmake(room)
            raise

    async def _stands(self, room: Room, once: Once[Room] | None) -> bool:
        """Whether the room is there after all: the answer was lost, not the row."""
        stored = await self._rooms.stored(room.tenant, room.room_id)
        if stored and once and once.made(stored.data) and not self._is(stored, room):
            raise once.replay(stored.data)  # somebody took our key over, and was faster
        return stored is not None and self._is(stored, room)

    @staticmethod
    def _is(stored: StoredRoom, room: Room) -> bool:
        return stored.sealed_old_pin == room.sealed_pin

    def _created(self, room: Room, audit: Audit) -> DomainEvent:
        data: dict[str, Any] = {"room_id": room.room_id, "max_participants": room.size}
        if room.name is not None:
            data["optional_name"] = room.name
        subject = f"room/{room.room_id}"
        return self._outbox.event(EventType.ROOM_CREATED, room.tenant, subject, data, audit=audit)

    # -- reading ---------------------------------------------------------------------------------

    async def page(self, caller: Caller, wanted: RoomFilter, after: int, limit: int) -> Page[Room]:
        """None is free while the machines carry no more calls.

        A page may be short, even empty, and not the last one.
        """
        taken = await self._occupancy.taken(*wanted.free) if wanted.free else set()
        if taken is None:
            return Page([])
        found: list[Room] = []
        last, read = after, 0
        async for room in self._behind(caller.tenant, after, limit + 1):
            if wanted.admits(room, taken):
                if len(found) == limit:
                    return Page(found, str(last))
                found.append(room)
            last, read = room.room_id, read + 1
            if read == MOST_READ:
                return Page(found, str(last))
        return Page(found)

    async def _behind(self, tenant: str, after: int, chunk: int) -> AsyncIterator[Room]:
        """At first `chunk` at a time."""
        while True:
            rooms = await self._rooms.page(tenant, self._settings.pool, after, chunk)
            for room in rooms:
                yield room
            if len(rooms) < chunk:
                return
            after, chunk = rooms[-1].room_id, max(chunk, CHUNK)

    async def get(self, caller: Caller, room_id: int) -> tuple[Room, bool]:
        """The room, and whether it has a booking that has not ended."""
        room = await self._rooms.get(caller.tenant, room_id)
        return room, await self._index.booked(room_id, self._clock.now())

    def password(self, room: Room) -> str:
        return self._rooms.unseal(room)

    async def participants(self, caller: Caller, room_id: int) -> Sequence[Participant]:
        return await self._participants.of(caller, room_id)

    # -- changing --------------------------------------------------------------------------------

    async def delete(self, caller: Caller, room_id: int, address: str) -> None:
        await self._closing.delete(caller, room_id, address)

    async def reset(self, caller: Caller, room_id: int, address: str, *, force: bool) -> str:
        """The new password."""
        room = await self._pins.reset(caller, room_id, address, force=force)
        return self._rooms.unseal(room)

    # -- timers ----------------------------------------------------------------------------------

    async def nightly(self) -> None:
        await self.finish()
        await self._pins.nightly()

    async def finish(self) -> None:
        """Deletes what somebody began to delete more than 10 minutes ago, and never finished; a
        password that they began to change becomes the old one again."""
        since = self._clock.now() - DEAD
        async for left in self._rooms.batches(unfinished=True):
            await each(self._finish, [stored for stored in left if stored.begun_at < since])

    async def _finish(self, stored: StoredRoom) -> None:
        if not stored.deletion:
            await self._pins.settle(stored)
            return
        try:
            await self._closing.finish(stored)
        except Problem as problem:
            logs.event("room.kept", room_id=stored.room.room_id, reason=problem.code)
