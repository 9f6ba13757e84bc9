"""Changing a room's pin: the new one is written beside the old one, then every running Janus that
has the room takes it, then it is the room's pin.

While both stand in the row nobody knows which one a Janus holds: whoever lets somebody in tells it
the new one first. Going back is a change too, to the old pin. After a crash the timer goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TypeVar

from shared.bookings.closing import RETRY_AFTER, room_booked
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
from shared.platform.problems import Problem
from shared.platform.tables import Conflict, Value

ADMIN, NIGHTLY = "admin", "nightly"
"""Why a pin was changed, as events tell it."""

BACK = "back"
"""Why a pin is being changed to the old one: no event tells of that."""

NIGHT_ACTOR = "timer:rooms_nightly"

AT_ONCE = 8
"""Rooms that the timer changes side by side."""


class Pins:
    def __init__(
        self, rooms: Rooms, occupancy: Occupancy, hosts: Hosts, outbox: Outbox, clock: Clock
    ) -> None:
        self._rooms = rooms
        self._occupancy = occupancy
        self._hosts = hosts
        self._outbox = outbox
        self._clock = clock

    async def reset(self, caller: Caller, room_id: int, address: str, *, force: bool) -> Room:
        """The room with its new pin. `force`: also when it is booked, now or later.

        Problems: 404; 403 for who is no admin; 409 booked; 503 when a running Janus fails, and then
        the old pin holds.
        """
        stored = await self._rooms.stored(caller.tenant, room_id)
        if stored is None or stored.deletion:
            raise room_not_found(room_id)
        caller.require_admin()
        if not force and await self._occupancy.booked(stored.room):
            raise room_booked(stored.room)
        stored = await self._begin(stored, Mark(self._clock.now(), caller.sub, address, ADMIN))
        if not force and await self._occupancy.booked(stored.room):
            await self._go_back(stored)
            raise room_booked(stored.room)
        try:
            await self.go_on(stored)
        except JanusError as error:
            await self._go_back(stored)
            raise Problem(503, "password_reset_failed", headers=RETRY_AFTER) from error
        return stored.room

    async def _begin(self, stored: StoredRoom, mark: Mark) -> StoredRoom:
        return await self._rooms.mark(stored, stored.with_reset(mark, self._rooms.fresh_pin()))

    async def go_on(self, stored: StoredRoom) -> None:
        """From the mark. Raises `JanusError` when a running Janus fails: the mark stays."""
        await self._tell(stored.room)
        mark = stored.reset
        if mark is None or mark.reason == BACK:
            await self._commit(stored, stored.without_reset())
            return
        row = stored.with_pin(stored.room.sealed_pin, self._clock.now())
        await self._commit(stored, row, [self._event(stored.room, mark)])

    async def _go_back(self, stored: StoredRoom) -> None:
        """To the old pin; the mark stays while a Janus fails, which may have taken the new one."""
        mark = Mark(self._clock.now(), NIGHT_ACTOR, "", BACK)
        stored = await self._rooms.mark(stored, stored.with_reset(mark, stored.sealed_old_pin))
        try:
            await self.go_on(stored)
        except JanusError as error:
            logs.event("room.pin_unsettled", room_id=stored.room.room_id, reason=error.reason)

    async def _tell(self, room: Room) -> None:
        """Every Janus, whatever becomes of the others."""
        hosts = await self._hosts.running(Ids.room_pool(room.room_id))
        asked = (host.change_pin(room) for host in hosts)
        for outcome in await asyncio.gather(*asked, return_exceptions=True):
            if outcome:
                raise outcome

    async def _commit(
        self, stored: StoredRoom, row: Mapping[str, Value], events: Sequence[DomainEvent] = ()
    ) -> None:
        try:
            await self._rooms.change(stored, row, events)
        except Conflict:
            await self._tell_what_holds(stored.room)
            raise

    async def _tell_what_holds(self, room: Room) -> None:
        """Somebody else changes the pin too, and we may have been the last whom Janus heard."""
        while True:
            again = await self._rooms.stored(room.tenant, room.room_id)
            if again is None or again.room.sealed_pin == room.sealed_pin:
                return
            room = again.room
            await self._tell(room)

    def _event(self, room: Room, mark: Mark) -> DomainEvent:
        audit = Audit(mark.by, "room.password_reset", mark.address)
        data = {"room_id": room.room_id, "reason": mark.reason}
        subject = f"room/{room.room_id}"
        kind = EventType.ROOM_PASSWORD_RESET
        return self._outbox.event(kind, room.tenant, subject, data, audit=audit)

    # -- every night -----------------------------------------------------------------------------

    async def nightly(self) -> None:
        """Changes the pins of the rooms without a booking, and encrypts the other rooms' secrets
        anew, so that an old key can go. One room's failure never stops the others."""
        idle = [s for s in await self._rooms.every() if self._ours(s) and not s.unfinished]
        booked = await self._occupancy.rooms()
        free = [stored for stored in idle if stored.room.room_id not in booked]
        marked = await each(self._begin_nightly, free)
        # A room that was booked before its mark: the booker was told the old pin.
        booked = await self._occupancy.rooms()
        back = [stored for stored in marked if stored.room.room_id in booked]
        await each(self._go_back, back)
        forth = [stored for stored in marked if stored.room.room_id not in booked]
        done = await each(self._finish_nightly, forth)
        await self._reseal({stored.room.room_id for stored in done})
        logs.event("rooms.nightly", rooms=len(idle), free=len(free), reset=len(done))

    async def _begin_nightly(self, stored: StoredRoom) -> StoredRoom:
        return await self._begin(stored, Mark(self._clock.now(), NIGHT_ACTOR, "", NIGHTLY))

    async def _finish_nightly(self, stored: StoredRoom) -> StoredRoom:
        try:
            await self.go_on(stored)
        except JanusError:
            await self._go_back(stored)
            raise
        return stored

    async def _reseal(self, fresh: Collection[int]) -> None:
        """All but those that have a fresh pin, and nothing else that is sealed."""

        async def reseal(stored: StoredRoom) -> None:
            await self._rooms.change(stored, self._rooms.resealed(stored))

        every = [stored for stored in await self._rooms.every() if self._ours(stored)]
        stale = [s for s in every if s.room.room_id not in fresh or "answer" in s.data]
        await each(reseal, stale)

    def _ours(self, stored: StoredRoom) -> bool:
        return Ids.room_pool(stored.room.room_id) == self._occupancy.pool


T = TypeVar("T")


async def each(work: Callable[[StoredRoom], Awaitable[T]], rooms: Sequence[StoredRoom]) -> list[T]:
    """Does the work for every room, some side by side; returns what became of those that did not
    fail. The others are logged."""
    slots = asyncio.Semaphore(AT_ONCE)
    done: list[T] = []

    async def one(stored: StoredRoom) -> None:
        async with slots:
            try:
                done.append(await work(stored))
            except Exception as error:
                logs.exception("room.task_failed", error, room_id=stored.room.room_id)

    await asyncio.gather(*(one(stored) for stored in rooms))
    return done
