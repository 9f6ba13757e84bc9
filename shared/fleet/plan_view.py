"""What a plan shows: what was, what is, and what is to come, of every machine of the pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.fleet.policy import Cause


class Stage(StrEnum):
    OVER = "over"
    RUNNING = "running"
    PLANNED = "planned"


@dataclass(frozen=True, slots=True)
class On:
    """A machine was on (`actual`), or is planned to be, during [start, end), which lies within the
    view. Why it was on nobody has kept: an actual one has no causes. `lost`: the machine ended by
    itself or failed, with calls that went on elsewhere."""

    start: datetime
    end: datetime
    causes: frozenset[Cause] = frozenset()
    actual: bool = False
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Carried:
    """A booking on a machine during [start, end); `vm` is empty when none carries it. One that
    moved has one for each machine: `came_from` and `went_to` are the ones before and after it. It
    may reach beyond the view."""

    booking_id: int
    tenant: str
    vm: str
    start: datetime
    end: datetime
    stage: Stage
    came_from: str = ""
    went_to: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a person has decided, and why."""

    start: datetime
    end: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class MachineRow:
    """`holds` and `exclusions` are those in force now."""

    name: str
    region: str
    spot: bool
    capacity: int
    on: Sequence[On] = ()
    holds: Sequence[Mark] = ()
    exclusions: Sequence[Mark] = ()


@dataclass(frozen=True, slots=True)
class PlanView:
    """The machines by their names, bookings by their starts, during [since, until). Before `now` it
    is what was, from then on what is planned. `unplaced`: bookings to come that no machine carries.

    `complete` is False when the machines' host did not answer: then machines that were never on
    are missing.
    """

    since: datetime
    until: datetime
    now: datetime
    machines: Sequence[MachineRow] = ()
    bookings: Sequence[Carried] = ()
    unplaced: Sequence[Carried] = ()
    complete: bool = True

    @property
    def on_time(self) -> timedelta:
        """That of all machines together."""
        return sum((on.end - on.start for m in self.machines for on in m.on), timedelta())

    @property
    def machine_hours(self) -> float:
        return self.on_time / timedelta(hours=1)

    @property
    def ratio(self) -> float:
        """To all of these machines being on all the time; 0 when there are none."""
        always = (self.until - self.since) * len(self.machines)
        return self.on_time / always if always else 0.0
