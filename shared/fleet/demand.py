"""What the calendar wants of the machines at a moment. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """Nobody can have joined yet, and its machine takes its time: another one may be ready."""
    vm = fleet.vms.get(placement.vm)
    return vm is not None and not placement.made and _slow(vm, now)


def _slow(vm: Vm, now: datetime) -> bool:
    return vm.state is VmState.STARTING and now - vm.since > SLOW


def carriers(fleet: Fleet, machines: Sequence[Machine], now: datetime) -> list[Carrier]:
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
                on=power in _ON and vm.state is not VmState.DEALLOCATING,
                spot=machine.spot,
                pool=machine.pool,
                closed=override.exclude_until,
                holds=(Span(now, override.hold_until),) if override.held(now) else (),
                # What people want to be off does not wait for the margin.
                needed_until=EPOCH if override.excluded(now) else vm.needed_until,
                failures=vm.failures + _slow(vm, now),
            )
        )
    return found


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
    return machine.power if machine.power is not Power.UNKNOWN else BELIEVED[vm.state]


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
