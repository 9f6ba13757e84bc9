"""The fleet as it is now, for operators (webrtc-streaming.md 1.2)."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

from shared.bookings.service import Bookings
from shared.fleet.compute import Compute
from shared.fleet.models import EPOCH, Fleet, Override, Placement, Vm
from shared.fleet.payloads import (
    CarriedView,
    FleetView,
    IncidentView,
    MachineView,
    ManualView,
    WaitingView,
)
from shared.fleet.roster import Known, roster
from shared.fleet.store import FleetStore
from shared.platform.auth import Caller
from shared.platform.clock import Clock

if TYPE_CHECKING:
    from shared.platform.settings import Settings


class FleetNow:
    def __init__(
        self,
        bookings: Bookings,
        store: FleetStore,
        compute: Compute,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._bookings = bookings
        self._store = store
        self._compute = compute
        self._settings = settings
        self._clock = clock

    async def show(self, caller: Caller) -> FleetView:
        """As the reconciler left it. Raises Problem 403 for who is no operator."""
        caller.require_operator()
        now, pool = self._clock.now(), self._settings.pool
        fleet, waiting = await asyncio.gather(self._store.load(pool), self._due(now))
        known = await roster(self._compute, fleet)
        return FleetView(
            at=now,
            pool=pool,
            inventory=known.reason or "ok",
            machines=[machine_view(m, fleet, now) for m in known.machines.values()],
            incidents=[
                IncidentView(
                    kind=one.kind,
                    subject=one.key.partition("|")[2],
                    since=one.since,
                    data=dict(one.data),
                )
                for one in sorted(fleet.incidents.values(), key=lambda one: one.since)
            ],
            waiting=[w for w in waiting if w.booking_id not in fleet.placements],
        )

    async def _due(self, now: datetime) -> list[WaitingView]:
        settings = self._settings
        ahead = now + settings.vm_lead
        claims = await self._bookings.claims(settings.pool, now - settings.max_booking, ahead)
        return [
            WaitingView(
                booking_id=c.booking_id, tenant=c.tenant, start_time=c.start, end_time=c.end
            )
            for c in sorted(claims, key=lambda c: (c.start, c.booking_id))
            if c.start <= ahead and now < c.end
        ]


def machine_view(machine: Known, fleet: Fleet, now: datetime) -> MachineView:
    vm = fleet.vms.get(machine.name) or Vm(machine.name)
    carried = sorted(fleet.on(machine.name), key=lambda p: (p.start, p.booking_id))
    return MachineView(
        name=machine.name,
        region=machine.region,
        spot=machine.spot,
        capacity=machine.capacity,
        state=vm.state.value,
        since=vm.since if vm.since > EPOCH else None,
        reason=vm.reason,
        on_since=vm.on_since if vm.on else None,
        retry_at=vm.retry_at if vm.retry_at > now else None,
        accepting=vm.accepting if vm.serving else None,
        bookings=[_carried(p) for p in carried],
        manual=_manual(fleet.override(machine.name), now),
    )


def _carried(placement: Placement) -> CarriedView:
    return CarriedView(
        booking_id=placement.booking_id,
        tenant=placement.tenant,
        start_time=placement.start,
        end_time=placement.end,
        room_made=placement.made,
    )


def _manual(override: Override, now: datetime) -> ManualView | None:
    held, excluded = override.held(now), override.excluded(now)
    if not held and not excluded:
        return None
    return ManualView(
        hold_until=override.hold_until if held else None,
        exclude_until=override.exclude_until if excluded else None,
        by=override.by,
        reason=override.reason,
        since=override.at,
    )
