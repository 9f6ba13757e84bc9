"""Which machine carries which job of one stretch: as few moved as reason allows, little on-time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.fleet import repacking, tracks
from shared.fleet.packing import NOWHERE, Job, Machine, Packing, Terms


def assign(
    jobs: Sequence[Job], machines: Sequence[Machine], order: Sequence[int], terms: Terms
) -> list[int]:
    """The machine of each job, or NOWHERE. Jobs are sorted by their starts; the machines that are
    first in `order` are preferred.

    Repeated until nothing changes: so a plan of what has been planned is the same.
    """
    while True:
        where = _Round(jobs, machines, order, terms).best()
        settled = all(m == job.home for job, m in zip(jobs, where, strict=True) if m != NOWHERE)
        if settled:
            return where
        jobs = [replace(job, home=m) for job, m in zip(jobs, where, strict=True)]


@dataclass(slots=True)
class _Admission:
    """`jobs`: those for which there is capacity, earlier starts first; `fixed`: the pinned ones."""

    fixed: list[int]
    jobs: list[int]
    spot_ok: list[bool]


class _Round:
    def __init__(
        self, jobs: Sequence[Job], machines: Sequence[Machine], order: Sequence[int], terms: Terms
    ) -> None:
        self.jobs, self.machines, self.order, self.terms = jobs, machines, order, terms
        self.admitted = self._admit(Packing(jobs, machines, terms))

    def best(self) -> list[int]:
        """Staying is tried first, and a fresh start only when that leaves something to wish."""
        kept = None
        if any(self.jobs[j].home != NOWHERE for j in self.admitted.jobs):
            kept = self._kept()
            if self._good(kept):
                return kept.where
        fresh = self._fresh()
        if self._missing(fresh) and (kept is None or self._missing(kept)):
            by_start = self._by_start()
            fresh = min(fresh, by_start, key=self._score)
        return min(kept or fresh, fresh, key=self._score).where

    def _admit(self, packing: Packing) -> _Admission:
        fixed = [j for j, job in enumerate(self.jobs) if job.pinned and job.home != NOWHERE]
        for j in fixed:
            packing.put(j, self.jobs[j].home)
        free, on_spot = _free(packing)
        jobs = []
        for j, (a, b) in enumerate(zip(packing.first, packing.last, strict=True)):
            if packing.where[j] == NOWHERE and min(free[a:b]) > 0:
                free[a:b] = [n - 1 for n in free[a:b]]
                jobs.append(j)
        spare = [n - taken for n, taken in zip(free, on_spot, strict=True)]
        pairs = zip(packing.first, packing.last, strict=True)
        return _Admission(fixed, jobs, [min(spare[a:b]) >= 0 for a, b in pairs])

    def _start(self) -> Packing:
        packing = Packing(self.jobs, self.machines, self.terms)
        packing.spot_ok = self.admitted.spot_ok
        for j in self.admitted.fixed:
            packing.put(j, self.jobs[j].home)
        return packing

    def _kept(self) -> Packing:
        packing = self._start()
        rest = []
        for j in self.admitted.jobs:
            home = self.jobs[j].home
            if home != NOWHERE and packing.fits(j, home):
                packing.put(j, home)
            else:
                rest.append(j)
        return self._inserted(packing, rest)

    def _by_start(self) -> Packing:
        return self._inserted(self._start(), self.admitted.jobs)

    def _fresh(self) -> Packing:
        packing = self._start()
        left = tracks.pack(packing, self.admitted.jobs, self.order)
        if any(job.home != NOWHERE for job in self.jobs):
            _relabel(packing)
        return self._inserted(packing, sorted(left))

    def _inserted(self, packing: Packing, jobs: Sequence[int]) -> Packing:
        for j in jobs:
            repacking.insert(packing, j, self.order)
        repacking.improve(packing, self.admitted.jobs, self.order)
        return packing

    def _missing(self, packing: Packing) -> int:
        return sum(packing.where[j] == NOWHERE for j in self.admitted.jobs)

    def _moved(self, packing: Packing) -> int:
        pairs = zip(self.jobs, packing.where, strict=True)
        return sum(job.home not in (NOWHERE, m) for job, m in pairs)

    def _score(self, packing: Packing) -> tuple[int, int]:
        moves = self._moved(packing) * repacking.MOVE
        return self._missing(packing), packing.total() + moves

    def _good(self, packing: Packing) -> bool:
        """Nothing is without a machine, and a fresh start could not spare much."""
        if self._missing(packing):
            return False
        most = max((self.machines[m].capacity for m in self.order), default=1)
        return packing.total() * 100 <= packing.least(most) * GOOD


GOOD = 103
"""Percent of what the machines are on at least."""


def _free(packing: Packing) -> tuple[list[int], list[int]]:
    """For each segment: what the standard machines can still take, and what spot machines have."""
    free, on_spot = [0] * packing.segments, [0] * packing.segments
    for machine, used in zip(packing.machines, packing.used, strict=True):
        if machine.spot:
            on_spot = [n + u for n, u in zip(on_spot, used, strict=True)]
            continue
        columns = zip(free, used, packing.points, strict=False)
        free = [
            n + machine.capacity - u if u < machine.capacity and at >= machine.closed else n
            for n, u, at in columns
        ]
    return free, on_spot


def _relabel(packing: Packing) -> None:
    """Machines that are alike change their contents, so that more bookings are at home."""
    alike: dict[object, list[int]] = {}
    start = packing.points[0]
    pinned = {packing.where[j] for j, job in enumerate(packing.jobs) if job.pinned}
    for m, machine in enumerate(packing.machines):
        if m not in pinned and machine.usable and packing.busy[m] is packing.used[m]:
            kind = (machine.capacity, machine.spot, max(machine.closed, start))
            alike.setdefault(kind, []).append(m)
    pairs = zip(packing.where, (job.home for job in packing.jobs), strict=True)
    matches = Counter(pair for pair in pairs if NOWHERE not in pair)
    names: dict[int, int] = {}
    for group in alike.values():
        names |= _matched(group, matches)
    packing.rename(names)


def _matched(group: Sequence[int], matches: Counter[tuple[int, int]]) -> dict[int, int]:
    inside = [(-n, old, new) for (old, new), n in matches.items() if old in group and new in group]
    names: dict[int, int] = {}
    for _, old, new in sorted(inside):
        if old not in names and new not in names.values():
            names[old] = new
    left = iter(m for m in group if m not in names.values())
    return names | {old: next(left) for old in group if old not in names}
