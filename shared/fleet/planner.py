"""Which machine carries which booking, and when each is on. Pure: the same input, in any order,
gives the same plan; and a plan of what has been planned changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from shared.fleet.assignment import assign
from shared.fleet.models import EPOCH
from shared.fleet.ontime import Piece, Reserve, joined, warmed
from shared.fleet.packing import NOWHERE, Job, Machine, Terms
from shared.fleet.policy import Carrier, Cause, Load, OnTime, Plan, Policy

_MICROSECOND = timedelta(microseconds=1)
_CARRIES = frozenset({Cause.BOOKINGS})
_HELD = frozenset({Cause.HOLD})


def plan(
    loads: Collection[Load],
    carriers: Sequence[Carrier],
    policy: Policy,
    *,
    quick: bool = False,
) -> Plan:
    """Spends as few machine-hours as it finds out quickly; docs/developer.md has the figures.

    A booking leaves its machine only to make room or where that spares more than a few minutes of
    a machine. Where capacity is short, those that start earlier are placed. On spot machines there
    are never bookings that the standard ones could not take over, whatever happens at that moment.

    `quick`: for who plans again each minute. All that have a machine stay there, and the others get
    the best place as they come, earlier starts first; more is done only when one finds none.
    """
    terms = Terms(_whole(policy.lead), _whole(policy.margin), _whole(policy.bridge))
    by_name = {c.name: c for c in carriers}
    pools: dict[int, list[Load]] = {c.pool: [] for c in carriers}
    placed: dict[int, str] = {}
    on: dict[str, Sequence[OnTime]] = {}
    for load in loads:
        # A running call counts where it is, in whichever pool.
        pool = by_name[load.vm].pool if load.pinned and load.vm in by_name else load.pool
        pools.setdefault(pool, []).append(load)
    for number, inside in pools.items():
        pool_of = _Pool(inside, [c for c in carriers if c.pool == number], policy, terms)
        placed |= pool_of.place(quick=quick)
        on |= pool_of.on_time()
    order = sorted(loads, key=lambda load: (load.start, load.booking_id))
    unplaced = [load.booking_id for load in order if load.booking_id not in placed]
    return Plan(placed, unplaced, dict(sorted(on.items())))


class _Pool:
    def __init__(
        self,
        loads: Sequence[Load],
        carriers: Sequence[Carrier],
        policy: Policy,
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

    def _machine(self, carrier: Carrier) -> Machine:
        busy = [self._as_booking(_at(h.start), _at(h.end)) for h in carrier.holds]
        if _needed(carrier):
            needed = _at(carrier.needed_until)
            busy.append((needed - 1, needed))
        usable = self.policy.spot or not carrier.spot
        closed = _at(carrier.closed)
        return Machine(
            carrier.name,
            carrier.capacity,
            carrier.on,
            carrier.spot,
            usable,
            closed,
            busy,
            carrier.failures,
        )

    def _as_booking(self, start: int, end: int) -> tuple[int, int]:
        """A booking that would keep a machine on for that time, or the end of it."""
        last = end - self.terms.margin
        return min(start + self.terms.lead, last - 1), last

    def _home(self, load: Load) -> int:
        """NOWHERE also where it may not be."""
        home = self.index.get(load.vm, NOWHERE)
        if home == NOWHERE or load.pinned:
            return home
        machine = self.machines[home]
        return home if machine.usable and _at(load.start) >= machine.closed else NOWHERE

    def place(self, *, quick: bool) -> dict[int, str]:
        placed: dict[int, str] = {}
        if not self.machines:
            return placed
        for first, last in self._stretches():
            jobs, homes = self.jobs[first:last], self.homes[first:last]
            order = self._order(jobs, first == 0)
            where = assign(jobs, homes, self.machines, order, self.terms, quick=quick)
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

        def rank(number: int) -> tuple[bool, bool, bool, int, int, int]:
            m = self.machines[number]
            idle = not any(start < until and since < end for start, end in m.busy)
            return not m.spot, idle, not (soonest and m.on), m.failures, -m.capacity, number

        usable = (number for number, m in enumerate(self.machines) if m.usable)
        return sorted(usable, key=rank)

    def on_time(self) -> dict[str, list[OnTime]]:
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

    def _pieces(self, carrier: Carrier, jobs: Sequence[Job]) -> Iterator[Piece]:
        lead, margin = self.terms.lead, self.terms.margin
        for job in jobs:
            yield Piece(job.start - lead, job.end + margin, _CARRIES)
        for hold in carrier.holds:
            yield Piece(_at(hold.start), _at(hold.end), _HELD)
        if _needed(carrier):
            needed = _at(carrier.needed_until)
            yield Piece(needed, needed + margin, _CARRIES)


def _job(load: Load) -> Job:
    start = _at(load.start)
    return Job(load.booking_id, start, max(_at(load.end), start + 1), load.pinned)


def _needed(carrier: Carrier) -> bool:
    """Whether it is on for the margin after a booking. One that is off is not started for that."""
    return carrier.on and carrier.needed_until > EPOCH


def _at(moment: datetime) -> int:
    return (moment - EPOCH) // _MICROSECOND


def _whole(duration: timedelta) -> int:
    return duration // _MICROSECOND


def _told(piece: Piece) -> OnTime:
    start, end = (EPOCH + p * _MICROSECOND for p in (piece.start, piece.end))
    return OnTime(start, end, piece.causes)
