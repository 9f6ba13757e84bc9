"""Bookings on machines during one stretch of time: what fits, and what on-time it takes.

Times are whole microseconds here, cut into segments at the bookings' starts and ends. How much of a
machine is taken is a list with a number for each segment, so that whether a booking fits is the
maximum of a slice.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from copy import copy
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
    """A booking."""

    booking_id: int
    start: int
    end: int
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
    failures: int = 0


class Packing:
    """Which job of a stretch is on which machine (`where`), and what each machine has left.

    Jobs and machines are named by their places in the lists. `homes` are the machines that the jobs
    were on before. `spot_ok` says for each job whether it may be on a spot machine.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        homes: Sequence[int],
        machines: Sequence[Machine],
        terms: Terms,
    ) -> None:
        self.jobs, self.homes, self.machines, self.terms = jobs, homes, machines, terms
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
        # The segments that are near enough to be bridged.
        spans = [(p - terms.gap, p + terms.gap) for p in self.points]
        self._reach_before = [max(bisect_right(self.points, low) - 1, 0) for low, _ in spans]
        self._reach_after = [bisect_left(self.points, high) for _, high in spans]
        self._longest = max(b - a for a, b in zip(self.first, self.last, strict=True))

    def copy(self) -> Packing:
        """One that changes by itself."""
        other = copy(self)
        other.used = [list(used) for used in self.used]
        pairs = zip(self.busy, self.used, other.used, strict=True)
        other.busy = [mine if busy is used else list(busy) for busy, used, mine in pairs]
        other.carried = [list(carried) for carried in self.carried]
        other.where = list(self.where)
        return other

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

    def overlapping(self, job: int, machine: int) -> list[int]:
        """The machine's jobs that share a moment with this one."""
        carried, first, last = self.carried[machine], self.first[job], self.last[job]
        low = bisect_left(carried, (first - self._longest,))
        near = carried[low : bisect_left(carried, (last,))]
        return [other for _, other in near if self.last[other] > first]

    def cost(self, job: int, machine: int) -> int:
        """The on-time that the machine would have more with this job, which is not there."""
        return self._worth(self.busy[machine], self.first[job], self.last[job], 0)

    def saving(self, job: int) -> int:
        """The on-time that its machine would have less without this job."""
        return self._worth(self.busy[self.where[job]], self.first[job], self.last[job], 1)

    def _worth(self, busy: list[int], a: int, b: int, floor: int) -> int:
        """The on-time of [a, b) with all segments busy less that with those above `floor`."""
        inside = busy[a:b]
        if min(inside) > floor:
            return 0
        start, end = self.points[a], self.points[b]
        before, after = self._busy_until(busy, a), self._busy_from(busy, b)
        full = self._between(before, start) + end - start + self._between(end, after)
        total = 0
        if max(inside) > floor:
            total, before = self._on_time(inside, a, floor, before)
        return full - total - self._between(before, after)

    def _between(self, end: int | None, start: int | None) -> int:
        """The on-time after the end of something and before the start of the next; None: there is
        no such thing within reach. A start counts as long as what is bridged to avoid one."""
        terms = self.terms
        if end is None:
            return 0 if start is None else terms.bridge + terms.lead
        if start is None:
            return terms.margin
        return min(start - end, terms.gap)

    def _busy_until(self, busy: list[int], k: int) -> int | None:
        near = busy[self._reach_before[k] : k]
        if not any(near):
            return None
        while not near.pop():
            k -= 1
        return self.points[k]

    def _busy_from(self, busy: list[int], k: int) -> int | None:
        for n in busy[k : self._reach_after[k]]:
            if n:
                return self.points[k]
            k += 1
        return None

    def _on_time(
        self, inside: Sequence[int], k: int, floor: int, before: int | None
    ) -> tuple[int, int | None]:
        """Of the segments from k on, with the gap before each busy one; and until when it is
        busy."""
        points, total = self.points[k : k + len(inside) + 1], 0
        for n, start, end in zip(inside, points, points[1:], strict=False):
            if n > floor:
                total += end - start
                if before != start:
                    total += self._between(before, start)
                before = end
        return total, before

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
        return _under_highest(spans, terms.bridge)

    def total(self) -> int:
        """The on-time of all machines that carry something."""
        total = 0
        for busy, here in zip(self.busy, self.carried, strict=True):
            if here:
                on, until = self._on_time(busy, 0, 0, None)
                total += on + self._between(until, None)
        return total


def _under_highest(spans: Sequence[tuple[int, int, int]], rise: int) -> int:
    """The area under spans (a start, an end, a height), and so much for each step up."""
    changes = [(start, height, 1) for start, _, height in spans]
    changes += [(end, height, -1) for _, end, height in spans]
    holding = [0] * (1 + max(height for _, _, height in spans))
    top = before = total = 0
    at = min(changes)[0]
    for moment, height, change in sorted(changes):
        if moment > at:
            total += top * (moment - at) + rise * max(top - before, 0)
            at, before = moment, top
        holding[height] += change
        top = max(top, height)
        while top and not holding[top]:
            top -= 1
    return total


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
