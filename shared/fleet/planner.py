"""Which machine carries which booking. Pure: the same input gives the same plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.platform.intervals import peak


@dataclass(frozen=True, slots=True)
class Load:
    """A booking that needs a machine during [start, end). `pinned` to where it is: its call is
    running, or could be at any moment."""

    booking_id: int
    start: datetime
    end: datetime
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Carrier:
    """A machine that can be used; `on` when it runs already, which makes it preferred."""

    name: str
    capacity: int
    on: bool


def place(
    loads: Collection[Load], carriers: Sequence[Carrier], current: Mapping[int, str]
) -> dict[int, str]:
    """booking → machine. A booking that is missing in the answer finds no place.

    Bookings stay where they are. Only when one would find no place are those moved that may be:
    taken in the order of their starts, an interval set that fits the pool fits its machines.
    """
    known = {c.name for c in carriers}
    kept = {n: vm for n, vm in current.items() if vm in known}
    plan = _fill(loads, carriers, kept)
    if len(plan) < len(loads):
        pinned = {load.booking_id for load in loads if load.pinned}
        moved = _fill(loads, carriers, {n: vm for n, vm in kept.items() if n in pinned})
        plan = moved if len(moved) > len(plan) else plan
    return plan


def _fill(
    loads: Iterable[Load], carriers: Sequence[Carrier], fixed: Mapping[int, str]
) -> dict[int, str]:
    order = sorted(loads, key=lambda load: (load.start, load.booking_id))
    carried: dict[str, list[Load]] = {c.name: [] for c in carriers}
    plan = {load.booking_id: fixed[load.booking_id] for load in order if load.booking_id in fixed}
    for load in order:
        if load.booking_id in plan:
            carried[plan[load.booking_id]].append(load)
    for load in order:
        if load.booking_id in plan:
            continue
        best = _best(load, carriers, carried)
        if best:
            plan[load.booking_id] = best
            carried[best].append(load)
    return plan


def _best(
    load: Load, carriers: Sequence[Carrier], carried: Mapping[str, Sequence[Load]]
) -> str | None:
    """A running machine before one that is off, a fuller one before an emptier."""
    fits = [c for c in carriers if peak(carried[c.name], load.start, load.end) < c.capacity]
    fits.sort(key=lambda c: (not (c.on or carried[c.name]), -len(carried[c.name]), c.name))
    return fits[0].name if fits else None
