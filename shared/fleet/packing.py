"""Bookings on machines during one stretch of time: what fits, and what on-time it takes.

Times are whole microseconds here, cut into segments at the bookings' starts and ends. How much of a
machine is taken is a list with a number for each segment, so that whether a booking fits is the
maximum of a slice.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

NOWHERE = -1


@dataclass(frozen=True, slots=True)
class Terms:
    lead: int
    margin: int
    bridge: int

    @property
    def gap(self) -> int:
        """A machine that carries nothing for so long is off in between."""
        return self.lead + self.margin + self.bridge


@dataclass(frozen=True, slots=True)
class Job:
    """A booking. `home` is the machine that it is on (its place in the list), or NOWHERE."""

    booking_id: int
    start: int
    end: int
    home: int = NOWHERE
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """`usable`: bookings that are not pinned may be put there. `busy`: when it is on anyhow, as if
    a booking of that time were on it."""

    name: str
    capacity: int
    on: bool
    spot: bool
    usable: bool
    closed: int
    busy: Sequence[tuple[int, int]]


class Packing:
    """Which job of a stretch is on which machine (`where`), and what each machine has left.

    Jobs and machines are named by their places in the lists. `spot_ok` says for each job whether it
    may be on a spot machine.
    """

    def __init__(self, jobs: Sequence[Job], machines: Sequence[Machine], terms: Terms) -> None:
        self.jobs, self.machines, self.terms = jobs, machines, terms
        since = min(job.start for job in jobs) - terms.gap
        until = max(job.end for job in jobs) + terms.gap
        extra = [_clipped(m.busy, since, until) for m in machines]
        points = {p for job in jobs for p in (job.start, job.end)}
        points.update(p for pieces in extra for piece in pieces for p in piece)
        self.points = sorted(points)
        index = {p: k for k, p in enumerate(self.points)}
        self.first = [index[job.start] for job in jobs]
        self.last = [index[job.end] for job in jobs]
        self.segments = len(self.points) - 1
        self.used = [[0] * self.segments for _ in machines]
        # One list for both, where a machine is on for its jobs alone: it need be kept up once.
        self.busy = [_base(pieces, index, u) for pieces, u in zip(extra, self.used, strict=True)]
        self.carried: list[list[tuple[int, int]]] = [[] for _ in machines]
        self.where = [NOWHERE] * len(jobs)
        self.spot_ok = [False] * len(jobs)
        self._longest = max(b - a for a, b in zip(self.first, self.last, strict=True))

    def put(self, job: int, machine: int) -> None:
        self.where[job] = machine
        insort(self.carried[machine], (self.first[job], job))
        self._add(job, machine, 1)

    def take(self, job: int) -> int:
        """Off its machine, which is returned."""
        machine, self.where[job] = self.where[job], NOWHERE
        carried = self.carried[machine]
        del carried[bisect_left(carried, (self.first[job], job))]
        self._add(job, machine, -1)
        return machine

    def _add(self, job: int, machine: int, count: int) -> None:
        used, busy = self.used[machine], self.busy[machine]
        a, b = self.first[job], self.last[job]
        used[a:b] = [n + count for n in used[a:b]]
        if busy is not used:
            busy[a:b] = [n + count for n in busy[a:b]]

    def allowed(self, job: int, machine: int) -> bool:
        """Whether it may be put there, if there is room."""
        m = self.machines[machine]
        return m.usable and self.jobs[job].start >= m.closed and (not m.spot or self.spot_ok[job])

    def room(self, job: int, machine: int) -> bool:
        taken = self.used[machine][self.first[job] : self.last[job]]
        return max(taken) < self.machines[machine].capacity

    def fits(self, job: int, machine: int) -> bool:
        return self.room(job, machine) and self.allowed(job, machine)

    def overlapping(self, job: int, machine: int) -> Iterator[int]:
        """The machine's jobs that share a moment with this one."""
        carried, first, last = self.carried[machine], self.first[job], self.last[job]
        low = bisect_left(carried, (first - self._longest,))
        for _, other in carried[low : bisect_left(carried, (last,))]:
            if self.last[other] > first:
                yield other

    def cost(self, job: int, machine: int) -> int:
        """The on-time that the machine would have more with this job, which is not there."""
        return self._worth(self.busy[machine], self.first[job], self.last[job], 0)

    def saving(self, job: int) -> int:
        """The on-time that its machine would have less without this job."""
        return self._worth(self.busy[self.where[job]], self.first[job], self.last[job], 1)

    def _worth(self, busy: list[int], a: int, b: int, floor: int) -> int:
        """The on-time of [a, b) with all segments busy less that with those above `floor`."""
        if min(busy[a:b]) > floor:
            return 0
        before, after = self._gap_before(busy, a), self._gap_after(busy, b)
        full = self.points[b] - self.points[a]
        full += self.terms.lead if before is None else before
        full += self.terms.margin if after is None else after
        return full - self._on_time(busy, a, b, floor, before, after)

    def _gap_before(self, busy: list[int], k: int) -> int | None:
        """To where the machine is busy; None where it is off in between in any case."""
        points, limit = self.points, self.terms.gap
        end = points[k]
        while k > 0 and end - points[k] < limit:
            k -= 1
            if busy[k]:
                gap = end - points[k + 1]
                return gap if gap < limit else None
        return None

    def _gap_after(self, busy: list[int], k: int) -> int | None:
        points, limit = self.points, self.terms.gap
        start = points[k]
        while k < self.segments and points[k] - start < limit:
            if busy[k]:
                return points[k] - start
            k += 1
        return None

    def _on_time(
        self, busy: list[int], a: int, b: int, floor: int, before: int | None, after: int | None
    ) -> int:
        """Of [a, b) and of the gaps on both sides, with the lead and the margin they may need."""
        points, terms = self.points, self.terms
        limit, off = terms.gap, terms.lead + terms.margin
        # None: the machine has not been busy yet, in reach.
        idle_since = None if before is None else points[a] - before
        total = 0
        for k in range(a, b):
            if busy[k] <= floor:
                continue
            if idle_since is None:
                total += terms.lead
            else:
                gap = points[k] - idle_since
                total += gap if gap < limit else off
            idle_since = points[k + 1]
            total += idle_since - points[k]
        if after is None:
            return total if idle_since is None else total + terms.margin
        if idle_since is None:
            return total + terms.lead
        gap = points[b] + after - idle_since
        return total + (gap if gap < limit else off)

    def rename(self, names: Mapping[int, int]) -> None:
        """Each of these machines hands what it carries to that one. They have nothing else on."""
        used, carried = list(self.used), list(self.carried)
        for old, new in names.items():
            self.used[new] = self.busy[new] = used[old]
            self.carried[new] = carried[old]
        self.where = [names.get(m, m) for m in self.where]

    def least(self, capacity: int) -> int:
        """The on-time that all the jobs take at least, on machines that carry so many: as long as
        one of n starts within the lead or has ended within the margin, n / capacity are on."""
        terms, points = self.terms, self.points
        needed = [0] * self.segments
        for used in self.used:
            needed = [n + u for n, u in zip(needed, used, strict=True)]
        spans = [
            (points[k] - terms.lead, points[k + 1] + terms.margin, -(-n // capacity))
            for k, n in enumerate(needed)
            if n
        ]
        return _area_under_highest(spans)

    def total(self) -> int:
        """The on-time of all machines that carry something."""
        used = [busy for busy, here in zip(self.busy, self.carried, strict=True) if here]
        return sum(self._on_time(busy, 0, self.segments, 0, None, None) for busy in used)


def _area_under_highest(spans: Sequence[tuple[int, int, int]]) -> int:
    """Each is a start, an end and a height."""
    changes = [(start, height, 1) for start, _, height in spans]
    changes += [(end, height, -1) for _, end, height in spans]
    changes.sort()
    holding = [0] * (1 + max(height for _, _, height in spans))
    top = area = 0
    at = changes[0][0]
    for moment, height, change in changes:
        area += top * (moment - at)
        at = moment
        holding[height] += change
        top = max(top, height)
        while top and not holding[top]:
            top -= 1
    return area


def _clipped(
    pieces: Sequence[tuple[int, int]], since: int, until: int
) -> Sequence[tuple[int, int]]:
    return [(max(a, since), min(b, until)) for a, b in pieces if a < until and since < b]


def _base(pieces: Sequence[tuple[int, int]], index: dict[int, int], used: list[int]) -> list[int]:
    if not pieces:
        return used
    busy = list(used)
    for start, end in pieces:
        for k in range(index[start], index[end]):
            busy[k] += 1
    return busy
