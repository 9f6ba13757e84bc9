"""What the calendar wants of the machines at a moment. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.bookings.claims import Claim
from shared.fleet.compute import Machine, Power
from shared.fleet.models import EPOCH, Fleet, Placement, Vm, VmState, held_back
from shared.fleet.policy import Carrier, Load, Span

if TYPE_CHECKING:
    from shared.platform.settings import Settings


SLOW = timedelta(minutes=3)
"""What a start usually takes, with room to spare."""

NEAR = timedelta(minutes=20)
"""A booking that starts so soon does not wait for a machine that takes longer than that alone."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """A booking that its machine carries no longer. `forced`: cancelled, ended or moved, so that
    whoever is inside is thrown out; else its room is kept until the last person has left."""

    placement: Placement
    forced: bool
    moved: bool = False


def ahead(settings: Settings) -> timedelta:
    """How far a pass looks: a booking within it may keep a machine on that is free now."""
    return settings.vm_lead + settings.vm_bridge


def due(claims: Sequence[Claim], settings: Settings, now: datetime) -> dict[int, Claim]:
    """The bookings that should have a machine now."""
    return {
        claim.booking_id: claim
        for claim in claims
        if claim.start - settings.vm_lead <= now < _until(claim, settings)
    }


def _until(claim: Claim, settings: Settings) -> datetime:
    return claim.end if claim.ended else claim.end + settings.join_grace


def over(
    fleet: Fleet, claims: Sequence[Claim], wanted: Mapping[int, Claim], now: datetime
) -> dict[int, Leaving]:
    """Placements that no booking needs any more; forced unless the time just ran out."""
    known = {claim.booking_id: claim for claim in claims}
    gone = {}
    for number, placement in fleet.placements.items():
        if number in wanted:
            continue
        claim = known.get(number)
        if claim and claim.ended:
            gone[number] = Leaving(replace(placement, end=claim.end), forced=True)
        else:
            stays = claim and (claim.start, claim.end) == (placement.start, placement.end)
            gone[number] = Leaving(placement, forced=not stays and now < placement.end)
    return gone


def loads(claims: Sequence[Claim], fleet: Fleet, settings: Settings, now: datetime) -> list[Load]:
    """As the calendar counts: those who stay on after the end take nobody's place. A call that may
    be running is pinned to its machine."""
    opens = settings.join_early
    found = []
    for claim in claims:
        if claim.ended or claim.end <= now or claim.end <= claim.start:
            continue
        placement = fleet.placements.get(claim.booking_id)
        vm = placement.vm if placement and not _lags(placement, fleet, now) else ""
        found.append(
            Load(
                claim.booking_id,
                claim.start,
                claim.end,
                vm=vm,
                pinned=vm != "" and claim.start - opens <= now,
                pool=fleet.pool,
            )
        )
    return found


def _lags(placement: Placement, fleet: Fleet, now: datetime) -> bool:
    """Nobody can have joined yet, and its machine has failed, so that another one may be better; or
    takes its time, while another is ready and has room."""
    vm = fleet.vms.get(placement.vm)
    if vm is None or placement.made:
        return False
    return vm.state is VmState.FAILED or (_slow(vm, now) and _room_elsewhere(fleet, now))


def _room_elsewhere(fleet: Fleet, now: datetime) -> bool:
    return any(
        vm.serving and not vm.spot and len(fleet.on(vm.name)) < vm.capacity
        for vm in fleet.vms.values()
        if not fleet.override(vm.name).excluded(now)
    )


def _slow(vm: Vm | None, now: datetime) -> bool:
    """Asked long ago, and not ready; or it has to stop before it can start."""
    if vm is None or vm.state not in (VmState.STARTING, VmState.DEALLOCATING):
        return False
    return now - vm.since > SLOW


def carriers(
    fleet: Fleet, machines: Sequence[Machine], settings: Settings, now: datetime
) -> list[Carrier]:
    """The machines that can be used: neither held back after a failure, nor gone a moment ago."""
    found = []
    for machine in machines:
        vm = fleet.vms.get(machine.name) or Vm(machine.name)
        power = power_of(machine, vm)
        if held_back(vm, now) or lost(vm, power):
            continue
        override = fleet.override(machine.name)
        found.append(
            Carrier(
                machine.name,
                machine.capacity,
                # One that has failed may be on, and is no better for that.
                on=power in _ON and vm.state not in (VmState.DEALLOCATING, VmState.FAILED),
                spot=machine.spot,
                pool=machine.pool,
                closed=override.closed(now, settings.vm_lead),
                # That it is on anyway binds no booking to one that takes its time.
                holds=(Span(now, override.hold_until),)
                if override.held(now) and not _slow(vm, now)
                else (),
                # What people want to be off does not wait for the margin.
                needed_until=EPOCH if override.excluded(now) else vm.needed_until,
                # Of those that are on, one that is ready comes first.
                failures=vm.failures + (vm.state is VmState.STARTING),
            )
        )
    return found


def spares(
    wanted: Collection[Placement], fleet: Fleet, carriers: Sequence[Carrier], now: datetime
) -> set[str]:
    """Machines that are started beside those that take their time although a booking is near:
    whichever is ready first gets it. One more each time that all of them do."""
    near = [p for p in wanted if not p.made and p.start - now <= NEAR]
    if not any(_slow(fleet.vms.get(placement.vm), now) for placement in near):
        return set()
    carrying = {placement.vm for placement in wanted}
    free = [c for c in carriers if c.name not in carrying and c.closed <= now and not c.spot]
    vms = {carrier.name: fleet.vms.get(carrier.name) or Vm(carrier.name) for carrier in free}
    # One that was asked may not be seen yet, or be refused for now: it is asked again.
    begun = {c.name for c in free if c.on or vms[c.name].state is VmState.STARTING}
    coming = any(vms[name].on and not _slow(vms[name], now) for name in begun)
    idle = (VmState.DEALLOCATED, VmState.FAILED)
    more = [c for c in free if c.name not in begun and vms[c.name].state in idle]
    if more and not coming:
        begun.add(min(more, key=lambda c: (c.failures, -c.capacity, c.name)).name)
    return begun


_ON = (Power.RUNNING, Power.STARTING)

BELIEVED = {
    VmState.DEALLOCATED: Power.DEALLOCATED,
    VmState.STARTING: Power.STARTING,
    VmState.READY: Power.RUNNING,
    VmState.DRAINING: Power.RUNNING,
    VmState.DEALLOCATING: Power.DEALLOCATING,
    VmState.FAILED: Power.UNKNOWN,
}


def power_of(machine: Machine, vm: Vm) -> Power:
    """What its host says; where it was not asked or can't tell, what we left it in."""
    if machine.power is not Power.UNKNOWN:
        return machine.power
    if vm.state is VmState.STARTING and not vm.on:  # whoever was asked has refused so far
        return Power.DEALLOCATED
    return BELIEVED[vm.state]


def lost(vm: Vm, power: Power) -> bool:
    """Whether a machine that worked is off, or goes off, without our asking: evicted, crashed, or
    by hand."""
    return (vm.serving or vm.unready) and power in _GOING


_GOING = (Power.DEALLOCATED, Power.FAILED, Power.DEALLOCATING)


def matters(fleet: Fleet, now: datetime) -> set[str]:
    """The machines whose state matters: something is on, under way, wanted or held."""
    busy = {vm.name for vm in fleet.vms.values() if vm.on or vm.state is not VmState.DEALLOCATED}
    carrying = {placement.vm for placement in fleet.placements.values()}
    held = {one.vm for one in fleet.overrides.values() if one.held(now)}
    return busy | carrying | held


def moved(before: Placement, after: Placement) -> bool:
    return (before.vm, before.room_id) != (after.vm, after.room_id)


def same(one: Placement, other: Placement) -> bool:
    return not moved(one, other) and (one.start, one.end) == (other.start, other.end)
