"""Rooms: rows of their tenant and pool. The pin is sealed; the Janus secret is never stored."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from shared.bookings.models import DEFAULT_ROOM_SIZE, Room, RoomCreate
from shared.bookings.room_rows import (
    UNFINISHED,
    StoredRoom,
    partition_of,
    room_rk,
    room_row,
    stored_room,
)
from shared.events.catalogue import DomainEvent
from shared.events.outbox import Outbox
from shared.janus.port import Participant
from shared.platform.clock import Clock
from shared.platform.crypto import Crypto
from shared.platform.ids import Ids
from shared.platform.once import LIFE
from shared.platform.problems import Problem
from shared.platform.tables import (
    Conflict,
    Delete,
    Insert,
    Op,
    Replace,
    StorageUnavailable,
    Tables,
    Value,
)

TABLE = "Rooms"

FIRST_ROOM, AFTER_ROOMS = "0", ":"
"""Row keys of rooms are digits; behind them is the outbox of their partition."""

AFTER_TENANTS = "\ufffd"

BATCH = 100
"""Rooms that a timer looks at together."""


class RoomHost(Protocol):
    """A running Janus."""

    async def make(self, room: Room, code: str) -> None:
        """It should hold the room from now on. Raises Problem 503 with this code when it fails."""
        ...

    async def unmake(self, room: Room) -> None:
        """Best effort: never raises."""
        ...

    async def destroy(self, room: Room) -> None:
        """Throws everybody out; a room that is not there counts as success. Raises `JanusError`."""
        ...

    async def change_pin(self, room: Room) -> None:
        """To the pin of `room`; one that is not there counts as success. Raises `JanusError`."""
        ...

    async def participants(self, room: Room) -> Sequence[Participant]:
        """Nobody when the room is not there. Raises `JanusError`."""
        ...


class Hosts(Protocol):
    """What bookings ask of the fleet, which knows the machines (implemented there)."""

    async def host_for(self, pool: int, start: datetime, end: datetime) -> RoomHost | None:
        """The Janus that should hold a room of such a booking now; None while none is wanted."""
        ...

    async def running(self, pool: int, room_id: int = 0) -> Sequence[RoomHost]:
        """Every Janus that may hold rooms now, also one that was ready and hangs. With a room only
        those that carry a booking of it, if any machine does."""
        ...


class Rooms:
    """Storage of rooms. Every method may raise `StorageUnavailable`."""

    def __init__(
        self, tables: Tables, outbox: Outbox, crypto: Crypto, clock: Clock, ids: Ids
    ) -> None:
        self._tables = tables
        self._outbox = outbox
        self._crypto = crypto
        self._clock = clock
        self._ids = ids

    def draft(self, tenant: str, pool: int, request: RoomCreate | None = None) -> Room:
        """A room with a fresh id and pin that is stored nowhere yet."""
        now = self._clock.now()
        return Room(
            room_id=self._ids.room_id(pool),
            tenant=tenant,
            size=request.max_participants if request else DEFAULT_ROOM_SIZE,
            sealed_pin=self.fresh_pin(),
            created_at=now,
            updated_at=now,
            name=request.optional_name if request else None,
            metadata=request.metadata if request else None,
        )

    # -- pins ------------------------------------------------------------------------------------

    def fresh_pin(self) -> str:
        """Sealed."""
        return self._crypto.encrypt(self._ids.pin())

    def unseal(self, room: Room) -> str:
        """The room's pin, which the documents call its password."""
        return self._crypto.decrypt(room.sealed_pin)

    def resealed(self, stored: StoredRoom) -> dict[str, Value]:
        """The row with its secrets under the newest encryption key; raises `CryptoError`.

        The sealed answer of its Idempotency-Key goes when nobody can ask for it any more.
        """
        row = dict(stored.data)
        if self._clock.now() - stored.room.created_at >= LIFE:
            row = {name: value for name, value in row.items() if name not in ("once", "answer")}
        sealed = row.keys() & {"pin", "next_pin", "answer"}
        return row | {name: self._crypto.rotate(str(row[name])) for name in sealed}

    # -- writing ---------------------------------------------------------------------------------

    async def insert(
        self,
        room: Room,
        events: Sequence[DomainEvent] = (),
        more: Mapping[str, Value] | None = None,
    ) -> None:
        """Raises `Conflict` when the id is taken. A room born with a booking has no event."""
        row = {**room_row(room), **(more or {})}
        ops = [Insert(room_rk(room.room_id), row)]
        await self._outbox.commit(TABLE, self._pk(room.tenant, room.room_id), ops, events)

    async def ensure(self, room: Room) -> None:
        """Inserts the room unless it is there already."""
        try:
            await self.insert(room)
        except Conflict:
            return

    def births(self, room: Room, *, born: bool) -> list[Awaitable[None]]:
        """Inserting a room that is born with a booking. It decides nothing: the booking's row keeps
        what a lost one is mended from."""
        return [self.insert(room)] if born else []

    async def mark(self, stored: StoredRoom, row: Mapping[str, Value]) -> StoredRoom:
        """As `change`; returns the room as it is now, to be changed again."""
        await self.change(stored, row)
        again = await self.stored(stored.room.tenant, stored.room.room_id)
        if again is None or again.data != row:
            raise _changed(stored)
        return again

    async def change(
        self, stored: StoredRoom, row: Mapping[str, Value], events: Sequence[DomainEvent] = ()
    ) -> None:
        """Replaces the row. Raises `Conflict` when it has changed since it was read."""
        op = Replace(room_rk(stored.room.room_id), row, stored.etag)
        await self._commit(stored, op, events, row)

    async def remove(self, stored: StoredRoom, event: DomainEvent) -> None:
        """Raises `Conflict` when it has changed since it was read; gone is gone, whoever did it."""
        op = Delete(room_rk(stored.room.room_id), stored.etag)
        await self._commit(stored, op, [event], None)

    async def _commit(
        self,
        stored: StoredRoom,
        op: Op,
        events: Sequence[DomainEvent],
        wanted: Mapping[str, Value] | None,
    ) -> None:
        """After a failure it looks again: the answer may be lost, and not the commit."""
        tenant, room_id = stored.room.tenant, stored.room.room_id
        try:
            await self._outbox.commit(TABLE, self._pk(tenant, room_id), [op], events)
        except (Conflict, StorageUnavailable):
            again = await self.stored(tenant, room_id)
            if (again.data if again else None) != wanted:
                raise

    # -- reading ---------------------------------------------------------------------------------

    async def stored(self, tenant: str, room_id: int) -> StoredRoom | None:
        """Also a room that is being deleted."""
        row = await self._tables.get(TABLE, self._pk(tenant, room_id), room_rk(room_id))
        return stored_room(row) if row else None

    async def find(self, tenant: str, room_id: int) -> Room | None:
        stored = await self.stored(tenant, room_id)
        return stored.room if stored and not stored.deletion else None

    async def get(self, tenant: str, room_id: int) -> Room:
        room = await self.find(tenant, room_id)
        if room is None:
            raise room_not_found(room_id)
        return room

    async def page(self, tenant: str, pool: int, after: int = 0, limit: int = 0) -> list[Room]:
        """In the order of their ids, from the one behind `after`."""
        found: list[Room] = []
        while True:
            pk, start = partition_of(tenant, pool), room_rk(after + 1)
            rows = await self._tables.query(TABLE, pk, start, AFTER_ROOMS, limit)
            rooms = [stored_room(row) for row in rows]
            found += [stored.room for stored in rooms if not stored.deletion]
            if len(rows) < limit or not limit or len(found) >= limit:
                return found[:limit] if limit else found
            after = rooms[-1].room.room_id

    async def batches(self, *, unfinished: bool = False) -> AsyncIterator[list[StoredRoom]]:
        """Those of all tenants and pools, or only those with something under way, a hundred at a
        time: they may be changed meanwhile."""
        where: Mapping[str, Value] = {UNFINISHED: True} if unfinished else {}
        pks, first = ("", AFTER_TENANTS), FIRST_ROOM
        while True:
            rows = await self._tables.scan(TABLE, pks, (first, AFTER_ROOMS), where, BATCH)
            if rows:
                yield [stored_room(row) for row in rows]
            if len(rows) == BATCH:  # the rest of the last one's partition
                pk = rows[-1].pk
                pks, first = (pk, pk + " "), rows[-1].rk + " "
            elif first != FIRST_ROOM:  # and then those behind it
                pks, first = (pks[1], AFTER_TENANTS), FIRST_ROOM
            else:
                return

    def _pk(self, tenant: str, room_id: int) -> str:
        return partition_of(tenant, self._ids.room_pool(room_id))


def room_not_found(room_id: int) -> Problem:
    return Problem(404, "room_not_found", {"room_id": str(room_id)})


def _changed(stored: StoredRoom) -> Conflict:
    return Conflict(f"room {stored.room.room_id} has changed")
