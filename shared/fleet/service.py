"""The fleet: what others ask of the machines, and the wake-up of the reconciler."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from shared.bookings.models import Booking, Room
from shared.bookings.rooms import RoomHost
from shared.events.catalogue import DomainEvent, EventType
from shared.fleet.models import Fleet, VmState
from shared.fleet.planner import Carrier, Load, place
from shared.fleet.rooms import RoomSecrets
from shared.fleet.store import FleetStore
from shared.janus.port import Janus, JanusError, JanusFactory
from shared.platform import logs
from shared.platform.clock import Clock, parse
from shared.platform.problems import Problem
from shared.platform.queues import FLEET_WAKE, Queues

LAST_WAKE = 40
"""Wake-ups in a row after which the minute's timer is enough."""

MOVING = frozenset(
    {EventType.BOOKING_CREATED, EventType.BOOKING_CANCELLED, EventType.BOOKING_ENDED}
)

if TYPE_CHECKING:
    from shared.platform.settings import Settings
"""Events that may change what is wanted of the machines."""


Waiting = Literal["waiting", "starting", "retrying"]
"""Why a booking's room is not there yet: no machine was chosen, it starts, or it failed to."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Where a booking's call happens."""

    vm: str
    janus_url: str
    janus: Janus


class JanusHost:
    """A running Janus that a new room goes to at once (implements `RoomHost`)."""

    def __init__(self, janus: Janus, secrets: RoomSecrets) -> None:
        self._janus = janus
        self._secrets = secrets

    async def make(self, room: Room, code: str) -> None:
        try:
            await self._janus.create_room(self._secrets.spec(room))
        except JanusError as error:
            logs.event("room.failed", room_id=room.room_id, reason=error.reason)
            raise Problem(503, code, headers={"Retry-After": "5"}) from error

    async def unmake(self, room: Room) -> None:
        try:
            await self._janus.destroy_room(room.room_id, self._secrets.secret(room.room_id))
        except JanusError as error:
            logs.event("room.destroy_failed", room_id=room.room_id, reason=error.reason)


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

    async def host_for(self, pool: int, start: datetime, end: datetime) -> RoomHost | None:
        """Reads nothing while the booking's machine is not due."""
        if self._clock.now() < start - self._settings.vm_lead:
            return None
        fleet = await self._store.load(pool)
        ready = [vm for vm in fleet.vms.values() if vm.state is VmState.READY]
        carriers = [Carrier(vm.name, self._settings.vm_capacity, on=True) for vm in ready]
        loads = [Load(p.booking_id, p.start, p.end) for p in fleet.placements.values()]
        current = {p.booking_id: p.vm for p in fleet.placements.values()}
        name = place([*loads, Load(0, start, end)], carriers, current).get(0)
        if name is None:
            return None
        return JanusHost(self._janus(fleet.vms[name]), self._secrets)


class FleetService:
    def __init__(
        self,
        store: FleetStore,
        janus: JanusFactory,
        queues: Queues,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._janus = janus
        self._queues = queues
        self._settings = settings
        self._clock = clock

    async def locate(self, booking: Booking) -> Ready | Waiting:
        """Where the booking's room is, as the reconciler left it a moment ago."""
        fleet = await self._store.load(self._settings.pool)
        placement = fleet.placements.get(booking.booking_id)
        vm = fleet.vms.get(placement.vm) if placement else None
        if placement is None or vm is None:
            return "waiting"
        if vm.state is VmState.READY and placement.made:
            janus = self._janus(vm)
            return Ready(vm.name, vm.janus_url, janus)
        return "retrying" if vm.state is VmState.FAILED else "starting"

    async def wake(self, attempt: int = 0) -> None:
        """Asks for a reconciler pass soon: at once first, then ever later, then no more."""
        if attempt <= LAST_WAKE:
            delay = min(0.5 * 1.5**attempt, 10.0) if attempt else 0.0
            await self._queues.put(FLEET_WAKE, {"attempt": attempt}, delay=delay)

    async def on_event(self, event: DomainEvent) -> None:
        """Subscriber: a booking for now must not wait for the next tick."""
        if event.type in MOVING:
            start = parse(str(event.data["start_time"]))
            if start - self._settings.vm_lead <= self._clock.now():
                await self.wake()

    async def health(self) -> Literal["ok", "idle", "down"]:
        """`idle` while no call could begin; `down` when one could and its Janus does not answer."""
        fleet = await self._store.load(self._settings.pool)
        opens = self._clock.now() + self._settings.join_early
        open_now = {p.vm for p in fleet.placements.values() if p.start <= opens}
        wanted = {p.vm for p in fleet.placements.values()}
        for name in sorted(open_now):
            if not await self._answers(fleet, name):
                return "down"
        return "ok" if wanted else "idle"

    async def _answers(self, fleet: Fleet, name: str) -> bool:
        vm = fleet.vms.get(name)
        if vm is None or vm.state is not VmState.READY:
            return False
        try:
            await self._janus(vm).ready()
        except JanusError:
            return False
        return True
