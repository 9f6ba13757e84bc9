"""What the planner is told and what it answers. The planner itself is `shared/fleet/planner.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from shared.fleet.models import EPOCH


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open, in UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Load:
    """A booking that takes one of a machine's places during [start, end).

    `vm` is where it is now, empty when nowhere. `pinned`: it does not leave that for another
    one's sake, because its call is running or could begin at any moment.
    """

    booking_id: int
    start: datetime
    end: datetime
    vm: str = ""
    pinned: bool = False
    pool: int = 0


@dataclass(frozen=True, slots=True)
class Carrier:
    """A machine that can be used.

    `on`: it runs or starts already, which makes it preferred. `closed` until then (a person has
    excluded it): a booking that begins before is not put there, and one that is there and not
    pinned leaves. `holds`: it stays on then, whatever it carries. `needed_until`: the end of the
    last booking that it carried, for the margin; of no consequence when it is not `on`.
    """

    name: str
    capacity: int
    on: bool = False
    spot: bool = False
    pool: int = 0
    closed: datetime = EPOCH
    holds: Sequence[Span] = ()
    needed_until: datetime = EPOCH
    failures: int = 0
    """Starts that failed in a row: those that have had fewer are tried first."""


@dataclass(frozen=True, slots=True)
class Warm:
    """At least so many standard machines of each pool are on during this time, whether bookings
    need them or not."""

    start: datetime
    end: datetime
    machines: int


@dataclass(frozen=True, slots=True)
class Policy:
    """A machine is on from `lead` before its first booking until `margin` after its last one; and
    in between, when being off would last less than `bridge`: a stop and a start cost more.

    `spot`: bookings may be put on spot machines, as far as the standard ones could take them over.
    """

    lead: timedelta
    margin: timedelta
    bridge: timedelta
    spot: bool = False
    warm: Sequence[Warm] = ()


class Cause(StrEnum):
    """Why a machine is on. BRIDGE: it carries nothing and being off would not pay."""

    BOOKINGS = "bookings"
    BRIDGE = "bridge"
    WARM = "warm"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class OnTime:
    """A machine is on without a break during [start, end), for these causes."""

    start: datetime
    end: datetime
    causes: frozenset[Cause]


@dataclass(frozen=True, slots=True)
class Plan:
    """`placed`: booking → machine; `unplaced` find none; `on`: when each machine is on, in order,
    without overlaps, machines that stay off left out."""

    placed: Mapping[int, str] = field(default_factory=dict)
    unplaced: Sequence[int] = ()
    on: Mapping[str, Sequence[OnTime]] = field(default_factory=dict)
