"""Rows of the audit trail: a partition is a day and a tenant, the newest entry first.

Days come first in the partition key, so that retention removes whole ranges. Tables sort upwards
only, so a row key begins with the time that is left until a far future.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from shared.audit.models import AuditEntry
from shared.platform.clock import iso, parse
from shared.platform.tables import Conflict, Delete, Insert, Row, Tables, Upsert

TABLE = "Audit"

BEHIND = "\x7f"
"""Sorts behind every character of a row key."""

REPORTED = "~"
"""Prefix of the rows that remember a first report: behind all entries."""

MOST_DAYS_AT_ONCE = 16
CHUNK = 100
"""What a transaction takes."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_FAR = 10**18 - 1


class AuditStore:
    """Every method may raise `StorageUnavailable`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def put(self, tenant: str, entry: AuditEntry) -> None:
        """The same entry again changes nothing."""
        row = entry.model_dump(exclude={"at", "details"})
        row |= {"at": iso(entry.at), "details": json.dumps(entry.details, ensure_ascii=False)}
        rk = f"{_left(entry.at)}|{entry.id}"
        await self._tables.commit(TABLE, _partition(tenant, entry.at.date()), [Upsert(rk, row)])

    async def first_report(self, tenant: str, key: str, day: date, at: datetime) -> datetime:
        """The time with which `key` was reported first: `at`, or that of an earlier report.

        `day` is one that every reporter of the key names.
        """
        pk, rk = _partition(tenant, day), REPORTED + key
        try:
            await self._tables.commit(TABLE, pk, [Insert(rk, {"at": iso(at)})])
        except Conflict:
            row = await self._tables.get(TABLE, pk, rk)
            return parse(str(row.data["at"])) if row else at
        return at

    async def newest(
        self, tenant: str, since: datetime, until: datetime, after: str, chunk: int
    ) -> AsyncIterator[Row]:
        """From the newest to the oldest, from behind the row key `after` on.

        Reads `chunk` rows at a time. Quiet days are crossed in growing strides, each one wait.
        """
        start = max(_left(until - _TICK), after + BEHIND if after else "")
        end = _left(since - _TICK)
        days = [day for day in _back(since, until) if _left(_midnight(day)) + BEHIND > start]
        stride = 1
        while days:
            ahead, days = days[:stride], days[stride:]
            found = await asyncio.gather(
                *(
                    self._tables.query(TABLE, _partition(tenant, d), start, end, chunk)
                    for d in ahead
                )
            )
            for day, rows in zip(ahead, found, strict=True):
                async for row in self._rest(_partition(tenant, day), rows, end, chunk):
                    yield row
            busy = any(len(rows) == chunk for rows in found)
            stride = 1 if busy else min(2 * stride, MOST_DAYS_AT_ONCE)

    async def _rest(self, pk: str, rows: Sequence[Row], end: str, chunk: int) -> AsyncIterator[Row]:
        """These first rows of a day, then the others."""
        while rows:
            for row in rows:
                yield row
            if len(rows) < chunk:
                return
            rows = await self._tables.query(TABLE, pk, rows[-1].rk + BEHIND, end, chunk)

    async def before(self, day: date, limit: int) -> list[Row]:
        """Up to `limit` rows of the days before `day`, the oldest day's first."""
        return await self._tables.scan(TABLE, ("", f"{day:%Y%m%d}"), ("", BEHIND), {}, limit=limit)

    async def remove(self, rows: Sequence[Row]) -> None:
        """Raises `Conflict` when somebody else has removed one meanwhile."""
        for pk in dict.fromkeys(row.pk for row in rows):
            mine = [Delete(row.rk) for row in rows if row.pk == pk]
            for n in range(0, len(mine), CHUNK):
                await self._tables.commit(TABLE, pk, mine[n : n + CHUNK])


def entry_of(row: Row) -> AuditEntry:
    data: dict[str, Any] = dict(row.data)
    return AuditEntry(**data | {"at": parse(data["at"]), "details": json.loads(data["details"])})


def _partition(tenant: str, day: date) -> str:
    return f"{day:%Y%m%d}|{tenant}"


def _left(moment: datetime) -> str:
    """The later, the smaller; as many digits for every moment from 1970 on."""
    return f"{_FAR - max(0, (moment - _EPOCH) // _TICK):018d}"


def _back(since: datetime, until: datetime) -> Iterator[date]:
    """The days of an interval, the last one first."""
    last = (until - _TICK).date()
    for n in range((last - since.date()).days + 1):
        yield last - timedelta(days=n)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
