"""Changing a room's pin: the new one is written beside the old one, then every running Janus that
has the room takes it, then it is the room's pin.

While both stand in the row nobody knows which one a Janus holds: whoever lets somebody in tells it
the new one first. Going back is a change too, to the old pin. After a crash the timer goes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from shared.bookings.closing import RETRY_AFTER, room_booked
from shared.bookings.models import Room
from shared.bookings.occupancy import Occupancy
from shared.bookings.room_rows import BACK, Mark, StoredRoom
from shared.bookings.rooms import Hosts, Rooms, room_not_found
from shared.events.catalogue import Audit, DomainEvent, EventType
from shared.events.outbox import Outbox
from shared.janus.port import JanusError
from shared.platform import logs
from shared.platform.auth import Caller
from shared.platform.clock import Clock
from shared.platform.ids import Ids
from shared.platform.problems import Problem
from shared.platform.tables import Conflict, StorageError, Value

ADMIN, NIGHTLY = "admin", "nightly"
"""Why a pin was changed, as events tell it."""

NIGHT_ACTOR = "timer:rooms_nightly"

AT_ONCE = 8
"""Rooms that the timer changes side by side."""


@dataclass(slots=True)
class Night:
    """`booked`: the rooms that had a booking when last looked at."""

    booked: Collection[int]
    rooms: int = 0
    free: int = 0
    reset: int = 0

    def count(self, rooms: int, free: int, reset: int) -> None:
        self.rooms, self.free = self.rooms + rooms, self.free + free
        self.reset += reset


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

        Problems: 404; 403 for who is no admin; 409 booked; 503 when a running Janus or the storage
        fails, and then the old pin holds: at once, or once whoever fails answers again. Only if the
        storage takes the commit and then hides it, the new one may.
        """
        stored = await self._rooms.stored(caller.tenant, room_id)
        if stored is None or stored.deletion:
            raise room_not_found(room_id)
        caller.require_admin()
        if not force and await self._occupancy.booked(stored.room):
            raise room_booked(stored.room)
        mark = Mark(self._clock.now(), caller.sub, address, ADMIN)
        new = replace(stored.room, sealed_pin=self._rooms.fresh_pin())
        try:
            await self._change(stored, mark, new, force=force)
        except (JanusError, Problem, StorageError) as error:
            if await self._undo(new):
                return new
            if isinstance(error, JanusError):
                raise Problem(503, "password_reset_failed", headers=RETRY_AFTER) from error
            raise
        return new

    async def _change(self, stored: StoredRoom, mark: Mark, new: Room, *, force: bool) -> None:
        stored = await self._rooms.mark(stored, stored.with_reset(mark, new.sealed_pin))
        if not force and await self._occupancy.booked(stored.room):
            raise room_booked(stored.room)
        await self._go_on(stored)

    async def _undo(self, new: Room) -> bool:
        """Best effort. True when the change was committed after all: the answer was lost.

        A commit that was sent and has no answer can't come after this: the row has changed.
        """
        try:
            stored = await self._rooms.stored(new.tenant, new.room_id)
            if stored and stored.sealed_old_pin == new.sealed_pin:
                return True
            if stored and not stored.deletion and stored.room.sealed_pin == new.sealed_pin:
                await self._go_back(stored)
        except StorageError as error:
            logs.exception("room.pin_unsettled", error, room_id=new.room_id)
        return False

    async def settle(self, stored: StoredRoom) -> None:
        """To the old pin, what somebody left: the new one was told to nobody whom it was promised,
        neither an admin nor a booker. Where a Janus can't be told the old one, it could not be told
        the new one either: the mark stays, and whoever lets somebody in there tells it first."""
        if stored.reset and stored.reset.reason == BACK:
            await self._go_on(stored)
        else:
            await self._go_back(stored)

    async def _go_on(self, stored: StoredRoom) -> None:
        """From the mark. Raises `JanusError` when a running Janus fails: the mark stays."""
        await self._tell(stored.room)
        mark = stored.reset
        if mark is None or mark.reason == BACK:
            await self._commit(stored, stored.without_reset())
            return
        row = stored.with_pin(stored.room.sealed_pin, self._clock.now())
        await self._commit(stored, row, [self._event(stored.room, mark)])

    async def _go_back(self, stored: StoredRoom) -> None:
        """To the old pin; the mark stays while a Janus fails, which may have taken the new one.

        It names whoever began. There is no event and so no audit entry: the room has the password
        that it had, and the log has the request that failed.
        """
        begun = stored.reset or Mark(self._clock.now(), NIGHT_ACTOR)
        mark = replace(begun, at=self._clock.now(), reason=BACK)
        stored = await self._rooms.mark(stored, stored.with_reset(mark, stored.sealed_old_pin))
        try:
            await self._go_on(stored)
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
        anew, so that an old key can go. One room's failure never stops the others, nor one batch's:
        whoever dies here leaves a batch to be gone on with."""
        night = Night(await self._occupancy.rooms())
        async for rooms in self._rooms.batches():
            ours = [stored for stored in rooms if self._ours(stored)]
            try:
                await self._batch(ours, night)
            except StorageError as error:
                logs.exception("rooms.batch_failed", error, rooms=len(ours))
        logs.event("rooms.nightly", rooms=night.rooms, free=night.free, reset=night.reset)

    async def _batch(self, rooms: Sequence[StoredRoom], night: Night) -> None:
        idle = [stored for stored in rooms if not stored.unfinished]
        free = [stored for stored in idle if stored.room.room_id not in night.booked]
        marked = await each(self._begin_nightly, free)
        try:
            # A room that was booked before its mark: the booker was told the old pin.
            night.booked = await self._occupancy.rooms() if marked else night.booked
        except StorageError:
            await each(self._go_back, marked)
            raise
        back = [stored for stored in marked if stored.room.room_id in night.booked]
        await each(self._go_back, back)
        forth = [stored for stored in marked if stored.room.room_id not in night.booked]
        done = {stored.room.room_id for stored in await each(self._finish_nightly, forth)}
        night.count(len(idle), len(free), len(done))
        # All but those that have a fresh pin, and nothing else that is sealed.
        stale = [s for s in rooms if s.room.room_id not in done or "answer" in s.data]
        await each(self._reseal, stale)

    async def _begin_nightly(self, stored: StoredRoom) -> StoredRoom:
        mark = Mark(self._clock.now(), NIGHT_ACTOR, "", NIGHTLY)
        return await self._rooms.mark(stored, stored.with_reset(mark, self._rooms.fresh_pin()))

    async def _finish_nightly(self, stored: StoredRoom) -> StoredRoom:
        try:
            await self._go_on(stored)
        except JanusError:
            await self._go_back(stored)
            raise
        return stored

    async def _reseal(self, stored: StoredRoom) -> None:
        again = await self._rooms.stored(stored.room.tenant, stored.room.room_id)
        if again:
            await self._rooms.change(again, self._rooms.resealed(again))

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
