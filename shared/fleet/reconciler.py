"""The reconciler: compares what the calendar wants with what the machines are, and acts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.bookings.claims import Claim
from shared.bookings.service import Bookings
from shared.fleet import demand
from shared.fleet.compute import Compute, ComputeError, Machine, Power
from shared.fleet.demand import Leaving
from shared.fleet.driver import Driver
from shared.fleet.incidents import FOUND, Incidents, Situation, detect
from shared.fleet.models import EPOCH, Fleet, Placement, Vm
from shared.fleet.planner import plan
from shared.fleet.policy import Carrier, Cause, Plan
from shared.fleet.rooms import Occupied
from shared.fleet.store import FleetStore
from shared.fleet.task import Outcome, Task, carriage
from shared.fleet.warm import policy_of
from shared.platform import logs
from shared.platform.clock import Clock
from shared.platform.tables import Conflict, Delete

if TYPE_CHECKING:
    from shared.platform.settings import Settings

LOOK_AROUND = timedelta(minutes=10)
"""How often each process looks at all machines: somebody may have started one by hand."""


MORE_PASSES = 4
"""At once, when machines fail one after the other: then the next minute goes on."""

MANY = 2000
"""Bookings times machines, of which a plan takes some hundredths of a second."""

LONG_EMPTY = timedelta(minutes=10)
"""How long a host has to know no machine at all before it is believed."""

GAP = timedelta(minutes=3)
"""After so long without a look nobody knows what it said meanwhile."""


@dataclass(frozen=True, slots=True)
class Report:
    """Who is where, by booking, of the machines that answered; the bookings that have a machine
    (None: not known); and whether something is on its way (`restless`)."""

    occupied: Mapping[int, Occupied] = field(default_factory=dict)
    placed: frozenset[int] | None = None
    restless: bool = False
    failed: bool = False
    """A machine that was wanted has just failed."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a pass goes by."""

    now: datetime
    claims: Sequence[Claim]
    fleet: Fleet
    machines: Sequence[Machine]
    gone: Sequence[Machine]

    @property
    def quiet(self) -> bool:
        fleet = self.fleet
        idle = not (fleet.placements or fleet.overrides or fleet.incidents)
        return idle and not demand.matters(fleet, self.now)


