"""The fleet: what others ask of the machines, and the wake-up of the reconciler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from shared.bookings.models import Booking, Room
from shared.events.catalogue import DomainEvent, EventType
from shared.fleet.models import Fleet, Vm, VmState
from shared.fleet.rooms import RoomSecrets
from shared.fleet.store import FleetStore
from shared.janus.port import Janus, JanusError, JanusFactory
from shared.platform.clock import Clock, parse
from shared.platform.queues import FLEET_WAKE, Queues

if TYPE_CHECKING:
    from shared.platform.settings import Settings

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
"""Events that may change what is wanted of the machines."""


Waiting = Literal["waiting", "starting", "retrying"]
"""Why a booking's room is not there yet: no machine was chosen, it starts, or it failed to."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Where a booking's call happens."""

    vm: str
    janus_urls: tuple[str, ...]
    """In the order in which a browser tries them."""
    janus: Janus


class FleetService:
    def __init__(
        self,
        store: FleetStore,
        secrets: RoomSecrets,
        janus: JanusFactory,
        queues: Queues,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._secrets = secrets
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
        if vm.serving and placement.made:
            janus = self._janus(vm)
            return Ready(vm.name, vm.janus_urls, janus)
        return "retrying" if vm.state is VmState.FAILED else "starting"

    async def settle(self, ready: Ready, room: Room, look: Callable[[], Awaitable[Room]]) -> Room:
        """While a room's pin is being changed nobody knows which one Janus has: it is told the new
        one. `look` reads the room again. Raises `JanusError`."""
        return await self._secrets.agree(ready.janus, room, look) if room.unsettled else room

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
        """`idle` while no machine is ready and none has to be, also while one starts; `down` when a
        machine that bookings need has failed, answers no longer, takes too long to start, or had
        rooms that are gone with its Janus."""
        fleet = await self._store.load(self._settings.pool)
        needed = [fleet.vms.get(name) for name in {p.vm for p in fleet.placements.values()}]
        found = [await self._condition(vm, fleet) for vm in needed if vm]
        if "down" in found:
            return "down"
        return "ok" if "ok" in found else "idle"

    async def _condition(self, vm: Vm, fleet: Fleet) -> Literal["ok", "idle", "down"]:
        if vm.serving:
            try:
                await self._janus(vm).ready(sessions=vm.accepting)
            except JanusError:
                return "down"
            return "ok"
        late = self._clock.now() - vm.since > BOOTING
        had = any(placement.made for placement in fleet.on(vm.name))
        return "down" if vm.state is VmState.FAILED or vm.unready or late or had else "idle"
