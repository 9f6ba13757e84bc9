"""Which machine carries which booking, and when each is on. Pure: the same input, in any order,
gives the same plan; and a plan of what has been planned changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.fleet import policy as told
from shared.fleet.assignment import assign
from shared.fleet.models import EPOCH
from shared.fleet.ontime import Piece, Reserve, joined, warmed
from shared.fleet.packing import NOWHERE, Job, Machine, Terms
from shared.platform.intervals import peak

_MICROSECOND = timedelta(microseconds=1)
_CARRIES = frozenset({told.Cause.BOOKINGS})
_HELD = frozenset({told.Cause.HOLD})


def plan(
    loads: Collection[told.Load], carriers: Sequence[told.Carrier], policy: told.Policy
) -> told.Plan:
    """Spends as few machine-hours as it finds out quickly; docs/developer.md has the figures.

    A booking leaves its machine only to make room or where that spares more than a few minutes of
    a machine. Where capacity is short, those that start earlier are placed. On spot machines there
    are never bookings that the standard ones could not take over, whatever happens at that moment.
    """
    terms = Terms(_whole(policy.lead), _whole(policy.margin), _whole(policy.bridge))
    by_name = {c.name: c for c in carriers}
    pools: dict[int, list[told.Load]] = {c.pool: [] for c in carriers}
    placed: dict[int, str] = {}
    on: dict[str, Sequence[told.OnTime]] = {}
    for load in loads:
        # A running call counts where it is, in whichever pool.
        pool = by_name[load.vm].pool if load.pinned and load.vm in by_name else load.pool
        pools.setdefault(pool, []).append(load)
    for number, inside in pools.items():
        pool_of = _Pool(inside, [c for c in carriers if c.pool == number], policy, terms)
        placed |= pool_of.place()
        on |= pool_of.on_time()
    order = sorted(loads, key=lambda load: (load.start, load.booking_id))
    unplaced = [load.booking_id for load in order if load.booking_id not in placed]
    return told.Plan(placed, unplaced, dict(sorted(on.items())))


class _Pool:
    def __init__(
        self,
        loads: Sequence[told.Load],
        carriers: Sequence[told.Carrier],
        policy: told.Policy,
        terms: Terms,
    ) -> None:
        self.carriers = sorted(carriers, key=lambda c: c.name)
        self.policy, self.terms = policy, terms
        self.machines = [self._machine(c) for c in self.carriers]
        self.index = {m.name: n for n, m in enumerate(self.machines)}
        order = sorted(loads, key=lambda load: (load.start, load.booking_id))
        self.jobs = [_job(load) for load in order]
        self.homes = [self._home(load) for load in order]
        self.carried: list[list[Job]] = [[] for _ in self.machines]

    def _machine(self, carrier: told.Carrier) -> Machine:
        busy = [self._as_booking(_at(h.start), _at(h.end)) for h in carrier.holds]
        if _needed(carrier):
            needed = _at(carrier.needed_until)
            busy.append((needed - 1, needed))
        usable = self.policy.spot or not carrier.spot
        closed = _at(carrier.closed)
        return Machine(
            carrier.name, carrier.capacity, carrier.on, carrier.spot, usable, closed, busy
        )

    def _as_booking(self, start: int, end: int) -> tuple[int, int]:
        """A booking that would keep a machine on for that time, or the end of it."""
        last = end - self.terms.margin
        return min(start + self.terms.lead, last - 1), last

    def _home(self, load: told.Load) -> int:
        """NOWHERE also where it may not be."""
        home = self.index.get(load.vm, NOWHERE)
        if home == NOWHERE or load.pinned:
            return home
        machine = self.machines[home]
        return home if machine.usable and _at(load.start) >= machine.closed else NOWHERE

    def place(self) -> dict[int, str]:
        placed: dict[int, str] = {}
        if not self.machines:
            return placed
        for first, last in self._stretches():
            jobs, homes = self.jobs[first:last], self.homes[first:last]
            where = assign(jobs, homes, self.machines, self._order(jobs, first == 0), self.terms)
            for job, machine in zip(jobs, where, strict=True):
                if machine != NOWHERE:
                    placed[job.booking_id] = self.machines[machine].name
                    self.carried[machine].append(job)
        return placed

    def _stretches(self) -> Iterator[tuple[int, int]]:
        """Parted where every machine would be off in between: each is planned by itself."""
        first = until = 0
        for n, job in enumerate(self.jobs):
            if n > first and job.start - until >= self.terms.gap:
                yield first, n
                first = n
            until = max(until, job.end) if n > first else job.end
        if self.jobs:
            yield first, len(self.jobs)

    def _order(self, jobs: Sequence[Job], soonest: bool) -> list[int]:
        """The machines to use, best first: cheap ones, then those that are on, then large ones.
        What is on now says something of the soonest stretch only."""
        since = jobs[0].start - self.terms.gap
        until = max(job.end for job in jobs) + self.terms.gap

        def rank(number: int) -> tuple[bool, bool, bool, int, int]:
            m = self.machines[number]
            idle = not any(start < until and since < end for start, end in m.busy)
            return not m.spot, idle, not (soonest and m.on), -m.capacity, number

        usable = (number for number, m in enumerate(self.machines) if m.usable)
        return sorted(usable, key=rank)

    def on_time(self) -> dict[str, list[told.OnTime]]:
        """After `place`."""
        on = {
            carrier.name: joined(self._pieces(carrier, jobs), self.terms.bridge)
            for carrier, jobs in zip(self.carriers, self.carried, strict=True)
        }
        if self.policy.warm:
            windows = [(_at(w.start), _at(w.end), w.machines) for w in self.policy.warm]
            reserves = [Reserve(m.name, m.on, m.closed) for m in self.machines if not m.spot]
            on = warmed(on, reserves, windows, self.terms.bridge)
        return {name: [_told(piece) for piece in pieces] for name, pieces in on.items() if pieces}

    def _pieces(self, carrier: told.Carrier, jobs: Sequence[Job]) -> Iterator[Piece]:
        lead, margin = self.terms.lead, self.terms.margin
        for job in jobs:
            yield Piece(job.start - lead, job.end + margin, _CARRIES)
        for hold in carrier.holds:
            yield Piece(_at(hold.start), _at(hold.end), _HELD)
        if _needed(carrier):
            needed = _at(carrier.needed_until)
            yield Piece(needed, needed + margin, _CARRIES)


def _job(load: told.Load) -> Job:
    start = _at(load.start)
    return Job(load.booking_id, start, max(_at(load.end), start + 1), load.pinned)


def _needed(carrier: told.Carrier) -> bool:
    """Whether it is on for the margin after a booking. One that is off is not started for that."""
    return carrier.on and carrier.needed_until > EPOCH


def _at(moment: datetime) -> int:
    return (moment - EPOCH) // _MICROSECOND


def _whole(duration: timedelta) -> int:
    return duration // _MICROSECOND


def _told(piece: Piece) -> told.OnTime:
    start, end = (EPOCH + p * _MICROSECOND for p in (piece.start, piece.end))
    return told.OnTime(start, end, piece.causes)


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
