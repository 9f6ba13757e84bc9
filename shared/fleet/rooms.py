"""The rooms that a machine's Janus should hold: made when missing, whatever the reason.

Janus forgets rooms when it restarts, so each step compares; ids and pins stay the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.bookings.models import Room
from shared.bookings.rooms import Rooms
from shared.bookings.service import Bookings
from shared.fleet.compute import Machine
from shared.fleet.models import Placement
from shared.fleet.store import FleetStore
from shared.janus.keys import room_secret
from shared.janus.port import Janus, JanusError, NoSuchRoom, Participant, RoomSpec
from shared.platform import logs
from shared.platform.clock import Clock


@dataclass(frozen=True, slots=True)
class Occupied:
    """Who was in a booking's room at `at`, a moment before Janus was asked."""

    placement: Placement
    participants: Sequence[Participant]
    at: datetime
    janus: Janus


class RoomSecrets:
    """What Janus is told of a room: its pin, unsealed, and its derived secret."""

    def __init__(self, rooms: Rooms, janus_key: str) -> None:
        self._rooms = rooms
        self._janus_key = janus_key

    def spec(self, room: Room) -> RoomSpec:
        pin = self._rooms.unseal(room)
        return RoomSpec(room.room_id, pin, room.size, self.secret(room.room_id))

    def secret(self, room_id: int) -> str:
        return room_secret(self._janus_key, room_id)

    async def agree(self, janus: Janus, room: Room, look: Callable[[], Awaitable[Room]]) -> Room:
        """Tells Janus the room's pin; `look` reads the room again. Returns it as it is.

        Whoever changes the pin writes it before they tell Janus: so if it is the same after we have
        told it, either they have not begun, or Janus hears them after us. Raises `JanusError`.
        """
        while True:
            spec = self.spec(room)
            await janus.edit_room(room.room_id, spec.secret, spec.pin)
            again = await look()
            if again.sealed_pin == room.sealed_pin:
                return again
            room = again


class RoomKeeper:
    def __init__(
        self, store: FleetStore, bookings: Bookings, secrets: RoomSecrets, clock: Clock
    ) -> None:
        self._store = store
        self._bookings = bookings
        self._secrets = secrets
        self._clock = clock

    async def serve(
        self,
        janus: Janus,
        machine: Machine,
        staying: Sequence[Placement],
        leaving: Sequence[Placement],
        elsewhere: Sequence[Placement] = (),
    ) -> dict[int, Occupied]:
        """Makes the missing rooms of those that stay; tells who is in every room. Rooms of bookings
        that other machines carry are destroyed: whoever moved them died before that, or this Janus
        did not answer then.

        One booking's failure never keeps the others from their rooms; who is in a room that could
        not be asked for stays unknown: it is missing in the answer.
        """
        existing = await janus.rooms()
        occupied = {}
        for placement in [*staying, *leaving]:
            try:
                if placement in staying:
                    await self._make_sure(janus, machine, placement, existing)
                occupied[placement.booking_id] = await self._look(janus, placement)
            except Exception as error:
                logs.exception("room.failed", error, room_id=placement.room_id)
        here = {placement.room_id for placement in [*staying, *leaving]}
        for placement in elsewhere:
            if placement.room_id in existing - here:
                await self.destroy(janus, placement)
        return occupied

    async def _make_sure(
        self, janus: Janus, machine: Machine, placement: Placement, existing: set[int]
    ) -> None:
        missing = placement.room_id not in existing
        if missing or not placement.made:
            stored = await self._bookings.find(placement.tenant, placement.booking_id)
            if stored is None:
                return
            room = await self._bookings.room_of(stored)
            if missing:
                await janus.create_room(self._secrets.spec(room))
            # Whoever made it may have read its pin before that was changed.
            await self._secrets.agree(janus, room, lambda: self._bookings.room_of(stored))
        if missing:
            logs.event(
                "room.made",
                vm=machine.name,
                room_id=placement.room_id,
                booking_id=placement.booking_id,
                again=placement.made,
            )
        if not placement.made:
            await self._store.place(machine.pool, replace(placement, made=True))

    async def _look(self, janus: Janus, placement: Placement) -> Occupied:
        at = self._clock.now()
        try:
            people = await janus.participants(placement.room_id)
        except NoSuchRoom:
            people = []
        return Occupied(placement, people, at, janus)

    async def destroy(self, janus: Janus, placement: Placement) -> None:
        """Best effort: a room that stays behind dies with its machine, and nobody has its token."""
        try:
            await janus.destroy_room(placement.room_id, self._secrets.secret(placement.room_id))
        except JanusError as error:
            logs.event("room.destroy_failed", room_id=placement.room_id, reason=error.reason)
