"""One machine, one step: compares what is wanted of it with what it is, and acts.

A step waits for nothing that takes long: it asks, starts or stops, and leaves the rest to the next
step. Running twice, late or after a crash in between reaches the same state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.events.catalogue import DomainEvent, EventType
from shared.events.outbox import Outbox
from shared.fleet.compute import Compute, ComputeError, Machine, Power
from shared.fleet.models import EPOCH, Placement, Vm, VmState, held_back
from shared.fleet.rooms import Occupied, RoomKeeper
from shared.fleet.store import FleetStore
from shared.janus.port import Janus, JanusError, JanusFactory
from shared.platform import logs
from shared.platform.clock import Clock, iso
from shared.platform.ids import PLATFORM_TENANT

if TYPE_CHECKING:
    from shared.platform.settings import Settings

HUNG = timedelta(minutes=2)
"""How long a running machine may be without a Janus that answers before it is restarted."""

FIRST_RETRY = timedelta(seconds=10)
LAST_RETRY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Leaving:
    """A booking that this machine carries no longer. `forced`: cancelled, ended or moved, so that
    whoever is inside is thrown out; else its room is kept until the last person has left."""

    placement: Placement
    forced: bool
    moved: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """What is wanted of one machine now."""

    machine: Machine
    vm: Vm
    staying: Sequence[Placement]
    leaving: Sequence[Leaving]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`restless`: the next step should follow soon, without waiting for the minute."""

    restless: bool
    occupied: Mapping[int, Occupied] = field(default_factory=dict)


