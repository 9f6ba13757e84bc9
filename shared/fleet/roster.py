"""Which machines there are: those that the host lists, and those that have a row of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.fleet.compute import Compute, ComputeError
from shared.fleet.models import Fleet
from shared.platform import logs


@dataclass(frozen=True, slots=True)
class Known:
    """`listed`: the host has it; one that is gone from there has only its row."""

    name: str
    capacity: int
    region: str
    spot: bool
    listed: bool


@dataclass(frozen=True, slots=True)
class Roster:
    """In the order of the names. Without an answer of the host (`complete` is False, and `reason`
    says why) it holds those that have a row, as the row tells of them."""

    machines: Mapping[str, Known]
    reason: str = ""

    @property
    def complete(self) -> bool:
        return not self.reason

    @property
    def usable(self) -> list[Known]:
        return [m for m in self.machines.values() if m.listed or not self.complete]


async def roster(compute: Compute, fleet: Fleet) -> Roster:
    """No machine is asked for its power."""
    reason = ""
    try:
        listed = await compute.machines(look=())
    except ComputeError as error:
        logs.event("fleet.no_inventory", kind=error.kind, reason=error.message)
        listed, reason = [], error.message or error.kind
    found = {
        vm.name: Known(vm.name, vm.capacity, vm.region, vm.spot, listed=False)
        for vm in fleet.vms.values()
    }
    found |= {m.name: Known(m.name, m.capacity, m.region, m.spot, listed=True) for m in listed}
    return Roster(dict(sorted(found.items())), reason)
