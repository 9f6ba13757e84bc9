"""A packing made better step by step: a booking moves to another machine, or two change places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.fleet.packing import NOWHERE, Packing

MOVE = 10 * 60 * 1_000_000
"""The on-time that moving a booking must spare, in microseconds: people hold its links already."""
PASSES = 8
LITTLE = 0


def insert(packing: Packing, job: int, order: Sequence[int]) -> bool:
    """Where it takes the least on-time, the first of `order` among equals. False: nowhere."""
    fitting = [m for m in order if packing.fits(job, m)]
    if fitting:
        packing.put(job, min(fitting, key=lambda m: packing.cost(job, m)))
    return bool(fitting)


def improve(packing: Packing, jobs: Sequence[int], order: Sequence[int]) -> None:
    """Moves of these jobs, until none spares anything."""
    improver = _Improver(packing, frozenset(jobs), order)
    short_first = sorted(jobs, key=lambda j: (packing.last[j] - packing.first[j], j))
    for _ in range(PASSES):
        if not sum(improver.better(j) for j in short_first):
            return


class _Improver:
    def __init__(self, packing: Packing, jobs: frozenset[int], order: Sequence[int]) -> None:
        self.packing, self.jobs, self.order = packing, jobs, order

    def better(self, job: int) -> bool:
        """Moves it to where that spares the most, or exchanges it. False: it stays."""
        packing = self.packing
        here = packing.where[job]
        if here == NOWHERE:
            return False
        gain = packing.saving(job) + self._away(job, here)
        if gain <= LITTLE:
            return False
        costs = {m: packing.cost(job, m) + self._away(job, m) for m in self._others(job, here)}
        cheaper = [m for m, cost in costs.items() if cost < gain - LITTLE]
        fitting = [m for m in cheaper if packing.room(job, m)]
        if fitting:
            packing.take(job)
            packing.put(job, min(fitting, key=lambda m: costs[m]))
            return True
        return any(
            self._exchange(job, other)
            for m in cheaper
            for other in list(self._movable(job, m, here))
            if self._away(other, here) + packing.cost(other, here)
            < gain - costs[m] - LITTLE + self._away(other, m)
        )

    def _others(self, job: int, here: int) -> Iterator[int]:
        return (m for m in self.order if m != here and self.packing.allowed(job, m))

    def _away(self, job: int, machine: int) -> int:
        home = self.packing.jobs[job].home
        return 0 if home in (NOWHERE, machine) else MOVE

    def _movable(self, job: int, machine: int, here: int) -> Iterator[int]:
        """The jobs of that machine that could change places with this one."""
        packing = self.packing
        for other in packing.overlapping(job, machine):
            if other not in self.jobs or not packing.allowed(other, here):
                continue
            if self._frees(other, job, machine) and self._frees(job, other, here):
                yield other

    def _frees(self, leaving: int, coming: int, machine: int) -> bool:
        """Whether one finds room when the other has left."""
        packing = self.packing
        capacity = packing.machines[machine].capacity
        a, b = packing.first[coming], packing.last[coming]
        c, d = packing.first[leaving], packing.last[leaving]
        used = packing.used[machine]
        if max(used[a:b]) > capacity:
            return False
        return (a >= c or max(used[a : min(b, c)]) < capacity) and (
            b <= d or max(used[max(a, d) : b]) < capacity
        )

    def _exchange(self, one: int, other: int) -> bool:
        """Unless it spares nothing: then all stays as it was."""
        packing = self.packing
        here, there = packing.where[one], packing.where[other]
        spared = packing.saving(one) + self._away(one, here) - self._away(one, there)
        spared += self._away(other, there) - self._away(other, here)
        packing.take(one)
        spared += packing.saving(other)
        packing.take(other)
        spared -= packing.cost(one, there)
        packing.put(one, there)
        spared -= packing.cost(other, here)
        packing.put(other, here)
        if spared > 0:
            return True
        packing.take(one)
        packing.take(other)
        packing.put(one, here)
        packing.put(other, there)
        return False
