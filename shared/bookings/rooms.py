"""Rooms: rows of their tenant and pool. The pin is sealed; the Janus secret is never stored."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Mapping
from datetime import datetime
from typing import Any, Protocol

from shared.bookings.models import DEFAULT_ROOM_SIZE, Room, RoomCreate
from shared.platform import logs
from shared.platform.clock import Clock, iso, parse
from shared.platform.crypto import Crypto
from shared.platform.ids import Ids
from shared.platform.problems import Problem
from shared.platform.tables import Conflict, Insert, Row, Tables, Value

TABLE = "Rooms"


class RoomHost(Protocol):
    """A running Janus that should hold a room from now on."""

    async def make(self, room: Room, code: str) -> None:
        """Raises Problem 503 with this code when Janus fails."""
        ...

    async def unmake(self, room: Room) -> None:
        """Best effort: never raises."""
        ...


class Hosts(Protocol):
    """What bookings ask of the fleet, which knows the machines (implemented there)."""

    async def host_for(self, pool: int, start: datetime, end: datetime) -> RoomHost | None:
        """The Janus that should hold a room of such a booking now; None while none is wanted."""
        ...


def partition_of(tenant: str, pool: int) -> str:
    return f"{tenant}|{pool:02d}"


def _rk(room_id: int) -> str:
    return f"{room_id:016d}"


class Rooms:
    """Storage of rooms. Every method may raise `StorageUnavailable`."""

    def __init__(self, tables: Tables, crypto: Crypto, clock: Clock, ids: Ids) -> None:
        self._tables = tables
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
            sealed_pin=self._crypto.encrypt(self._ids.pin()),
            created_at=now,
            updated_at=now,
            name=request.optional_name if request else None,
            metadata=request.metadata if request else None,
        )

    def unseal(self, room: Room) -> str:
        """The room's pin, which the documents call its password."""
        return self._crypto.decrypt(room.sealed_pin)

    async def insert(self, room: Room) -> None:
        """Raises `Conflict` when the id is taken."""
        pk = partition_of(room.tenant, self._ids.room_pool(room.room_id))
        await self._tables.commit(TABLE, pk, [Insert(_rk(room.room_id), _row(room))])

    async def ensure(self, room: Room) -> None:
        """Inserts the room unless it is there already."""
        try:
            await self.insert(room)
        except Conflict:
            return

    async def beside(self, work: Awaitable[None], born: Room | None) -> None:
        """Does the work and inserts the room that is born with it, at the same time.

        Whether it is inserted decides nothing: who commits the work keeps what it is mended from.
        """
        inserting = [self.insert(born)] if born else []
        outcomes = await asyncio.gather(work, *inserting, return_exceptions=True)
        if isinstance(outcomes[0], BaseException):
            raise outcomes[0]
        if born and isinstance(outcomes[-1], BaseException):
            logs.exception("room.insert_failed", outcomes[-1], room_id=born.room_id)

    async def find(self, tenant: str, room_id: int) -> Room | None:
        pk = partition_of(tenant, self._ids.room_pool(room_id))
        row = await self._tables.get(TABLE, pk, _rk(room_id))
        return _room(row) if row else None

    async def get(self, tenant: str, room_id: int) -> Room:
        room = await self.find(tenant, room_id)
        if room is None:
            raise Problem(404, "room_not_found", {"room_id": str(room_id)})
        return room

    async def page(self, tenant: str, pool: int, after: int = 0, limit: int = 0) -> list[Room]:
        """In the order of their ids, from the one behind `after`."""
        rows = await self._tables.query(
            TABLE, partition_of(tenant, pool), _rk(after + 1), "", limit
        )
        return [_room(row) for row in rows]


def _row(room: Room) -> dict[str, Value]:
    row: dict[str, Value] = {
        "room_id": room.room_id,
        "tenant": room.tenant,
        "size": room.size,
        "pin": room.sealed_pin,
        "created_at": iso(room.created_at),
        "updated_at": iso(room.updated_at),
    }
    if room.name is not None:
        row["name"] = room.name
    if room.metadata is not None:
        row["metadata"] = json.dumps(room.metadata, ensure_ascii=False)
    return row


def _room(row: Row) -> Room:
    data: Mapping[str, Any] = row.data
    return Room(
        room_id=int(data["room_id"]),
        tenant=str(data["tenant"]),
        size=int(data["size"]),
        sealed_pin=str(data["pin"]),
        created_at=parse(str(data["created_at"])),
        updated_at=parse(str(data["updated_at"])),
        name=data.get("name"),
        metadata=json.loads(data["metadata"]) if "metadata" in data else None,
    )
