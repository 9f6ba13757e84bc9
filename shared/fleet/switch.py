"""Starting and stopping one machine, and what is written down of it: its state, its on-time in the
ledger, the failures. Nothing here waits for a machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.events.catalogue import DomainEvent, EventType
from shared.events.outbox import Outbox
from shared.fleet.compute import Compute, ComputeError, Machine, Power
from shared.fleet.ledger import LONGEST, Stretch
from shared.fleet.models import EPOCH, Vm, VmState
from shared.fleet.store import FleetStore
from shared.platform import logs
from shared.platform.clock import Clock, iso
from shared.platform.ids import PLATFORM_TENANT
from shared.platform.tables import Op, Upsert

if TYPE_CHECKING:
    from shared.platform.settings import Settings

FIRST_RETRY = timedelta(seconds=10)
LAST_RETRY = timedelta(minutes=10)

NEVER_ALLOCATED = frozenset({"allocation_failed", "sku_not_available", "quota_exceeded"})
"""Kinds of failures after which the machine was never ours, and costs nothing."""

PASSING = frozenset({"throttled", "conflict"})
"""Kinds that say nothing of the machine: the same is asked again, after a while."""

MOST_STRETCHES = 40
"""Rows that one transaction may take besides the others."""

SLOW_START = timedelta(minutes=5)
"""How long a machine may look off after it was asked to start, or what passes may take."""

STUCK = timedelta(minutes=6)
"""How long a machine may be starting before its bookings look for another one. It takes
two or three; the lead has to be long enough for several machines that fail one after the other."""


class PowerSwitch:
    """Each method stores what it did and returns the machine as stored. They may raise
    `StorageError`; a refusal of the host is part of the machine's state."""

    def __init__(
        self,
        store: FleetStore,
        compute: Compute,
        outbox: Outbox,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._compute = compute
        self._outbox = outbox
        self._settings = settings
        self._clock = clock

    # -- what is seen ------------------------------------------------------------------------------

    async def seen_on(self, machine: Machine, vm: Vm) -> Vm:
        """Its on-time counts, whoever has started it."""
        now = self._clock.now()
        if not vm.on:
            logs.event("vm.found_on", vm=vm.name, power=machine.power.value)
            return await self.save(machine, replace(vm, on_since=now))
        if now - vm.on_since > LONGEST:
            return await self.save(machine, replace(vm, on_since=now), also=self._closed(vm, now))
        return vm

    async def seen_off(self, machine: Machine, vm: Vm) -> Vm:
        """It is off, as it should be. That starts have failed is forgotten when one succeeds."""
        now = self._clock.now()
        known = vm.state is not VmState.DEALLOCATED
        if vm.etag and not known and not vm.on:
            return vm
        # Why it failed is shown until it works again.
        reason = vm.reason if vm.state is VmState.FAILED else ""
        since = now if known else vm.since
        # When a stop may be tried again says nothing of a start.
        retry_at = EPOCH if vm.state is VmState.DEALLOCATING else vm.retry_at
        seen = replace(vm, state=VmState.DEALLOCATED, since=since, reason=reason, retry_at=retry_at)
        off = _off(seen)
        events = [self._stopped(vm, now)] if vm.on else []
        return await self.save(machine, off, events, self._closed(vm, now))

    async def lost(self, machine: Machine, vm: Vm, bookings: Sequence[int]) -> Vm:
        """It worked, and is off without our asking: evicted, crashed, or by hand."""
        now = self._clock.now()
        reason = machine.reason or "It is off, and nobody here has asked for that"
        logs.event("vm.lost", vm=vm.name, reason=reason)
        gone = _off(replace(vm, state=VmState.FAILED, since=now, reason=reason, retry_at=now))
        more = {"spot": vm.spot, "bookings": list(bookings)[:50]}
        event = self.event(EventType.VM_LOST, gone, "error" if bookings else "info", **more)
        return await self.save(machine, gone, [event], self._closed(vm, now))

    # -- what is asked -----------------------------------------------------------------------------

    async def start(self, machine: Machine, vm: Vm) -> Vm:
        """From off. Its on-time begins before it is asked: after a crash it counts too much."""
        now = self._clock.now()
        again = vm.state is VmState.STARTING
        asked = replace(
            _off(vm),
            state=VmState.STARTING,
            since=vm.since if again else now,
            reason=machine.reason,
            on_since=vm.on_since if again and vm.on else now,
        )
        closed = [] if again else self._closed(vm, now)
        # Wanted again before anybody saw that it had stopped.
        events = [self._stopped(vm, now)] if vm.on and not again else []
        vm = await self.save(machine, asked, events, closed)
        logs.event("vm.start", vm=vm.name, again=again)
        try:
            operation = await self._compute.start(machine.name)
        except ComputeError as error:
            return await self.start_failed(machine, vm, error)
        return await self._follow_later(machine, vm, operation)

    async def restart(self, machine: Machine, vm: Vm, reason: str) -> Vm:
        """A Janus that hangs, or never came up."""
        logs.event("vm.restart", vm=vm.name, reason=reason)
        now = self._clock.now()
        asked = replace(vm, state=VmState.STARTING, since=now, reason=reason)
        vm = await self.save(machine, asked)
        try:
            operation = await self._compute.restart(vm.name)
        except ComputeError as error:
            return await self.unusable(machine, vm, error.message)
        return await self._follow_later(machine, vm, operation)

    async def turned(self, machine: Machine, vm: Vm) -> Vm:
        """It was to be stopped while it starts, which its host has not done; now it is wanted."""
        again = replace(vm, state=VmState.STARTING, since=self._clock.now(), reason="")
        return await self.save(machine, replace(again, stop_failed=False, retry_at=EPOCH))

    async def deallocate(self, machine: Machine, vm: Vm) -> Vm:
        now = self._clock.now()
        if vm.state is not VmState.DEALLOCATING:
            logs.event("vm.deallocate", vm=vm.name, unneeded_since=iso(vm.needed_until))
            going = replace(vm, state=VmState.DEALLOCATING, since=now, reason="", unready=False)
            vm = replace(going, retry_at=EPOCH)
        elif now < vm.retry_at:
            return vm
        # Before each try: who goes by an older row than what is stored learns of it here, and not
        # after it has stopped a machine that carries a call by now.
        vm = await self.save(machine, replace(vm, operation=""))
        try:
            operation = await self._compute.deallocate(machine.name)
        except ComputeError as error:
            return await self.stop_failed(machine, vm, error)
        return await self._follow_later(machine, vm, operation)

    async def _follow_later(self, machine: Machine, vm: Vm, operation: str) -> Vm:
        if operation == vm.operation:
            return vm
        return await self.save(machine, replace(vm, operation=operation))

    async def follow(self, machine: Machine, vm: Vm, power: Power) -> tuple[Vm, bool]:
        """Asks once how the operation is getting on; says also whether it still runs."""
        if not vm.operation:
            return vm, False
        try:
            progress = await self._compute.follow(vm.operation)
        except ComputeError as error:
            if error.kind == "throttled":
                return vm, True
            vm = replace(vm, operation="")
            if vm.state is VmState.DEALLOCATING:
                return await self.stop_failed(machine, vm, error), False
            if vm.state is VmState.STARTING and power is not Power.RUNNING:
                return await self.start_failed(machine, vm, error), False
            return await self.save(machine, vm), False
        if progress == "running":
            return vm, True
        return await self.save(machine, replace(vm, operation="")), False

    # -- what is refused ---------------------------------------------------------------------------

    async def start_failed(self, machine: Machine, vm: Vm, error: ComputeError) -> Vm:
        now = self._clock.now()
        passing = error.kind in PASSING and now - vm.since <= SLOW_START
        wait = error.retry_after or min(FIRST_RETRY * 2 ** min(vm.failures, 8), LAST_RETRY)
        logs.event("vm.start_refused", vm=vm.name, kind=error.kind, reason=error.message)
        charged = error.kind not in NEVER_ALLOCATED and not passing
        failed = replace(
            _off(vm),
            state=VmState.STARTING if passing else VmState.FAILED,
            since=vm.since if passing else now,
            reason=error.message,
            failures=vm.failures + (0 if passing else 1),
            retry_at=now + wait,
        )
        return await self.save(machine, failed, also=self._closed(vm, now) if charged else ())

    async def unusable(self, machine: Machine, vm: Vm, reason: str) -> Vm:
        """It runs, and its Janus does not come up: its bookings may look for another machine."""
        now = self._clock.now()
        wait = min(FIRST_RETRY * 2 ** min(vm.failures, 8), LAST_RETRY)
        logs.event("vm.unusable", vm=vm.name, reason=reason)
        failed = replace(
            vm,
            state=VmState.FAILED,
            since=vm.since if vm.unready else now,
            reason=reason,
            failures=vm.failures + 1,
            retry_at=now + wait,
        )
        return await self.save(machine, failed)

    async def stop_failed(self, machine: Machine, vm: Vm, error: ComputeError) -> Vm:
        """It is asked again, less and less often, or when the host says so."""
        logs.event("vm.stop_refused", vm=vm.name, kind=error.kind, reason=error.message)
        now = self._clock.now()
        # As long again as it has been tried: twice as long each time.
        wait = error.retry_after or min(max(FIRST_RETRY, now - vm.since), LAST_RETRY)
        failed = replace(
            vm,
            reason=error.message,
            retry_at=now + wait,
            stop_failed=vm.stop_failed or error.kind not in PASSING,
        )
        return await self.save(machine, failed)

    # -- what is stored ----------------------------------------------------------------------------

    async def save(
        self,
        machine: Machine,
        vm: Vm,
        events: Sequence[DomainEvent] = (),
        also: Sequence[Op] = (),
    ) -> Vm:
        """With what its host says of it, which the ledger and the operators' view want."""
        known = replace(vm, capacity=machine.capacity, region=machine.region, spot=machine.spot)
        return await self._store.save(machine.pool, known, events, also)

    def event(self, kind: EventType, vm: Vm, severity: str = "info", **more: Any) -> DomainEvent:
        data = {"vm": vm.name, "state": vm.state.value, "reason": vm.reason, **more}
        return self._outbox.event(kind, PLATFORM_TENANT, f"vm/{vm.name}", data, severity=severity)

    def _stopped(self, vm: Vm, now: datetime) -> DomainEvent:
        off = replace(vm, state=VmState.DEALLOCATED, since=now, reason="")
        return self.event(EventType.VM_DEALLOCATED, off)

    def _closed(self, vm: Vm, now: datetime) -> list[Op]:
        """Its on-time until now, for the ledger."""
        price = self._settings.vm_spot_price if vm.spot else self._settings.vm_price
        rows: list[Op] = []
        since = vm.on_since if vm.on else now
        # After an outage of ours it may be days: the newest are kept, of more than a month.
        since = max(since, now - MOST_STRETCHES * LONGEST)
        while since < now:
            until = min(since + LONGEST, now)
            stretch = Stretch(vm.name, since, until, vm.region, vm.spot, str(price))
            rows.append(Upsert(stretch.rk, stretch.to_row()))
            since = until
        return rows


def _off(vm: Vm) -> Vm:
    """What holds of every machine that is off."""
    return replace(
        vm,
        on_since=EPOCH,
        operation="",
        unready=False,
        accepting=True,
        stop_failed=False,
    )
