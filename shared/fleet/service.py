"""The fleet: what others ask of the machines, and the wake-up of the reconciler."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from shared.bookings.models import Booking, Room
from shared.bookings.rooms import RoomHost
from shared.events.catalogue import DomainEvent, EventType
from shared.fleet.models import Vm, VmState
from shared.fleet.planner import Carrier, Load, place
from shared.fleet.rooms import RoomSecrets
from shared.fleet.store import FleetStore
from shared.janus.port import Janus, JanusError, JanusFactory
from shared.platform import logs
from shared.platform.clock import Clock, parse
from shared.platform.problems import Problem
from shared.platform.queues import FLEET_WAKE, Queues

LAST_WAKE = 10
"""Wake-ups in a row, about a minute's worth: then the timer comes, and may begin anew."""

WAKE_AGAIN = timedelta(seconds=1)

SOON = timedelta(seconds=3)

BOOTING = timedelta(minutes=10)
"""How long a machine may take to start before calls on it count as down."""

MOVING = frozenset(
    {
        EventType.BOOKING_CREATED,
        EventType.BOOKING_CANCELLED,
        EventType.BOOKING_ENDED,
        EventType.BOOKING_RESCHEDULED,
        EventType.BOOKING_EXTENDED,
    }
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
    """A running Janus that a new room goes to at once (implements `RoomHost`)."""

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
        self._failing: dict[str, Failing] = {}

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
        failing = self._failing.setdefault(name, Failing(self._clock))
        return JanusHost(self._janus(fleet.vms[name]), self._secrets, failing)


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
        self._next_pass = clock.now()
        self._woken = clock.now() - WAKE_AGAIN

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

    async def wake(self) -> None:
        """Asks for a pass of the reconciler: at once, or, when one was asked for within the last
        second, a second later for all that ask until then."""
        now = self._clock.now()
        if now < self._woken:
            return
        delay = 1.0 if now - self._woken < WAKE_AGAIN else 0.0
        self._woken = now + timedelta(seconds=delay)
        await self._queues.put(FLEET_WAKE, {"attempt": 0}, delay=delay)

    async def follow(self, attempt: int) -> None:
        """Another pass, soon, while something is on its way: ever later, then no more.

        `attempt` counts the passes of one chain; the timer's and a wake-up's are 0, and begin a
        chain only if none is about to bring a pass anyway: many pages may ask at once.
        """
        now = self._clock.now()
        near = now < self._next_pass <= now + SOON
        if attempt == LAST_WAKE or (attempt == 0 and near):
            return
        delay = min(0.5 * 1.5 ** (attempt + 1), 10.0)
        self._next_pass = now + timedelta(seconds=delay)
        await self._queues.put(FLEET_WAKE, {"attempt": attempt + 1}, delay=delay)

    async def on_event(self, event: DomainEvent) -> None:
        """Subscriber: a booking for now must not wait for the next tick."""
        if event.type in MOVING:
            data = event.data
            starts = [str(one["start_time"]) for one in (data, data.get("previous", data))]
            start = min(parse(each) for each in starts)
            if start - self._settings.vm_lead <= self._clock.now():
                await self.wake()

    async def health(self) -> Literal["ok", "idle", "down"]:
        """`idle` while no machine is ready and none has to be; `down` when a machine that bookings
        need has failed, answers no longer, or takes too long to start."""
        fleet = await self._store.load(self._settings.pool)
        needed = [fleet.vms.get(name) for name in {p.vm for p in fleet.placements.values()}]
        found = [await self._condition(vm) for vm in needed if vm]
        if "down" in found:
            return "down"
        return "ok" if "ok" in found else "idle"

    async def _condition(self, vm: Vm) -> Literal["ok", "idle", "down"]:
        if vm.state is VmState.READY:
            try:
                await self._janus(vm).ready()
            except JanusError:
                return "down"
            return "ok"
        late = self._clock.now() - vm.since > BOOTING
        return "down" if vm.state is VmState.FAILED or vm.unready or late else "idle"
