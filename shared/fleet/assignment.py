"""Which machine carries which job of one stretch: as few moved as reason allows, little on-time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from shared.fleet import repacking, tracks
from shared.fleet.packing import NOWHERE, Job, Machine, Packing, Terms


def assign(
    jobs: Sequence[Job],
    homes: Sequence[int],
    machines: Sequence[Machine],
    order: Sequence[int],
    terms: Terms,
    *,
    quick: bool = False,
) -> list[int]:
    """The machine of each job, or NOWHERE. Jobs are sorted by their starts; `homes` is where they
    are now; the machines that are first in `order` are preferred.

    Repeated until nothing changes: so a plan of what has been planned is the same. With `quick`
    each gets the best place as it comes; only if one finds none is more tried.
    """
    empty = Packing(jobs, homes, machines, terms)
    round_ = _Round(empty, homes, order)
    if quick and (found := round_.as_they_come()):
        return found.where
    while True:
        found = round_.best()
        if all(m in (NOWHERE, home) for home, m in zip(homes, found.where, strict=True)):
            return found.where
        homes = list(found.where)
        if _fixed(empty.jobs, homes) == round_.fixed:
            round_.go_on(found)
        else:
            round_ = _Round(empty, homes, order)


def _fixed(jobs: Sequence[Job], homes: Sequence[int]) -> list[int]:
    return [j for j, job in enumerate(jobs) if job.pinned and homes[j] != NOWHERE]


class _Round:
    def __init__(self, empty: Packing, homes: Sequence[int], order: Sequence[int]) -> None:
        self.homes, self.order, self.machines = homes, order, empty.machines
        self.fixed = _fixed(empty.jobs, homes)
        self.begin = empty.copy()
        self.begin.homes = homes
        for j in self.fixed:
            self.begin.put(j, homes[j])
        self.admitted = self._admit(self.begin)
        self._found: Packing | None = None
        self._from_nothing: list[int] = []

    def go_on(self, found: Packing) -> None:
        """From what the last round found, as if that were where the jobs are. Nothing has to be
        done again that would be the same."""
        self.homes = self.begin.homes = found.homes = list(found.where)
        self._found = None if self._missing(found) else found

    def best(self) -> Packing:
        """Staying is tried first, and a fresh start only when that leaves something to wish."""
        kept = None
        if any(self.homes[j] != NOWHERE for j in self.admitted):
            kept = self._kept()
            if self._good(kept):
                return kept
        fresh = self._fresh()
        if self._missing(fresh) and (kept is None or self._missing(kept)):
            fresh = min(fresh, self._by_start(), key=self._score)
        return min(kept, fresh, key=self._score) if kept else fresh

    def _admit(self, packing: Packing) -> list[int]:
        """Those for which there is capacity, earlier starts first; and tells which of them could
        be taken over when they are on spot machines."""
        free, on_spot = _free(packing)
        spans = list(zip(packing.first, packing.last, strict=True))
        admitted = []
        for j, (a, b) in enumerate(spans):
            if packing.where[j] == NOWHERE and min(free[a:b]) > 0:
                free[a:b] = [n - 1 for n in free[a:b]]
                admitted.append(j)
        spare = [n - taken for n, taken in zip(free, on_spot, strict=True)]
        packing.spot_ok = [min(spare[a:b]) >= 0 for a, b in spans]
        return admitted

    def as_they_come(self) -> Packing | None:
        """Those that have a home stay there; None when one finds no place."""
        packing, rest = self._stayed()
        for j in rest:
            repacking.insert(packing, j, self.order)
        return None if self._missing(packing) else packing

    def _kept(self) -> Packing:
        if self._found:
            return self._inserted(self._found, [])
        return self._inserted(*self._stayed())

    def _stayed(self) -> tuple[Packing, list[int]]:
        """And those that could not."""
        packing = self.begin.copy()
        rest = []
        for j in self.admitted:
            home = self.homes[j]
            if home != NOWHERE and packing.fits(j, home):
                packing.put(j, home)
            else:
                rest.append(j)
        return packing, rest

    def _by_start(self) -> Packing:
        return self._inserted(self.begin.copy(), self.admitted)

    def _fresh(self) -> Packing:
        packing = self.begin.copy()
        if self._from_nothing:
            for j in self.admitted:
                if self._from_nothing[j] != NOWHERE:
                    packing.put(j, self._from_nothing[j])
        else:
            tracks.pack(packing, self.admitted, self.order)
            self._from_nothing = list(packing.where)
        if any(home != NOWHERE for home in self.homes):
            _relabel(packing)
        return self._inserted(packing, [j for j in self.admitted if packing.where[j] == NOWHERE])

    def _inserted(self, packing: Packing, jobs: Sequence[int]) -> Packing:
        for j in jobs:
            repacking.insert(packing, j, self.order)
        repacking.improve(packing, self.admitted, self.order)
        return packing

    def _missing(self, packing: Packing) -> int:
        return sum(packing.where[j] == NOWHERE for j in self.admitted)

    def _score(self, packing: Packing) -> tuple[int, int]:
        pairs = zip(self.homes, packing.where, strict=True)
        moved = sum(home not in (NOWHERE, m) for home, m in pairs)
        return self._missing(packing), packing.total() + moved * repacking.MOVE

    def _good(self, packing: Packing) -> bool:
        """Nothing is without a machine, and a fresh start could not spare much."""
        if self._missing(packing):
            return False
        most = max((self.machines[m].capacity for m in self.order), default=1)
        return packing.total() * 100 <= packing.least(most) * GOOD


GOOD = 105
"""Percent of what the machines are on at least."""


def _free(packing: Packing) -> tuple[list[int], list[int]]:
    """For each segment: what the standard machines can still take, and what spot machines have."""
    free, on_spot = [0] * packing.segments, [0] * packing.segments
    empty = 0
    for machine, used in zip(packing.machines, packing.used, strict=True):
        if not machine.spot and machine.closed <= packing.points[0] and not any(used):
            empty += machine.capacity
            continue
        if machine.spot:
            on_spot = [n + u for n, u in zip(on_spot, used, strict=True)]
            continue
        columns = zip(free, used, packing.points, strict=False)
        free = [
            n + machine.capacity - u if u < machine.capacity and at >= machine.closed else n
            for n, u, at in columns
        ]
    return [n + empty for n in free], on_spot


def _relabel(packing: Packing) -> None:
    """Machines that are alike change their contents, so that more bookings are at home."""
    alike: dict[object, list[int]] = {}
    start = packing.points[0]
    pinned = {packing.where[j] for j, job in enumerate(packing.jobs) if job.pinned}
    for m, machine in enumerate(packing.machines):
        if m not in pinned and machine.usable and packing.busy[m] is packing.used[m]:
            kind = (machine.capacity, machine.spot, max(machine.closed, start))
            alike.setdefault(kind, []).append(m)
    pairs = zip(packing.where, packing.homes, strict=True)
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
