"""Reads the ledger for an interval, with what lies around it and decides who pays for its edges."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from shared.fleet.ledger import Carriage, Stretch
from shared.fleet.models import Fleet
from shared.fleet.store import FleetStore
from shared.platform.clock import Clock
from shared.platform.waiting import spread
from shared.reports.calls import CallTimes, Session
from shared.reports.periods import seconds
from shared.reports.runs import Book, Run, runs

if TYPE_CHECKING:
    from shared.platform.settings import Settings

T = TypeVar("T")

WEEK = timedelta(days=7)

SLICE = timedelta(days=5)
"""What one query reads."""

AT_ONCE = 4
"""Slices side by side: the loop turns rows into objects, and others wait while it does."""

FARTHEST = timedelta(days=64)
"""How far around the interval is looked for the beginning and the end of a run: a machine that is
on for longer is split as if it had begun there."""


@dataclass(frozen=True, slots=True)
class Reading:
    """All that a report of an interval needs; `at` is when it was read."""

    at: datetime
    book: Book
    carriages: Sequence[Carriage]
    sessions: Sequence[Session]
    regions: dict[str, str]
    """By machine."""

    def tenants(self) -> dict[int, str]:
        """By booking."""
        found = {one.booking_id: one.tenant for one in self.sessions}
        return found | {one.booking_id: one.tenant for one in self.carriages}

    def times(self) -> dict[int, tuple[datetime, datetime]]:
        """By booking: from when until when machines carried it. Both are the same of one that
        never began; where another machine was to carry it before that counts for nothing."""
        found: dict[int, tuple[datetime, datetime]] = {}
        for one in sorted(self.carriages, key=lambda c: (c.start >= c.end, c.start)):
            start, end = found.get(one.booking_id, (one.start, one.end))
            found[one.booking_id] = (start, max(end, one.end) if one.start < one.end else end)
        return found


class LedgerReader:
    def __init__(
        self, store: FleetStore, calls: CallTimes, settings: Settings, clock: Clock
    ) -> None:
        self._store = store
        self._calls = calls
        self._settings = settings
        self._clock = clock

    async def read(self, since: datetime, until: datetime) -> Reading:
        """Raises `StorageUnavailable`."""
        now, pool = self._clock.now(), self._settings.pool
        # What goes on first: what is closed meanwhile is then read twice, and not missed.
        fleet, sessions = await asyncio.gather(
            self._store.load(pool), self._calls.sessions(since, until)
        )
        edge = max(2 * self._settings.max_booking, timedelta(days=2))
        reach = max(WEEK, 2 * edge)
        while True:
            window = (since - reach, until + reach)
            stretches, carriages = await asyncio.gather(
                self._rows(self._store.stretches, window), self._rows(self._store.carriages, window)
            )
            stretches += self._open(fleet, now)
            seen = (window[0] + edge, window[1] - edge)
            found = await asyncio.to_thread(runs, stretches)
            whole = await asyncio.to_thread(_whole, found, (since, until), seen)
            if whole or reach >= FARTHEST:
                break
            reach *= 2
        carriages += _going_on(fleet, now)
        lead = self._settings.vm_lead // timedelta(seconds=1)
        book = await asyncio.to_thread(Book, found, carriages, lead)
        regions = {stretch.vm: stretch.region for stretch in stretches}
        return Reading(now, book, carriages, sessions, regions)

    async def _rows(
        self,
        query: Callable[[int, datetime, datetime], Awaitable[list[T]]],
        window: tuple[datetime, datetime],
    ) -> list[T]:
        """Some days at a time, side by side: a year has more rows than one should wait for."""
        starts = [window[0]]
        while starts[-1] + SLICE < window[1]:
            starts.append(starts[-1] + SLICE)
        slices = zip(starts, [*starts[1:], window[1]], strict=True)
        found = await spread(lambda each: query(self._settings.pool, *each), slices, AT_ONCE)
        return [row for rows in found for row in rows]

    def _open(self, fleet: Fleet, now: datetime) -> list[Stretch]:
        """What is on now, at the present price."""
        return [
            Stretch(vm.name, vm.on_since, now, vm.region, vm.spot, self._price(spot=vm.spot))
            for vm in fleet.vms.values()
            if vm.on and vm.on_since < now
        ]

    def _price(self, *, spot: bool) -> str:
        return str(self._settings.vm_spot_price if spot else self._settings.vm_price)


def _going_on(fleet: Fleet, now: datetime) -> list[Carriage]:
    """As the ledger will have them. One that is yet to begin counts for the time in which its
    machine waits for it."""
    found = []
    for placement in fleet.placements.values():
        start = max(placement.start, placement.since)
        vm = fleet.vms.get(placement.vm)
        if start < now or (vm and vm.on):
            end = max(start, min(placement.end, now))
            found.append(Carriage(placement.booking_id, placement.tenant, placement.vm, start, end))
    return found


def _whole(
    found: Iterable[Run], wanted: tuple[datetime, datetime], seen: tuple[datetime, datetime]
) -> bool:
    """Whether the runs of the interval begin and end within what was seen."""
    since, until = map(seconds, wanted)
    first, last = map(seconds, seen)
    return all(
        first < run.start and run.end < last
        for run in found
        if run.start < until and since < run.end
    )
