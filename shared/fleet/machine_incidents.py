"""What is wrong with machines: they do not start, answer no longer, or do not stop."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from shared.fleet.incident_kinds import incident
from shared.fleet.models import EPOCH, Fleet, Incident, Vm, VmState

STOPPING = timedelta(minutes=10)
"""What a machine may take to stop."""

SETTLED = timedelta(minutes=30)
"""How long a machine that failed to start rests until nobody wants it any more. Longer than any
wait before the next try, so that it is one incident and not one for each try."""


def not_started(fleet: Fleet, now: datetime) -> Iterator[Incident]:
    """Those that had served and are tried again are `not_answering` until they are off."""
    for vm in fleet.vms.values():
        known = f"start_failed|{vm.name}" in fleet.incidents
        failing = _failing(vm, now) if known else vm.state is VmState.FAILED
        if not vm.failures or not failing or _silent(fleet, vm):
            continue
        yield incident(
            "start_failed",
            vm.name,
            vm.since,
            vm.reason or "it did not start",
            "It is tried again by itself and its bookings go to others; if the reason stays, "
            "free quota, change its size, or exclude it.",
            vm=vm.name,
            attempts=vm.failures,
            retry_at=vm.retry_at if vm.retry_at > EPOCH else "",
        )


def _failing(vm: Vm, now: datetime) -> bool:
    """One that has failed is put to rest while its bookings try others, and is tried again."""
    resting = vm.state is VmState.DEALLOCATED
    return now - vm.since <= SETTLED if resting else not vm.serving


def not_answering(fleet: Fleet) -> Iterator[Incident]:
    for vm in fleet.vms.values():
        if not _silent(fleet, vm):
            continue
        yield incident(
            "not_answering",
            vm.name,
            vm.since,
            vm.reason or "its Janus does not answer",
            "Its bookings go to another machine that has room; else it is restarted by itself: "
            "look at its log.",
            vm=vm.name,
            retry_at=vm.retry_at if vm.retry_at > EPOCH else "",
        )


def _silent(fleet: Fleet, vm: Vm) -> bool:
    """It runs, had served, and counts as failed; from then on, through every restart, until it
    serves again or is off."""
    if f"not_answering|{vm.name}" in fleet.incidents:
        return vm.on and not vm.serving
    return vm.state is VmState.FAILED and vm.unready


def not_stopped(fleet: Fleet, now: datetime) -> Iterator[Incident]:
    for vm in fleet.vms.values():
        stopping = vm.state is VmState.DEALLOCATING
        late = stopping and now - vm.since > STOPPING
        if not (vm.stop_failed or late):
            continue
        yield incident(
            "stop_failed",
            vm.name,
            vm.since,
            vm.reason or "it is still stopping",
            "It costs money while it is on: deallocate it by hand in the portal.",
            vm=vm.name,
        )
