"""How long people called: a row for each call that has ended, written from the events.

A partition holds the calls that began in one month (UTC), so that reading a month is a range read.
A call may be told of again, with corrected times or as one of two that turned out to be one: what
counts is the time that a booking's rows cover together.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.events.catalogue import DomainEvent, EventType
from shared.platform.clock import iso, parse, stamp
from shared.platform.tables import Row, Tables, Upsert, Value
from shared.reports.periods import seconds

if TYPE_CHECKING:
    from shared.platform.settings import Settings

TABLE = "CallTimes"


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody was in a booking's room during [start, end), in whole seconds since 1970."""

    booking_id: int
    tenant: str
    start: int
    end: int

    def within(self, since: int, until: int) -> int:
        """How many of its seconds are in [since, until)."""
        return max(0, min(self.end, until) - max(self.start, since))


class CallTimes:
    """Every method may raise `StorageUnavailable`."""

    def __init__(self, tables: Tables, settings: Settings) -> None:
        self._tables = tables
        self._longest = settings.max_booking + settings.join_early + settings.join_grace
        self._longest += timedelta(days=1)  # people who stay on are not thrown out by the minute

    async def on_event(self, event: DomainEvent) -> None:
        """Subscriber: the same event again writes the same row."""
        if event.type is not EventType.CALL_ENDED:
            return
        start = parse(str(event.data["started_at"]))
        row: dict[str, Value] = {
            "booking_id": int(event.data["booking_id"]),
            "tenant": event.tenant,
            "started_at": iso(start),
            "ended_at": iso(parse(str(event.data["ended_at"]))),
        }
        op = Upsert(f"{stamp(start)}|{event.id}", row)
        await self._tables.commit(TABLE, _partition(start), [op])

    async def sessions(self, since: datetime, until: datetime) -> list[Session]:
        """The calls that have ended and touch [since, until), whole, by booking and time."""
        since -= self._longest
        found = await asyncio.gather(
            *(
                self._tables.query(TABLE, pk, stamp(since), stamp(until))
                for pk in _partitions(since, until)
            )
        )
        return await asyncio.to_thread(
            lambda: united(_session(row) for rows in found for row in rows)
        )


def united(sessions: Iterable[Session]) -> list[Session]:
    """Those of one booking that overlap or touch become one."""
    by_booking: dict[int, list[Session]] = defaultdict(list)
    for one in sorted(sessions, key=lambda s: (s.booking_id, s.start, s.end)):
        mine = by_booking[one.booking_id]
        if mine and one.start <= mine[-1].end:
            last = mine.pop()
            one = Session(one.booking_id, one.tenant, last.start, max(last.end, one.end))
        mine.append(one)
    return [one for mine in by_booking.values() for one in mine]


def _session(row: Row) -> Session:
    data = row.data
    start, end = (seconds(parse(str(data[name]))) for name in ("started_at", "ended_at"))
    return Session(int(data["booking_id"]), str(data["tenant"]), start, max(start, end))


def _partition(start: datetime) -> str:
    return f"{start:%Y%m}"


def _partitions(since: datetime, until: datetime) -> list[str]:
    months = range(since.year * 12 + since.month - 1, until.year * 12 + until.month)
    return [f"{n // 12:04d}{n % 12 + 1:02d}" for n in months]
