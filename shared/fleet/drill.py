"""The drill: each week a machine is started, a call rehearsed on it, and the machine let go again,
while nobody needs one. So what breaks between two bookings is found by us.

It starts and stops nothing itself: it asks for the machine, as a person does (`Override`), and the
reconciler does what it does for a booking. What it asks for ends by itself, so that no machine
stays on if nobody comes back. Each step is one transaction: a run that dies, is lost or comes twice
leaves a row from which the next one goes on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.events.catalogue import Audit, DomainEvent, EventType
from shared.fleet.compute import Compute, ComputeError, Machine, Power
from shared.fleet.drill_book import BY, DrillBook
from shared.fleet.drill_rows import Drill, Drilled
from shared.fleet.drill_steps import BY_HAND, LIMIT, DrillSteps
from shared.fleet.drill_terms import Phase
from shared.fleet.idle import Idle
from shared.fleet.models import Fleet, Vm, VmState
from shared.fleet.store import write
from shared.platform import logs
from shared.platform.auth import Caller
from shared.platform.clock import Clock, iso, parse
from shared.platform.i18n import Message
from shared.platform.problems import Problem
from shared.platform.tables import Conflict

if TYPE_CHECKING:
    from shared.platform.settings import Settings

AFTER = timedelta(minutes=15)
"""No machine may be needed so soon after the limit: that is not when to begin."""

AGAIN = timedelta(hours=6)
"""One that was broken off is tried again after this."""

COMING = frozenset(
    {EventType.BOOKING_CREATED, EventType.BOOKING_RESCHEDULED, EventType.BOOKING_EXTENDED}
)
"""Events after which a machine may be needed sooner."""

NONE_OFF = Message("nenhuma máquina está desligada", "no machine is off")


class Drills:
    """`wake` asks for a pass of the reconciler. Every method may raise `StorageUnavailable`."""

    def __init__(
        self,
        book: DrillBook,
        steps: DrillSteps,
        idle: Idle,
        compute: Compute,
        wake: Callable[[], Awaitable[None]],
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._book = book
        self._steps = steps
        self._idle = idle
        self._compute = compute
        self._wake = wake
        self._settings = settings
        self._clock = clock

    # -- what others ask ---------------------------------------------------------------------------

    async def run(self) -> None:
        """The timer's: begins a drill when it is time for one, or takes the next step of one."""
        try:
            fleet, drill = await self._book.load()
            if drill is None:
                await self._first()
            elif drill.under_way:
                await self._steps.step(fleet, drill)
            elif self._due(drill):
                await self._weekly(fleet, drill)
        except Conflict:  # another run was faster: the next one sees what it did
            logs.event("drill.overtaken")

    async def start(self, caller: Caller, address: str, vm: str = "") -> Drill:
        """Begins one now, on that machine or on whichever has its turn.

        Problems: 401 and 403 for who may not; 404 `vm_not_found`; 409 `drill_under_way`,
        `drill_not_idle` or `vm_not_off`; 503 `compute_unavailable`.
        """
        caller.require_operator()
        caller.require_fresh(self._settings.operator_fresh, self._clock.now())
        fleet, drill = await self._book.load()
        drill = _resting(drill) or Drill(self._clock.now())
        try:
            return await self._begin(fleet, drill, Audit(caller.sub, "drill.start", address), vm)
        except Conflict:
            _resting((await self._book.load())[1])  # somebody else was faster
            raise
        except ComputeError as error:
            logs.event("drill.put_off", reason=error.message)
            raise Problem(503, "compute_unavailable", headers={"Retry-After": "60"}) from error

    async def recent(self, caller: Caller) -> tuple[Drill | None, Sequence[Drilled]]:
        """The one that is under way, and the last results, the newest first. Problem 403 for who is
        no operator."""
        caller.require_operator()
        _, drill = await self._book.load()
        if drill is None:
            return None, []
        return drill if drill.under_way else None, drill.results

    async def on_event(self, event: DomainEvent) -> None:
        """Subscriber: a booking for now does not wait for the drill's next minute. It should be
        told before whoever wakes the reconciler."""
        if event.type not in COMING:
            return
        start = parse(str(event.data["start_time"]))
        if start - self._settings.vm_lead <= self._clock.now() + LIMIT:
            await self._make_way()

    async def _make_way(self) -> None:
        fleet, drill = await self._book.load()
        if drill is None or drill.phase not in (Phase.STARTING, Phase.REHEARSING):
            return
        try:
            await self._steps.breaks_off(fleet, drill)
        except Conflict:
            logs.event("drill.overtaken")

    # -- beginning ---------------------------------------------------------------------------------

    async def _first(self) -> None:
        """A system that was just set up has its first drill when the time has passed once."""
        if self._settings.drill_every:
            await self._book.commit(Drill(self._clock.now()))

    def _due(self, drill: Drill) -> bool:
        every = self._settings.drill_every
        if drill.results and drill.results[0].result == "broken_off":
            every = min(every, AGAIN)
        return bool(every) and self._clock.now() - drill.since >= every

    async def _weekly(self, fleet: Fleet, drill: Drill) -> None:
        try:
            await self._begin(fleet, drill, Audit(BY, "drill.start"))
        except Problem:
            return  # not now: the next minute asks again
        except ComputeError as error:
            logs.event("drill.put_off", reason=error.message)

    async def _begin(self, fleet: Fleet, drill: Drill, audit: Audit, wish: str = "") -> Drill:
        now = self._clock.now()
        after = now + LIMIT + AFTER + self._settings.vm_bridge
        by_hand = any(o.held(now) or o.excluded(now) for o in fleet.overrides.values())
        obstacle = BY_HAND if by_hand else await self._idle.needed(fleet, after)
        if obstacle:
            raise _not_idle(obstacle)
        machines = await self._compute.machines()
        vm = self._choose(fleet, machines, wish)
        begun = drill.started(now, vm, audit.actor, [machine.name for machine in machines])
        held = replace(
            fleet.override(vm),
            hold_since=now,
            hold_until=now + LIMIT,
            exclude_until=now + LIMIT,
            by=BY,
            reason="weekly drill" if audit.actor == BY else "drill",
            at=now,
        )
        data = {"vm": vm, "until": iso(now + LIMIT)}
        event = self._book.event(EventType.FLEET_DRILL_STARTED, vm, data, audit)
        await self._book.commit(begun, [write(held)], [event])
        await self._wake()
        return begun

    def _choose(self, fleet: Fleet, machines: Sequence[Machine], wish: str) -> str:
        """Of those that are off, the one of which nobody has seen for longest that it works."""
        if wish and wish not in {machine.name for machine in machines}:
            raise Problem(404, "vm_not_found", {"vm": wish})
        known = [
            fleet.vms.get(m.name) or Vm(m.name) for m in machines if m.power is Power.DEALLOCATED
        ]
        off = [vm for vm in known if vm.state is VmState.DEALLOCATED]
        if wish and wish not in {vm.name for vm in off}:
            raise Problem(409, "vm_not_off", {"vm": wish})
        if not off:
            raise _not_idle(NONE_OFF)
        longest = min(off, key=lambda vm: (vm.since, vm.name))
        return wish or longest.name


def _resting(drill: Drill | None) -> Drill | None:
    """Problem 409 when it is under way."""
    if drill and drill.under_way:
        raise Problem(409, "drill_under_way", {"vm": drill.vm})
    return drill


def _not_idle(why: Message) -> Problem:
    return Problem(409, "drill_not_idle", {"reason": why})
