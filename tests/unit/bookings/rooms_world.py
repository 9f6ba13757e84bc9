"""A world for tests of rooms: short horizon, ports that fail or stand still where a test says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from shared.bookings.models import Room, RoomCreate
from shared.bookings.room_rows import StoredRoom
from tests.fakes.faults import VERBS, Faults
from tests.fakes.queues import FakeQueues
from tests.fakes.tables import FakeTables
from tests.world import ALICE, World

SHORT: dict[str, Any] = {"horizon": timedelta(days=1), "max_booking": timedelta(hours=12)}
"""Few days to close."""


class RoomWorld(World):
    """`faults` stands before storage, queues and every Janus."""

    def __init__(self, tables: Any = None, **settings: Any) -> None:
        self.faults = Faults()
        over = self.faults.over
        shared = over(tables or FakeTables())
        super().__init__(shared, over(FakeQueues()), **{**SHORT, **settings})
        janus = self.compute.janus
        janus.update({name: over(each) for name, each in janus.items()})

    async def room(self, size: int = 2) -> Room:
        return await self.services.rooms.create(ALICE, RoomCreate(max_participants=size))

    async def stored(self, room: Room) -> StoredRoom | None:
        return await self.services.bookings._rooms.stored(room.tenant, room.room_id)

    async def pin(self, room: Room) -> str:
        stored = await self.stored(room)
        assert stored
        return self.services.rooms.password(stored.room)

    async def elsewhere(self) -> Any:
        """A room in every machine's Janus, and a booking that keeps one running."""
        booked = await self.book(0, 600)
        return await self.ready(booked)


class Standstill:
    """Runs `meanwhile` before the nth call of the tables; counts the calls."""

    def __init__(self, tables: Any, nth: int, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self.calls = 0
        self._tables = tables
        self._nth = nth
        self._meanwhile = meanwhile

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._tables, name)
        if name not in VERBS:
            return found

        async def call(*args: Any, **named: Any) -> Any:
            self.calls += 1
            if self.calls == self._nth:
                await self._meanwhile()
            return await found(*args, **named)

        return call
