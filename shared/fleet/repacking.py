"""A packing made better step by step: a booking moves to another machine, or two change places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.fleet.packing import NOWHERE, Packing

_MINUTE = 60 * 1_000_000
MOVE = 10 * _MINUTE
"""The on-time that moving a booking must spare, in microseconds: people hold its links already."""
LITTLE = _MINUTE
"""What is not worth the search."""
PASSES = 3
BUDGET = 300
"""Looks at another machine or job, and a quarter as many as there are jobs. More find little more:
those that spare most come first."""


def insert(packing: Packing, job: int, order: Sequence[int]) -> bool:
    """Where it takes the least on-time, the first of `order` among equals. False: nowhere."""
    fitting = [m for m in order if packing.fits(job, m)]
    if fitting:
        packing.put(job, min(fitting, key=lambda m: packing.cost(job, m)))
    return bool(fitting)


def improve(packing: Packing, jobs: Sequence[int], order: Sequence[int]) -> None:
    """Moves of these jobs, those that spare most first, until none spares anything that is worth
    the search."""
    improver = _Improver(packing, frozenset(jobs), order)
    for _ in range(PASSES):
        gains = [(-improver.gain(j), j) for j in jobs if improver.hopeful(j)]
        if not sum(improver.better(j) for gain, j in sorted(gains) if gain < 0):
            return


class _Improver:
    def __init__(self, packing: Packing, jobs: frozenset[int], order: Sequence[int]) -> None:
        self.packing, self.jobs, self.order = packing, jobs, order
        self.budget = BUDGET + len(jobs) // 4

    def hopeful(self, job: int) -> bool:
        """Whether there can be a gain: the quick question, for all."""
        packing = self.packing
        here = packing.where[job]
        if here == NOWHERE:
            return False
        if packing.homes[job] not in (here, NOWHERE):
            return True
        return min(packing.busy[here][packing.first[job] : packing.last[job]]) == 1

    def gain(self, job: int) -> int:
        """What it could spare at most, elsewhere."""
        packing = self.packing
        here = packing.where[job]
        return packing.saving(job) + self._away(job, here) - self._leaving(job) - LITTLE

    def better(self, job: int) -> bool:
        """Moves it to where that spares the most, or exchanges it. False: it stays."""
        packing = self.packing
        here = packing.where[job]
        gain = self.gain(job)
        if gain <= 0 or self.budget < 0:
            return False
        extra = self._leaving(job)
        costs = {
            m: packing.cost(job, m) + self._away(job, m) - extra for m in self._others(job, here)
        }
        self.budget -= len(costs)
        cheaper = [m for m, cost in costs.items() if cost < gain]
        fitting = [m for m in cheaper if packing.room(job, m)]
        if fitting:
            packing.take(job)
            packing.put(job, min(fitting, key=lambda m: costs[m]))
            return True
        return any(
            self._exchange(job, other)
            for m in cheaper
            for other in self._movable(job, m, here)
            if self._worse(other, m, here) < gain - costs[m]
        )

    def _others(self, job: int, here: int) -> Iterator[int]:
        """Where it may be instead. Of the machines without anything one is enough."""
        packing, empty = self.packing, False
        for m in self.order:
            if m == here or not packing.allowed(job, m):
                continue
            if packing.carried[m] or not empty:
                yield m
            empty = empty or not packing.carried[m]

    def _worse(self, job: int, there: int, here: int) -> int:
        """About what it costs to bring it from there."""
        return self._away(job, here) - self._away(job, there) + self.packing.cost(job, here)

    def _leaving(self, job: int) -> int:
        """What any move costs."""
        return MOVE if self.packing.where[job] == self.packing.homes[job] else 0

    def _away(self, job: int, machine: int) -> int:
        home = self.packing.homes[job]
        return 0 if home in (NOWHERE, machine) else MOVE

    def _movable(self, job: int, machine: int, here: int) -> Iterator[int]:
        """The jobs of that machine that could change places with this one."""
        packing = self.packing
        for other in packing.overlapping(job, machine):
            self.budget -= 1
            if self.budget < 0:
                return
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
        if spared > LITTLE:
            return True
        packing.take(one)
        packing.take(other)
        packing.put(one, here)
        packing.put(other, there)
        return False