class Reconciler:
    """Compares what the calendar wants with what the machines are, and acts."""

    def __init__(
        self,
        bookings: Bookings,
        store: FleetStore,
        compute: Compute,
        driver: Driver,
        incidents: Incidents,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._bookings = bookings
        self._store = store
        self._compute = compute
        self._driver = driver
        self._incidents = incidents
        self._settings = settings
        self._clock = clock
        self._turn = asyncio.Lock()
        self._looked_around = EPOCH
        self._empty_since: datetime | None = None
        self._empty_seen = EPOCH

    async def run(self) -> Report:
        """One pass. Raises `StorageUnavailable` when the calendar can't be read."""
        async with self._turn:
            try:
                seen = await self._look(self._clock.now())
                report = await self._pass(seen)
                for _ in seen.machines[:MORE_PASSES]:
                    if not report.failed:
                        break
                    # Its bookings should not wait for the next minute.
                    report = await self._pass(await self._look(self._clock.now()))
                return report
            except Conflict:  # another reconciler moves bookings just now: look again soon
                logs.event("fleet.overtaken")
                return Report(restless=True)

    # -- looking -----------------------------------------------------------------------------------

    async def _look(self, now: datetime) -> Seen:
        settings = self._settings
        claims, fleet = await asyncio.gather(
            self._bookings.claims(
                settings.pool,
                now - settings.max_booking - settings.join_grace,
                now + demand.ahead(settings),
            ),
            self._store.load(settings.pool),
        )
        machines, gone = await self._machines(fleet, now)
        return Seen(now, claims, fleet, machines, gone)

    async def _machines(
        self, fleet: Fleet, now: datetime
    ) -> tuple[Sequence[Machine], Sequence[Machine]]:
        """Its host is asked only for those whose state matters; for all now and then. When it does
        not answer, what we left them in must do: the rooms on them want to be served. The second
        list has those that it knows no longer."""
        around = now >= self._looked_around + LOOK_AROUND
        try:
            machines = await self._compute.machines(None if around else demand.matters(fleet, now))
            self._looked_around = now if around else self._looked_around
            self._believe(machines, fleet, now)
            strangers = {m.name for m in machines if m.name not in fleet.vms} - {
                m.name for m in machines if m.power is not Power.UNKNOWN
            }
            if strangers:
                seen = {m.name: m for m in await self._compute.machines(strangers)}
                machines = [seen.get(m.name, m) if m.name in strangers else m for m in machines]
        except ComputeError as error:
            logs.event("fleet.host_silent", kind=error.kind, reason=error.message)
            return [_remembered(vm, fleet.pool) for vm in fleet.vms.values() if vm.janus_urls], ()
        names = {m.name for m in machines}
        gone = [_remembered(vm, fleet.pool) for vm in fleet.vms.values() if vm.name not in names]
        return [m for m in machines if m.pool == fleet.pool], gone

    def _believe(self, machines: Sequence[Machine], fleet: Fleet, now: datetime) -> None:
        """That all machines are gone is believed when it is said for long: a host may say so for a
        moment, or to one who lost the right to read."""
        if machines or not fleet.vms:
            self._empty_since = None
            return
        if self._empty_since is None or now > self._empty_seen + GAP:
            self._empty_since = now
        self._empty_seen = now
        if now < self._empty_since + LONG_EMPTY:
            raise ComputeError("auth", "It knows no machine at all")

    # -- acting ------------------------------------------------------------------------------------

    async def _pass(self, seen: Seen) -> Report:
        now, fleet = seen.now, seen.fleet
        due = demand.due(seen.claims, self._settings, now)
        over = demand.over(fleet, seen.claims, due, now)
        carriers = demand.carriers(fleet, seen.machines, self._settings, now)
        plan = await self._planned(seen, carriers)
        wanted = await self._persist(fleet, due, plan)
        spares = demand.spares(wanted.values(), fleet, carriers, now)
        tasks = [
            self._task(machine, seen, plan, wanted, over, spare=machine.name in spares)
            for machine in (*seen.machines, *seen.gone)
        ]
        steps = (self._isolated(task) for task in tasks if not task.rests)
        outcomes = await asyncio.gather(*steps)
        occupied = {n: o for outcome in outcomes for n, o in outcome.occupied.items()}
        unplaced = due.keys() - wanted.keys()
        for booking_id in unplaced:
            logs.event("fleet.no_machine", booking_id=booking_id)
        await self._forget(seen)
        await self._tell(seen, due, outcomes)
        placed = frozenset(fleet.placements) | frozenset(wanted)
        restless = bool(unplaced) or any(o.restless for o in outcomes)
        return Report(occupied, placed, restless, any(o.failed for o in outcomes))

    async def _forget(self, seen: Seen) -> None:
        """What people decided has had its time."""
        for override in seen.fleet.overrides.values():
            if override.held(seen.now) or override.excluded(seen.now):
                continue
            try:
                await self._store.commit(seen.fleet.pool, [Delete(override.rk, override.etag)])
            except Conflict:
                continue  # somebody decides anew just now

    async def _tell(
        self, seen: Seen, due: Mapping[int, Claim], outcomes: Sequence[Outcome]
    ) -> None:
        """Goes by what is stored now: what this pass has mended is no incident. While nothing is
        on and nothing wanted there is nothing to tell."""
        if seen.quiet and not due:
            return
        fleet = await self._store.load(self._settings.pool)
        overrunning = _overrunning(fleet, outcomes)
        situation = Situation(self._clock.now(), fleet, due, overrunning)
        await self._incidents.update(fleet, detect(situation, self._settings), FOUND)

    async def _planned(self, seen: Seen, carriers: Sequence[Carrier]) -> Plan:
        """Where it may take longer than the others in the process should wait, in a thread."""
        if len(seen.claims) * len(carriers) < MANY:
            return self._plan(seen, carriers)
        return await asyncio.to_thread(self._plan, seen, carriers)

    def _plan(self, seen: Seen, carriers: Sequence[Carrier]) -> Plan:
        """Bookings stay where they are; only when one would find no place those move that may."""
        now, settings = seen.now, self._settings
        until = now + demand.ahead(settings)
        near = [claim for claim in seen.claims if claim.start < until]
        return plan(
            demand.loads(near, seen.fleet, settings, now),
            carriers,
            policy_of(settings, now, until),
            quick=True,
        )

    async def _persist(
        self, fleet: Fleet, due: Mapping[int, Claim], plan: Plan
    ) -> dict[int, Placement]:
        """Where each booking is wanted; one that finds no better place stays where it was."""
        wanted = {}
        for number, claim in due.items():
            current = fleet.placements.get(number)
            vm = plan.placed.get(number) or (current.vm if current else "")
            placed = await self._placed(fleet.pool, claim, vm, current) if vm else None
            if placed:
                wanted[number] = placed
        return wanted

    async def _placed(
        self, pool: int, claim: Claim, vm: str, current: Placement | None
    ) -> Placement | None:
        """One booking that can't be written down keeps no other from its machine."""
        try:
            return await self._put(pool, claim, vm, current)
        except Conflict:
            raise
        except Exception as error:
            logs.exception("fleet.place_failed", error, booking_id=claim.booking_id)
            return current

    async def _put(self, pool: int, claim: Claim, vm: str, current: Placement | None) -> Placement:
        now = self._clock.now()
        stays = current is not None and current.vm == vm
        fresh = Placement(
            booking_id=claim.booking_id,
            vm=vm,
            room_id=claim.room_id,
            tenant=claim.tenant,
            start=claim.start,
            end=claim.end,
            since=current.since if current and stays else now,
            etag=current.etag if current else "",
        )
        if current is None:
            return await self._store.place(pool, fresh)
        if demand.same(current, fresh):
            return current
        if stays:
            return await self._store.place(pool, replace(fresh, made=_kept(current, fresh)))
        logs.event("booking.moved", booking_id=claim.booking_id, vm=vm, before=current.vm)
        return await self._store.place(pool, fresh, [carriage(current, now)])

    def _task(
        self,
        machine: Machine,
        seen: Seen,
        plan: Plan,
        wanted: Mapping[int, Placement],
        over: Mapping[int, Leaving],
        *,
        spare: bool,
    ) -> Task:
        fleet = seen.fleet
        leaving = [gone for gone in over.values() if gone.placement.vm == machine.name]
        leaving += [
            Leaving(before, forced=True, moved=True)
            for number, before in fleet.placements.items()
            if before.vm == machine.name
            and number in wanted
            and demand.moved(before, wanted[number])
        ]
        causes = {
            cause
            for time in plan.on.get(machine.name, ())
            if time.start <= seen.now < time.end
            for cause in time.causes
        }
        override = fleet.override(machine.name)
        return Task(
            machine,
            fleet.vms.get(machine.name) or Vm(machine.name),
            [p for p in wanted.values() if p.vm == machine.name],
            leaving,
            override,
            on=bool(causes),
            gone=machine in seen.gone,
            start=spare or override.held(seen.now) or bool(causes & {Cause.WARM, Cause.HOLD}),
            elsewhere=[p for p in wanted.values() if p.vm != machine.name],
        )

    async def _isolated(self, task: Task) -> Outcome:
        """One machine's failure never stops the others."""
        try:
            return await self._driver.step(task)
        except Conflict:  # another reconciler was faster: it acts, the next step sees
            logs.event("fleet.overtaken", vm=task.machine.name)
        except Exception as error:
            logs.exception("fleet.step_failed", error, vm=task.machine.name)
        return Outcome(restless=True, unjudged=task.over)


def _overrunning(fleet: Fleet, outcomes: Sequence[Outcome]) -> dict[int, Placement]:
    """Those who stay after the end; and who did so when anybody could last tell."""
    lingering = [p for outcome in outcomes for p in outcome.lingering]
    unjudged = [p for outcome in outcomes for p in outcome.unjudged]
    known = [p for p in unjudged if f"overrun|{p.booking_id}" in fleet.incidents]
    return {p.booking_id: p for p in [*known, *lingering] if p.booking_id in fleet.placements}


def _kept(before: Placement, after: Placement) -> bool:
    """Whether its room is there already: another end changes nothing of that."""
    return before.made and not demand.moved(before, after)


def _remembered(vm: Vm, pool: int) -> Machine:
    return Machine(
        vm.name,
        pool,
        vm.capacity,
        Power.UNKNOWN,
        vm.janus_urls,
        vm.admin_url,
        "",
        vm.region,
        vm.spot,
    )
