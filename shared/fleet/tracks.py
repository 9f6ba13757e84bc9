"""A stretch packed from scratch, machine by machine.

A machine of capacity g is g tracks, each a row of bookings of which no two overlap. One track after
the other takes the row that leaves the least idle, which is a shortest path; so the first machine
is as full as can be, and what is left for the last ones is the peaks. A track never idles when all
the others that are left are needed: then as many remain as there are bookings, and everything finds
a place wherever the number of bookings never exceeds the capacity.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise

from shared.fleet.packing import NOWHERE, Packing

NEVER = 1 << 70
"""More than all idle time together, in microseconds."""

Span = tuple[int, int, int]
"""A job's first segment, the one after its last, and the job."""


def pack(packing: Packing, jobs: Sequence[int], order: Sequence[int]) -> list[int]:
    """Puts these jobs on the machines, the first of `order` first. Returns those left over."""
    packer = _Packer(packing, jobs, order)
    for machine in order:
        if packer.left:
            packer.fill(machine)
    return packer.left


class _Packer:
    """`left` are the jobs without a machine, by their ends. For each segment, `waiting` is how many
    of those there are, and `room` what the machines that have not been filled can take: `spare`
    everywhere, on those that carry nothing yet, and `room` on the others."""

    def __init__(self, packing: Packing, jobs: Sequence[int], order: Sequence[int]) -> None:
        self.packing = packing
        points = packing.points
        self.widths = [b - a for a, b in pairwise(points)]
        self.left = sorted(jobs, key=lambda j: (packing.last[j], packing.first[j], j))
        change = [0] * len(points)
        for j in jobs:
            change[packing.first[j]] += 1
            change[packing.last[j]] -= 1
        self.waiting = list(accumulate(change))[:-1]
        self.spare, self.room = 0, [0] * packing.segments
        for machine in order:
            self._make_room(machine, 1)

    def _make_room(self, machine: int, sign: int) -> None:
        capacity, used = self.packing.machines[machine].capacity, self.packing.used[machine]
        if not any(used):
            self.spare += sign * capacity
            return
        free = [sign * (capacity - u) if u < capacity else 0 for u in used]
        self.room = [n + f for n, f in zip(self.room, free, strict=True)]

    def fill(self, machine: int) -> None:
        packing = self.packing
        self._make_room(machine, -1)
        capacity, shared = packing.machines[machine].capacity, any(packing.used[machine])
        may = [j for j in self.left if packing.allowed(j, machine)]
        spans = [(packing.first[j], packing.last[j], j) for j in may]
        idle = self._idle(machine)
        for _ in range(capacity):
            if shared:
                spans = [span for span in spans if packing.room(span[2], machine)]
            row = set(_row(spans, idle))
            if not row:
                break
            for _, _, j in sorted(row):
                self._put(j, machine)
            spans = [span for span in spans if span not in row]
        self.left = [j for j in self.left if packing.where[j] == NOWHERE]

    def _put(self, job: int, machine: int) -> None:
        packing, waiting = self.packing, self.waiting
        packing.put(job, machine)
        a, b = packing.first[job], packing.last[job]
        waiting[a:b] = [n - 1 for n in waiting[a:b]]

    def _idle(self, machine: int) -> list[int]:
        """What it costs, from the first segment up to each point, when a track idles all the time.

        Its time; more where it would take another machine; and NEVER where there is none. It holds
        for all tracks of a machine, as what one takes has its place and waits no longer. Where
        nothing waits or the machine is full it does not matter.
        """
        capacity, used = self.packing.machines[machine].capacity, self.packing.used[machine]
        dear, room = capacity + 1, self.spare + capacity
        columns = zip(self.widths, self.waiting, self.room, used, strict=True)
        costs = [
            NEVER
            if n + u >= r + room
            # When those that wait share the fewest machines, the others are full.
            else w * dear
            if n + u >= (n - 1) // capacity * capacity + capacity
            else w
            for w, n, r, u in columns
        ]
        return list(accumulate(costs, initial=0))


def _row(spans: Sequence[Span], idle: Sequence[int]) -> list[Span]:
    """Of these, sorted by their ends, those without overlaps that spare the most."""
    ends, best = [0], [0]
    trail: list[tuple[Span, int]] = [((0, 0, NOWHERE), 0)]
    top = 0
    for span in spans:
        a, b, _ = span
        before = bisect_right(ends, a) - 1
        value = best[before] + idle[b] - idle[a]
        if value <= top:
            continue
        top = value
        if ends[-1] == b:
            best[-1], trail[-1] = value, (span, before)
        else:
            ends.append(b)
            best.append(value)
            trail.append((span, before))
    row = []
    at = len(ends) - 1
    while at:
        span, at = trail[at]
        row.append(span)
    return row
