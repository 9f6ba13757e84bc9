"""Readings of the ledger that callers share.

A tenant's report needs everybody's ledger, as machines are split among all who were on them: a busy
year takes seconds of a processor, which calls and bookings in the same process need too. So one
report is worked on at a time, those of one interval share a reading, and few may wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import TypeVar

from shared.platform.clock import Clock
from shared.platform.problems import Problem
from shared.reports.reader import LedgerReader, Reading

T = TypeVar("T")

FRESH = timedelta(minutes=1)
"""How old a reading may be."""

KEPT = 2
"""Readings that are kept so long: each may have a hundred thousand bookings."""

MOST = 6
"""Reports at the same time in this process: one is worked on, the others wait."""

RETRY_SECONDS = 15

_DAY = timedelta(days=1)
_Interval = tuple[datetime, datetime]


class Readings:
    def __init__(self, reader: LedgerReader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._kept: dict[_Interval, Reading] = {}
        self._under_way: dict[_Interval, asyncio.Task[Reading]] = {}
        self._turn = asyncio.Lock()
        self._asking = 0

    async def make(
        self,
        since: datetime,
        until: datetime,
        work: Callable[[Reading], T],
        *,
        patient: bool = False,
    ) -> T:
        """What `work` makes, in a thread, of a reading that holds [since, until).

        Raises `StorageUnavailable`; Problem 429 when too many wait, unless one is patient.
        """
        if not patient and max(self._asking, len(self._under_way)) >= MOST:
            seconds = str(RETRY_SECONDS)
            raise Problem(429, "rate_limited", {"seconds": seconds}, {"Retry-After": seconds})
        self._asking += 1
        try:
            reading = await self._read(_days(since, until))
            async with self._turn:
                return await asyncio.to_thread(work, reading)
        finally:
            self._asking -= 1

    async def _read(self, interval: _Interval) -> Reading:
        kept = self._kept.get(interval)
        if kept and self._clock.now() - kept.at < FRESH:
            return kept
        if interval not in self._under_way:
            task = asyncio.create_task(self._anew(interval))
            self._under_way[interval] = task
            task.add_done_callback(lambda done: self._over(interval, done))
        # Shielded: whoever asked first may go away, those who joined wait on.
        return await asyncio.shield(self._under_way[interval])

    async def _anew(self, interval: _Interval) -> Reading:
        async with self._turn:
            return await self._reader.read(*interval)

    def _over(self, interval: _Interval, done: asyncio.Task[Reading]) -> None:
        del self._under_way[interval]
        # Asking for the exception says that it was seen, also when nobody waits any more.
        if done.cancelled() or done.exception():
            return
        self._kept.pop(interval, None)
        self._kept[interval] = done.result()
        while len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        # Nobody may ask again for hours; the memory is wanted before.
        loop = done.get_loop()
        loop.call_later(FRESH.total_seconds(), self._kept.pop, interval, None)


def _days(since: datetime, until: datetime) -> _Interval:
    """The whole days around, so that reports until now are of the same interval all day."""
    first = datetime.combine(since.date(), time(), since.tzinfo)
    last = datetime.combine(until.date(), time(), until.tzinfo)
    return first, last if last == until else last + _DAY
