"""The machines as bookings see them: Januses that hold rooms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.bookings.models import Room
from shared.bookings.rooms import RoomHost
from shared.fleet.models import Fleet, Vm
from shared.fleet.planner import plan
from shared.fleet.policy import Carrier, Load
from shared.fleet.rooms import RoomSecrets
from shared.fleet.store import FleetStore
from shared.fleet.warm import policy_of
from shared.janus.port import Janus, JanusError, JanusFactory, NoSuchRoom, Participant
from shared.platform import logs
from shared.platform.clock import Clock
from shared.platform.problems import Problem

if TYPE_CHECKING:
    from shared.platform.settings import Settings


class Failing:
    """Remembers for a few seconds that a Janus has failed: bookings of one day take turns, and each
    would wait for its time-out."""

    MEMORY = timedelta(seconds=5)

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = clock.now()

    def now(self) -> None:
        self._until = self._clock.now() + self.MEMORY

    def lately(self) -> bool:
        return self._clock.now() < self._until


class JanusHost:
    """A running Janus (implements `RoomHost`)."""

    def __init__(self, janus: Janus, secrets: RoomSecrets, failing: Failing) -> None:
        self._janus = janus
        self._secrets = secrets
        self._failing = failing

    async def make(self, room: Room, code: str) -> None:
        if self._failing.lately():
            raise Problem(503, code, headers={"Retry-After": "5"})
        try:
            await self._janus.create_room(self._secrets.spec(room))
        except JanusError as error:
            self._failing.now()
            logs.event("room.failed", room_id=room.room_id, reason=error.reason)
            raise Problem(503, code, headers={"Retry-After": "5"}) from error

    async def unmake(self, room: Room) -> None:
        try:
            await self.destroy(room)
        except JanusError as error:
            logs.event("room.destroy_failed", room_id=room.room_id, reason=error.reason)

    async def destroy(self, room: Room) -> None:
        await self._janus.destroy_room(room.room_id, self._secrets.secret(room.room_id))

    async def change_pin(self, room: Room) -> None:
        spec = self._secrets.spec(room)
        try:
            await self._janus.edit_room(room.room_id, spec.secret, spec.pin)
        except NoSuchRoom:
            return

    async def participants(self, room: Room) -> Sequence[Participant]:
        try:
            return await self._janus.participants(room.room_id)
        except NoSuchRoom:
            return []


class FleetHosts:
    """Finds the Janus that should hold a room now (implements `Hosts` of the bookings)."""

    def __init__(
        self,
        store: FleetStore,
        secrets: RoomSecrets,
        janus: JanusFactory,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._janus = janus
        self._settings = settings
        self._clock = clock
        self._failing: dict[str, Failing] = {}

    async def host_for(self, pool: int, start: datetime, end: datetime) -> RoomHost | None:
        """Reads nothing while the booking's machine is not due."""
        now = self._clock.now()
        if now < start - self._settings.vm_lead:
            return None
        fleet = await self._store.load(pool)
        carriers = [
            Carrier(
                vm.name,
                vm.capacity,
                on=True,
                spot=vm.spot,
                pool=pool,
                closed=fleet.override(vm.name).closed(now, self._settings.vm_lead),
            )
            for vm in fleet.vms.values()
            if vm.serving
        ]
        loads = [
            Load(p.booking_id, p.start, p.end, p.vm, pinned=True, pool=pool)
            for p in fleet.placements.values()
        ]
        policy = policy_of(self._settings, start, end)
        name = plan([*loads, Load(0, start, end, pool=pool)], carriers, policy).placed.get(0)
        return self._host(fleet.vms[name]) if name else None

    async def running(self, pool: int, room_id: int = 0) -> Sequence[RoomHost]:
        fleet = await self._store.load(pool)
        carrying = _carrying(fleet, room_id)
        return [
            self._host(vm)
            for vm in fleet.vms.values()
            # One that hangs may hold rooms, and come back with them.
            if (vm.serving or vm.unready) and (not carrying or vm.name in carrying)
        ]

    def _host(self, vm: Vm) -> RoomHost:
        failing = self._failing.setdefault(vm.name, Failing(self._clock))
        return JanusHost(self._janus(vm), self._secrets, failing)


def _carrying(fleet: Fleet, room_id: int) -> set[str]:
    return {p.vm for p in fleet.placements.values() if room_id and p.room_id == room_id}