class Driver:
    def __init__(
        self,
        store: FleetStore,
        compute: Compute,
        janus: JanusFactory,
        rooms: RoomKeeper,
        outbox: Outbox,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._compute = compute
        self._janus = janus
        self._rooms = rooms
        self._outbox = outbox
        self._settings = settings
        self._clock = clock

    async def step(self, task: Task) -> Outcome:
        """May raise `StorageError` and `ComputeError`; the next step starts from what is stored."""
        if task.machine.power is Power.RUNNING:
            return await self._running(task)
        if task.machine.power in (Power.DEALLOCATED, Power.FAILED):
            vm, _ = await self._retire(task, task.vm, empty=True)
            return await self._off(task, vm)
        vm, lingering = await self._retire(task, task.vm)
        wrong_way = task.machine.power is Power.STARTING and not self._keep(task, vm, lingering)
        if wrong_way:
            await self._deallocate(task.machine, vm)
        return Outcome(restless=True)

    # -- a machine that runs -----------------------------------------------------------------------

    async def _running(self, task: Task) -> Outcome:
        janus = self._janus(task.machine)
        vm, ready = await self._probe(task, janus)
        occupied: dict[int, Occupied] = {}
        if ready:
            occupied = await self._rooms.serve(
                janus, task.machine, task.staying, [gone.placement for gone in task.leaving]
            )
        vm, lingering = await self._retire(task, vm, janus if ready else None, occupied)
        if not self._keep(task, vm, lingering):
            await self._deallocate(task.machine, vm)
            return Outcome(restless=True, occupied=occupied)
        cleared = any(gone.forced for gone in task.leaving)
        return Outcome(restless=cleared or (not ready and bool(task.staying)), occupied=occupied)

    async def _probe(self, task: Task, janus: Janus) -> tuple[Vm, bool]:
        vm, machine, now = task.vm, task.machine, self._clock.now()
        try:
            await janus.ready()
        except JanusError as error:
            return await self._unready(task, error), False
        if vm.state is VmState.DEALLOCATING and not task.staying:
            return vm, True  # it did not stop: another try is due, not another start
        same = (vm.janus_urls, vm.admin_url) == (machine.janus_urls, machine.admin_url)
        if vm.state is VmState.READY and same:
            return vm, True
        ready = replace(
            vm,
            state=VmState.READY,
            since=now,
            reason="",
            failures=0,
            stop_failed=False,
            unready=False,
            janus_urls=machine.janus_urls,
            admin_url=machine.admin_url,
        )
        started = vm.state is not VmState.READY and not vm.unready
        events = [self._event(EventType.VM_STARTED, ready, was=vm.reason)] if started else []
        return await self._store.save(machine.pool, ready, events), True

    async def _unready(self, task: Task, error: JanusError) -> Vm:
        vm, now = task.vm, self._clock.now()
        if vm.state is not VmState.STARTING:
            logs.event("vm.unready", vm=vm.name, reason=error.reason)
            waiting = replace(
                vm,
                state=VmState.STARTING,
                since=now,
                reason=error.reason,
                unready=vm.state is VmState.READY,
            )
            return await self._store.save(task.machine.pool, waiting)
        if now - vm.since < HUNG or not task.staying:
            return vm
        logs.event("vm.restart", vm=vm.name, reason=error.reason)
        again = await self._store.save(
            task.machine.pool, replace(vm, since=now, reason=error.reason, unready=False)
        )
        await self._compute.restart(vm.name)
        return again

    # -- a machine that is off ---------------------------------------------------------------------

    async def _off(self, task: Task, vm: Vm) -> Outcome:
        now, machine = self._clock.now(), task.machine
        if machine.power is Power.FAILED and vm.state is VmState.STARTING:
            vm = await self._start_failed(machine, vm, machine.reason or "it stopped at once")
        if not task.staying:
            await self._rest(machine, vm)
            return Outcome(restless=False)
        if now < vm.retry_at:
            return Outcome(restless=True)
        if vm.state is VmState.READY:
            logs.event("vm.lost", vm=vm.name, reason=machine.reason)
        await self._start(machine, vm)
        return Outcome(restless=True)

    async def _start(self, machine: Machine, vm: Vm) -> None:
        starting = replace(
            vm,
            state=VmState.STARTING,
            since=self._clock.now(),
            reason=machine.reason,
            unready=False,
        )
        vm = await self._store.save(machine.pool, starting)
        logs.event("vm.start", vm=vm.name)
        try:
            await self._compute.start(machine.name)
        except ComputeError as error:
            await self._start_failed(machine, vm, error.message)

    async def _start_failed(self, machine: Machine, vm: Vm, reason: str) -> Vm:
        """One event an incident: it ends when the machine is ready."""
        now = self._clock.now()
        wait = min(FIRST_RETRY * 2**vm.failures, LAST_RETRY)
        failed = replace(
            vm,
            state=VmState.FAILED,
            since=now,
            reason=reason,
            failures=vm.failures + 1,
            retry_at=now + wait,
        )
        logs.event("vm.start_refused", vm=vm.name, reason=reason, retry_at=failed.retry_at)
        first = vm.failures == 0
        events = [self._event(EventType.VM_START_FAILED, failed, "error")] if first else []
        return await self._store.save(machine.pool, failed, events)

    async def _rest(self, machine: Machine, vm: Vm) -> None:
        if vm.state is VmState.DEALLOCATED or held_back(vm, self._clock.now()):
            return
        off = replace(
            vm, state=VmState.DEALLOCATED, since=self._clock.now(), reason="", stop_failed=False
        )
        stopped = vm.state is not VmState.FAILED
        events = [self._event(EventType.VM_DEALLOCATED, off)] if stopped else []
        await self._store.save(machine.pool, off, events)

    # -- leaving -----------------------------------------------------------------------------------

    async def _retire(
        self,
        task: Task,
        vm: Vm,
        janus: Janus | None = None,
        occupied: Mapping[int, Occupied] | None = None,
        *,
        empty: bool = False,
    ) -> tuple[Vm, bool]:
        """Takes the bookings away that are over, and remembers when the machine was last needed.

        A room whose time just ran out is left alone until it is known to be empty: the second
        value says that there is such a one.
        """
        lingering = False
        shared_rooms = {p.room_id for p in task.staying}
        for gone in task.leaving:
            placement = gone.placement
            seen = (occupied or {}).get(placement.booking_id)
            if not (gone.forced or empty or (seen and not seen.participants)):
                lingering = True
                continue
            if janus and placement.room_id not in shared_rooms:
                await self._rooms.destroy(janus, placement)
            vm = await self._remember(task.machine, vm, gone)
            if not gone.moved:
                await self._store.remove(task.machine.pool, placement)
        return vm, lingering

    async def _remember(self, machine: Machine, vm: Vm, gone: Leaving) -> Vm:
        now, placement = self._clock.now(), gone.placement
        began = placement.start <= now and not gone.moved
        last = min(placement.end, now) if began else EPOCH
        if last <= vm.needed_until:
            return vm
        return await self._store.save(machine.pool, replace(vm, needed_until=last))

    def _keep(self, task: Task, vm: Vm, lingering: bool) -> bool:
        waiting = self._clock.now() < vm.needed_until + self._settings.vm_margin
        return bool(task.staying) or lingering or waiting

    async def _deallocate(self, machine: Machine, vm: Vm) -> None:
        now: datetime = self._clock.now()
        if vm.state is not VmState.DEALLOCATING:
            logs.event("vm.deallocate", vm=vm.name, unneeded_since=iso(vm.needed_until))
            going = replace(vm, state=VmState.DEALLOCATING, since=now, reason="")
            vm = await self._store.save(machine.pool, going)
        try:
            await self._compute.deallocate(machine.name)
        except ComputeError as error:
            await self._stop_failed(machine, vm, error.message)

    async def _stop_failed(self, machine: Machine, vm: Vm, reason: str) -> None:
        logs.event("vm.stop_refused", vm=vm.name, reason=reason)
        if vm.stop_failed:
            return
        failed = replace(vm, reason=reason, stop_failed=True)
        event = self._event(EventType.VM_STOP_FAILED, failed, "error")
        await self._store.save(machine.pool, failed, [event])

    def _event(
        self, kind: EventType, vm: Vm, severity: str = "info", *, was: str = ""
    ) -> DomainEvent:
        data = {"vm": vm.name, "state": vm.state.value, "reason": vm.reason or was}
        return self._outbox.event(kind, PLATFORM_TENANT, f"vm/{vm.name}", data, severity=severity)
