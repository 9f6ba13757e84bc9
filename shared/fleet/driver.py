"""One machine, one step: compares what is wanted of it with what it is, and acts.

A step waits for nothing that takes long: it asks, starts or stops, and leaves the rest to the next
step. Running twice, late or after a crash in between reaches the same state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.events.catalogue import EventType
from shared.fleet.compute import ComputeError, Machine, Power
from shared.fleet.demand import SLOW, Leaving, lost, power_of
from shared.fleet.models import EPOCH, Placement, Vm, VmState, held_back
from shared.fleet.rooms import Occupied, RoomKeeper
from shared.fleet.store import FleetStore
from shared.fleet.switch import SLOW_START, STUCK, PowerSwitch
from shared.fleet.task import Outcome, Task, carriage
from shared.janus.port import Janus, JanusError, JanusFactory
from shared.platform import logs
from shared.platform.clock import Clock

if TYPE_CHECKING:
    from shared.platform.settings import Settings

HUNG = timedelta(minutes=2)
"""How long a Janus that has answered may be silent before it is restarted, or its bookings go
elsewhere. One that starts has as long as its machine: `STUCK`."""

UNSEEN = timedelta(hours=1)
"""How long a room that can't be looked into keeps its machine on after everybody's tokens ended."""

UNLISTED = "Its host lists it no longer: it was deleted, or its tags make no sense"

CLOSED = 472
"""Janus accepts no new sessions."""


class Driver:
    def __init__(
        self,
        store: FleetStore,
        switch: PowerSwitch,
        janus: JanusFactory,
        rooms: RoomKeeper,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._switch = switch
        self._janus = janus
        self._rooms = rooms
        self._settings = settings
        self._clock = clock

    async def step(self, task: Task) -> Outcome:
        """May raise `StorageError`; the next step starts from what is stored."""
        power = power_of(task.machine, task.vm)
        if task.gone:
            return await self._deleted(task)
        if power is Power.UNKNOWN:
            return Outcome(restless=task.wanted, unjudged=task.over)
        if power in (Power.DEALLOCATED, Power.FAILED):
            vm, _ = await self._retire(task, task.vm, empty=True)
            return await self._off(task, vm, power)
        vm = await self._switch.seen_on(task.machine, task.vm)
        vm, busy = await self._switch.follow(task.machine, vm, power)
        task = replace(task, vm=vm)
        if power is Power.RUNNING and not (busy and vm.state is VmState.DEALLOCATING):
            return await self._running(task)
        return await self._between(task, power)

    async def _between(self, task: Task, power: Power) -> Outcome:
        """It starts or stops. A start that nobody needs any more is turned round; one that takes
        for ever is a failure."""
        vm, since = task.vm, self._clock.now() - task.vm.since
        if lost(vm, power):
            vm = await self._switch.lost(task.machine, vm, task.carried)
        stuck = power is Power.STARTING and vm.state is VmState.STARTING and since > STUCK
        if power is Power.STARTING and vm.state is VmState.DEALLOCATING and task.wanted:
            vm = await self._switch.turned(task.machine, vm)
        elif stuck and task.wanted:
            vm = await self._switch.unusable(
                task.machine, vm, "It is still starting after 6 minutes"
            )
        vm, lingering = await self._retire(task, vm)
        if power is Power.STARTING and not self._keep(task, vm, lingering):
            await self._switch.deallocate(task.machine, vm)
        return Outcome(restless=True, failed=_failed(task, vm), unjudged=lingering)

    # -- a machine that runs -----------------------------------------------------------------------

    async def _running(self, task: Task) -> Outcome:
        janus = self._janus(task.machine)
        vm, ready = await self._probe(task, janus)
        occupied: dict[int, Occupied] = {}
        if ready:
            vm = await self._doors(task, vm, janus)
            occupied = await self._rooms.serve(
                janus, task.machine, task.staying, task.over, task.elsewhere
            )
        told = self._told(task, occupied)
        vm, lingering = await self._retire(task, vm, janus if ready else None, told)
        if not self._keep(task, vm, lingering):
            vm = await self._switch.deallocate(task.machine, vm)
            # One that can't be stopped now is tried again by the timer's passes.
            return Outcome(restless=self._clock.now() >= vm.retry_at, occupied=occupied)
        cleared = any(gone.forced for gone in task.leaving)
        restless = cleared or (not ready and task.wanted)
        seen = [p for p in lingering if p.booking_id in told]
        unseen = [p for p in lingering if p.booking_id not in told]
        failed = _failed(task, vm)
        return Outcome(restless, failed, occupied, lingering=seen, unjudged=unseen)

    def _told(self, task: Task, occupied: Mapping[int, Occupied]) -> dict[int, Occupied]:
        """Who of its own is in each booking's room. Where the next booking of the same room has
        begun, all are that one's; where it may be entered already, nobody can tell."""
        now, early = self._clock.now(), self._settings.join_early
        # Of several that follow in one room the next one counts: it is written last.
        coming = sorted(task.staying, key=lambda placement: placement.start, reverse=True)
        next_start = {placement.room_id: placement.start for placement in coming}
        told = dict(occupied)
        for placement in task.over:
            start = next_start.get(placement.room_id)
            seen = told.get(placement.booking_id)
            if start is None or seen is None or not seen.participants or now < start - early:
                continue
            if start <= now:
                told[placement.booking_id] = replace(seen, participants=())
            else:
                del told[placement.booking_id]
        return told

    async def _probe(self, task: Task, janus: Janus) -> tuple[Vm, bool]:
        vm, machine = task.vm, task.machine
        try:
            vm = await self._answering(task, janus)
            if not vm.serving:  # one that hung may still be closed
                await janus.accept_sessions(True)
        except JanusError as error:
            return await self._unready(task, error), False
        if vm.state is VmState.DEALLOCATING and not (task.wanted or task.on):
            return vm, True  # it did not stop: another try is due, not another start
        place = (machine.janus_urls, machine.admin_url)
        if vm.serving and (vm.janus_urls, vm.admin_url) == place:
            return vm, True
        ready = replace(
            vm,
            state=VmState.READY,
            since=self._clock.now(),
            reason="",
            failures=0,
            retry_at=EPOCH,
            stop_failed=False,
            unready=False,
            operation="",
            accepting=vm.accepting or not vm.serving,
            janus_urls=machine.janus_urls,
            admin_url=machine.admin_url,
        )
        started = not vm.serving and not vm.unready
        event = self._switch.event(EventType.VM_STARTED, ready)
        return await self._switch.save(machine, ready, [event] if started else []), True

    async def _answering(self, task: Task, janus: Janus) -> Vm:
        """Raises `JanusError` unless it is ready."""
        vm = task.vm
        try:
            await janus.ready(sessions=vm.accepting)
        except JanusError as error:
            if error.code != CLOSED:
                raise
        else:
            return vm
        # It was closed, and whoever closed it died before that was written down.
        await janus.ready(sessions=False)
        return await self._switch.save(task.machine, replace(vm, accepting=False))

    async def _unready(self, task: Task, error: JanusError) -> Vm:
        vm, now = task.vm, self._clock.now()
        if vm.state is VmState.DEALLOCATING and not task.wanted:
            return vm
        if vm.state is VmState.FAILED:
            again = task.wanted and now >= vm.retry_at
            return await self._switch.restart(task.machine, vm, vm.reason) if again else vm
        if vm.state is not VmState.STARTING:
            logs.event("vm.unready", vm=vm.name, reason=error.reason)
            waiting = replace(
                vm,
                state=VmState.STARTING,
                since=now,
                reason=error.reason,
                unready=vm.serving,
            )
            return await self._switch.save(task.machine, waiting)
        hung = vm.unready and not vm.failures  # else it starts, for the first time or anew
        if now - vm.since < (HUNG if hung else STUCK) or not task.wanted:
            return vm
        return await self._switch.unusable(task.machine, vm, error.reason)

    async def _doors(self, task: Task, vm: Vm, janus: Janus) -> Vm:
        """Its Janus lets nobody new in when no booking on it may still join and none will come;
        before one comes back to it, it does again."""
        now = self._clock.now()
        excluded = task.override.excluded(now) and not task.override.held(now)
        leaving = bool(task.leaving) and not (task.staying or task.on)
        draining = vm.serving and (excluded or leaving)
        state = VmState.DRAINING if draining else VmState.READY
        accepting = bool(task.staying) or not draining
        if not vm.serving or (vm.state, vm.accepting) == (state, accepting):
            return vm
        if vm.accepting != accepting:
            await janus.accept_sessions(accepting)
        since = vm.since if vm.state is state else self._clock.now()
        reason = task.override.reason if excluded else ""
        drained = replace(vm, state=state, since=since, reason=reason, accepting=accepting)
        return await self._switch.save(task.machine, drained)

    # -- a machine that is off ---------------------------------------------------------------------

    async def _off(self, task: Task, vm: Vm, power: Power) -> Outcome:
        now, machine = self._clock.now(), task.machine
        if lost(vm, power):
            vm = await self._switch.lost(machine, vm, task.carried)
        vm, busy = await self._switch.follow(machine, vm, power)
        if busy and vm.state is VmState.STARTING:
            return Outcome(restless=True)  # asked, and not to be seen yet
        # One that its bookings leave because it takes so long has failed too.
        left = any(gone.moved for gone in task.leaving) and not task.wanted
        patience = SLOW if left else SLOW_START
        late = vm.state is VmState.STARTING and now - vm.since > patience
        if vm.state is VmState.STARTING and (power is Power.FAILED or late):
            reason = machine.reason or vm.reason or "It went off again"
            vm = await self._switch.start_failed(machine, vm, ComputeError("failed", reason))
        if not task.wanted:
            if not held_back(vm, now):
                await self._switch.seen_off(machine, vm)
            return Outcome(restless=False)
        if now >= vm.retry_at or vm.state is VmState.DEALLOCATING:
            vm = await self._switch.start(machine, vm)
        return Outcome(restless=True, failed=_failed(task, vm))

    async def _deleted(self, task: Task) -> Outcome:
        """Its row goes with the last booking that finds no other machine."""
        vm, _ = await self._retire(task, task.vm, empty=True)
        if vm.on:
            machine = replace(task.machine, reason=UNLISTED)
            vm = await self._switch.lost(machine, vm, task.carried)
        if not task.staying:
            await self._store.forget(task.machine.pool, vm)
        return Outcome(restless=False)

    # -- leaving -----------------------------------------------------------------------------------

    async def _retire(
        self,
        task: Task,
        vm: Vm,
        janus: Janus | None = None,
        occupied: Mapping[int, Occupied] | None = None,
        *,
        empty: bool = False,
    ) -> tuple[Vm, list[Placement]]:
        """Takes the bookings away that are over, and remembers when the machine was last needed.

        A room whose time just ran out is left alone until it is known to be empty: the second
        value names those.
        """
        lingering = []
        shared_rooms = {p.room_id for p in task.staying}
        for gone in task.leaving:
            placement = gone.placement
            seen = (occupied or {}).get(placement.booking_id)
            if not (gone.forced or empty) and self._inside(task, placement, seen):
                lingering.append(placement)
                continue
            if janus and placement.room_id not in shared_rooms:
                await self._rooms.destroy(janus, placement)
            vm = await self._remember(task.machine, vm, gone)
            if not gone.moved:
                carried = carriage(placement, self._clock.now())
                await self._store.remove(task.machine.pool, placement, [carried])
        return vm, lingering

    def _inside(self, task: Task, placement: Placement, seen: Occupied | None) -> bool:
        """Whether somebody may still be in a room whose time is over. Where that can't be told it
        holds until the tokens of all have ended. Whom an operator wants out by stopping the
        machine is not waited for beyond the limit of an overrun."""
        now = self._clock.now()
        if seen is None:
            return now <= placement.end + self._settings.join_grace + UNSEEN
        stopped = task.override.excluded(now) and not task.override.held(now)
        patience = now <= placement.end + self._settings.overrun_limit
        return bool(seen.participants) and (patience or not stopped)

    async def _remember(self, machine: Machine, vm: Vm, gone: Leaving) -> Vm:
        now, placement = self._clock.now(), gone.placement
        began = placement.start <= now and not gone.moved
        last = min(placement.end, now) if began else EPOCH
        if last <= vm.needed_until:
            return vm
        return await self._switch.save(machine, replace(vm, needed_until=last))

    def _keep(self, task: Task, vm: Vm, lingering: Sequence[Placement]) -> bool:
        now = self._clock.now()
        excluded = task.override.excluded(now)
        waiting = now < vm.needed_until + self._settings.vm_margin and not excluded
        return task.wanted or task.on or bool(lingering) or waiting


def _failed(task: Task, vm: Vm) -> bool:
    return task.wanted and vm.state is VmState.FAILED and vm.failures > task.vm.failures
