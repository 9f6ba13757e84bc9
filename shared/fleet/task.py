"""What is wanted of one machine in a pass, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shared.fleet.compute import Machine, Power
from shared.fleet.demand import Leaving, power_of
from shared.fleet.ledger import Carriage
from shared.fleet.models import Override, Placement, Vm, VmState
from shared.fleet.rooms import Occupied
from shared.platform.tables import Op, Upsert


@dataclass(frozen=True, slots=True)
class Task:
    """What is wanted of one machine now. `on`: it carries nothing, and stays on if it is; `start`:
    it is even started for that (it is held, kept warm, or a spare)."""

    machine: Machine
    vm: Vm
    staying: Sequence[Placement]
    leaving: Sequence[Leaving]
    override: Override
    on: bool = False
    start: bool = False
    gone: bool = False
    """Its host knows no such machine any more."""
    elsewhere: Sequence[Placement] = ()
    """What other machines carry."""

    @property
    def over(self) -> list[Placement]:
        """The bookings that it carries no longer."""
        return [gone.placement for gone in self.leaving]

    @property
    def carried(self) -> list[int]:
        """The bookings that needed it until now."""
        moved = [gone.placement for gone in self.leaving if gone.moved]
        return sorted({p.booking_id for p in [*self.staying, *moved]})

    @property
    def rests(self) -> bool:
        """It is off, as it should be, and that is written down: there is nothing to do."""
        off = power_of(self.machine, self.vm) is Power.DEALLOCATED
        noted = self.vm.state is VmState.DEALLOCATED and self.vm.etag != "" and not self.vm.on
        return off and noted and not (self.gone or self.wanted or self.leaving)

    @property
    def wanted(self) -> bool:
        return bool(self.staying) or self.start


@dataclass(frozen=True, slots=True)
class Outcome:
    """`restless`: the next step should follow soon, without waiting for the minute. `lingering`:
    bookings whose time is over and that may still have people inside."""

    restless: bool
    failed: bool = False
    """It was wanted and has just failed: its bookings may find another one at once."""
    occupied: Mapping[int, Occupied] = field(default_factory=dict)
    lingering: Sequence[Placement] = ()
    unjudged: Sequence[Placement] = ()
    """Bookings whose time is over, of which it could not be told whether anybody is inside."""


def carriage(placement: Placement, now: datetime) -> Op:
    """The ledger's row of a booking that leaves its machine now."""
    start, end = max(placement.start, placement.since), min(placement.end, now)
    if end <= start:  # it never began there
        start = end = now
    gone = Carriage(placement.booking_id, placement.tenant, placement.vm, start, end)
    return Upsert(gone.rk, gone.to_row())
