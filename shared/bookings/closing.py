"""Deleting a room: its row is marked, then every day is made to refuse bookings that have not seen
the mark, then bookings are looked for, then Januses forget the room, and last the row goes.

A booking commits only on days as it has read them, and reads the row again when a day names the
room; so either it sees the mark, or we see it. After a crash whoever asks again, or the timer, goes
on from the mark. Whoever is refused takes it back.
"""

from __future__ import annotations

import asyncio

from shared.bookings.models import Room
from shared.bookings.occupancy import Occupancy
from shared.bookings.room_rows import Mark, StoredRoom
from shared.bookings.rooms import Hosts, Rooms, room_not_found
from shared.events.catalogue import Audit, DomainEvent, EventType
from shared.events.outbox import Outbox
from shared.janus.port import JanusError
from shared.platform import logs
from shared.platform.auth import Caller
from shared.platform.clock import Clock
from shared.platform.ids import Ids
from shared.platform.problems import Problem, busy
from shared.platform.tables import StorageError

RETRY_AFTER = {"Retry-After": "5"}


class Closing:
    def __init__(
        self, rooms: Rooms, occupancy: Occupancy, hosts: Hosts, outbox: Outbox, clock: Clock
    ) -> None:
        self._rooms = rooms
        self._occupancy = occupancy
        self._hosts = hosts
        self._outbox = outbox
        self._clock = clock

    async def delete(self, caller: Caller, room_id: int, address: str) -> None:
        """Problems: 404; 403 for who is no admin; 409 booked; 503 when a running Janus or the
        storage fails, or others book or delete too much.

        After 409 and 503 the room is as it was, but who does not ask for it may not get it for
        `CLOSED_LIFE`. Only if the storage does not even let the mark be taken back, the deletion is
        gone on with later.
        """
        stored = await self._rooms.stored(caller.tenant, room_id)
        if stored is None:
            raise room_not_found(room_id)
        caller.require_admin()
        mark = stored.deletion
        if not mark:
            await self._check(stored.room)
            mark = Mark(self._clock.now(), caller.sub, address)
        try:
            if not stored.deletion:
                stored = await self._rooms.mark(stored, stored.with_deletion(mark))
            await self._go_on(stored)
        except (Problem, StorageError):
            if not await self._take_back(stored.room, mark):
                raise

    async def _check(self, room: Room) -> None:
        booked, closable = await asyncio.gather(
            self._occupancy.booked(room), self._occupancy.closable(room)
        )
        if booked:
            raise room_booked(room)
        if not closable:
            raise busy()

    async def finish(self, stored: StoredRoom) -> None:
        """Goes on with what somebody left. Problems as of `delete`: the mark is taken back then. It
        stays when the storage fails: nobody was answered."""
        try:
            await self._go_on(stored)
        except Problem:
            if stored.deletion:
                await self._take_back(stored.room, stored.deletion)
            raise

    async def _go_on(self, stored: StoredRoom) -> None:
        room = stored.room
        if not await self._occupancy.close(room):
            raise room_booked(room)
        hosts = await self._hosts.running(Ids.room_pool(room.room_id))
        asked = (host.destroy(room) for host in hosts)
        for outcome in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(outcome, JanusError):
                logs.event("room.destroy_failed", room_id=room.room_id, reason=outcome.reason)
                raise Problem(503, "room_delete_failed", headers=RETRY_AFTER)
            if outcome:
                raise outcome
        await self._rooms.remove(stored, self._event(stored))

    async def _take_back(self, room: Room, mark: Mark) -> bool:
        """Best effort; the mark of somebody else stays. True when the room is gone after all.

        A removal that was sent and has no answer can't come after this: the row has changed.
        """
        try:
            stored = await self._rooms.stored(room.tenant, room.room_id)
            if stored and stored.deletion == mark:
                await self._rooms.change(stored, stored.with_deletion(None))
        except StorageError as error:
            logs.exception("room.mark_left", error, room_id=room.room_id)
            return False
        return stored is None

    def _event(self, stored: StoredRoom) -> DomainEvent:
        room, mark = stored.room, stored.deletion
        audit = Audit(mark.by, "room.delete", mark.address) if mark else None
        data = {"room_id": room.room_id}
        subject = f"room/{room.room_id}"
        return self._outbox.event(EventType.ROOM_DELETED, room.tenant, subject, data, audit=audit)


def room_booked(room: Room) -> Problem:
    return Problem(409, "room_booked", {"room_id": str(room.room_id)})
