"""The reconciler: compares what the calendar wants with what the machines are, and acts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from shared.bookings.claims import Claim
from shared.bookings.service import Bookings
from shared.fleet.compute import Compute, Machine, Power
from shared.fleet.driver import Driver, Leaving, Outcome, Task
from shared.fleet.models import Fleet, Placement, Vm, held_back
from shared.fleet.planner import Carrier, Load, place
from shared.fleet.rooms import Occupied
from shared.fleet.store import FleetStore
from shared.platform import logs
from shared.platform.clock import Clock
from shared.platform.tables import Conflict

if TYPE_CHECKING:
    from shared.platform.settings import Settings


@dataclass(frozen=True, slots=True)
class Report:
    """Who is where, by booking, of the machines that answered; the bookings that have a machine
    (None: not known); and whether something is on its way (`restless`)."""

    occupied: Mapping[int, Occupied] = field(default_factory=dict)
    placed: frozenset[int] | None = None
    restless: bool = False


class Reconciler:
    """Compares what the calendar wants with what the machines are, and acts."""

    def __init__(
        self,
        bookings: Bookings,
        store: FleetStore,
        compute: Compute,
        driver: Driver,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._bookings = bookings
        self._store = store
        self._compute = compute
        self._driver = driver
        self._settings = settings
        self._clock = clock
        self._turn = asyncio.Lock()

    async def run(self) -> Report:
        """One pass. Raises `StorageUnavailable` when the calendar can't be read."""
        async with self._turn:
            try:
                return await self._pass(self._clock.now())
            except Conflict:  # another reconciler moves bookings just now: look again soon
                logs.event("fleet.overtaken")
                return Report(restless=True)

    async def _pass(self, now: datetime) -> Report:
        settings = self._settings
        claims, fleet, machines = await asyncio.gather(
            self._bookings.claims(
                settings.pool,
                now - settings.max_booking - settings.join_grace,
                now + settings.vm_lead,
            ),
            self._store.load(settings.pool),
            self._compute.machines(),
        )
        due = {c.booking_id: c for c in claims if self._due(c, now)}
        over = self._over(fleet, claims, due, now)
        plan = self._plan(fleet, machines, due, now)
        wanted = await self._persist(fleet, due, plan)
        tasks = [self._task(m, fleet, wanted, over) for m in machines]
        outcomes = await asyncio.gather(*(self._isolated(task) for task in tasks))
        occupied = {n: o for outcome in outcomes for n, o in outcome.occupied.items()}
        unplaced = due.keys() - wanted.keys()
        for booking_id in unplaced:
            logs.event("fleet.no_machine", booking_id=booking_id)
        placed = frozenset(fleet.placements) | frozenset(wanted)
        return Report(occupied, placed, bool(unplaced) or any(o.restless for o in outcomes))

    def _due(self, claim: Claim, now: datetime) -> bool:
        return claim.start - self._settings.vm_lead <= now < self._until(claim)

    def _until(self, claim: Claim) -> datetime:
        return claim.end if claim.ended else claim.end + self._settings.join_grace

    def _over(
        self, fleet: Fleet, claims: Sequence[Claim], due: Mapping[int, Claim], now: datetime
    ) -> dict[int, Leaving]:
        """Placements that no booking needs any more; forced unless the time just ran out."""
        known = {c.booking_id: c for c in claims}
        over = {}
        for number, placement in fleet.placements.items():
            if number in due:
                continue
            claim = known.get(number)
            if claim and claim.ended:
                over[number] = Leaving(replace(placement, end=claim.end), forced=True)
            else:
                stays = claim and (claim.start, claim.end) == (placement.start, placement.end)
                over[number] = Leaving(placement, forced=not stays and now < placement.end)
        return over

    def _plan(
        self,
        fleet: Fleet,
        machines: Sequence[Machine],
        due: Mapping[int, Claim],
        now: datetime,
    ) -> dict[int, str]:
        carriers = [
            Carrier(m.name, m.capacity, m.power in (Power.RUNNING, Power.STARTING))
            for m in machines
            if not held_back(fleet.vms.get(m.name), now)
        ]
        # As the calendar counts: those who stay on after the end take nobody's place.
        opens = self._settings.join_early
        loads = [
            Load(c.booking_id, c.start, c.end, pinned=c.start - opens <= now)
            for c in due.values()
            if now < c.end
        ]
        current = {number: p.vm for number, p in fleet.placements.items()}
        plan = place(loads, carriers, current)
        return {number: vm for number, vm in plan.items() if number in due}

    async def _persist(
        self, fleet: Fleet, due: Mapping[int, Claim], plan: Mapping[int, str]
    ) -> dict[int, Placement]:
        """Where each booking is wanted; one that finds no better place stays where it was."""
        wanted = {}
        for number, claim in due.items():
            current = fleet.placements.get(number)
            vm = plan.get(number) or (current.vm if current else "")
            if not vm:
                continue
            since = current.since if current and current.vm == vm else self._clock.now()
            etag = current.etag if current else ""
            fresh = replace(_placement(claim, vm, since), etag=etag)
            if current and _same(current, fresh):
                wanted[number] = current
            else:
                wanted[number] = await self._store.place(fleet.pool, fresh)
        return wanted

    def _task(
        self,
        machine: Machine,
        fleet: Fleet,
        wanted: Mapping[int, Placement],
        over: Mapping[int, Leaving],
    ) -> Task:
        leaving = [gone for gone in over.values() if gone.placement.vm == machine.name]
        leaving += [
            Leaving(before, forced=True, moved=True)
            for number, before in fleet.placements.items()
            if before.vm == machine.name and number in wanted and _moved(before, wanted[number])
        ]
        staying = [p for p in wanted.values() if p.vm == machine.name]
        vm = fleet.vms.get(machine.name) or Vm(machine.name)
        return Task(machine, vm, staying, leaving)

    async def _isolated(self, task: Task) -> Outcome:
        """One machine's failure never stops the others."""
        try:
            return await self._driver.step(task)
        except Conflict:  # another reconciler was faster: it acts, the next step sees
            logs.event("fleet.overtaken", vm=task.machine.name)
            return Outcome(restless=True)
        except Exception as error:
            logs.exception("fleet.step_failed", error, vm=task.machine.name)
            return Outcome(restless=True)


def _placement(claim: Claim, vm: str, since: datetime) -> Placement:
    return Placement(
        booking_id=claim.booking_id,
        vm=vm,
        room_id=claim.room_id,
        tenant=claim.tenant,
        start=claim.start,
        end=claim.end,
        since=since,
    )


def _moved(before: Placement, after: Placement) -> bool:
    return (before.vm, before.room_id) != (after.vm, after.room_id)


def _same(one: Placement, other: Placement) -> bool:
    return (one.vm, one.room_id, one.start, one.end) == (
        other.vm,
        other.room_id,
        other.start,
        other.end,
    )
