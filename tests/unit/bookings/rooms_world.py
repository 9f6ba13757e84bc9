"""A world for tests of rooms: short horizon, ports that fail or stand still where a test says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from shared.bookings.models import Room, RoomCreate
from shared.bookings.room_rows import StoredRoom
from shared.janus.port import JanusError
from shared.platform.tables import StorageUnavailable
from tests.fakes.faults import VERBS, Call, Faults, When
from tests.fakes.queues import FakeQueues
from tests.fakes.tables import FakeTables
from tests.world import ALICE, World

JANUS = {"ready", "create_room", "edit_room", "rooms", "destroy_room", "participants", "kick"}

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

    def fail(self, nth: int, at: When, *, lasting: bool) -> None:
        """The nth call fails, or that and every later one."""

        def rule(call: Call, when: When) -> None:
            reached = (call.nth, when == "after") >= (nth, at == "after")
            if reached if lasting else (call.nth, when) == (nth, at):
                raise JanusError("cut", 0) if call.verb in JANUS else StorageUnavailable("cut")

        self.faults.set(rule)

    async def is_whole(self, room: Room) -> bool:
        """Nothing is under way with it, and whoever books it is told the password that holds."""
        stored = await self.stored(room)
        if stored is None or stored.unfinished:
            return False
        booked = await self.book(60, room=room.room_id)
        told = self.services.bookings.password(booked.room)
        specs = [janus.room_specs.get(room.room_id) for janus in self.compute.janus.values()]
        return {told} == {await self.pin(room), *(spec.pin for spec in specs if spec)}

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
