"""A user's bookings in the order of their starts: hints, written before the booking commits.

A hint whose booking never came to be, or has moved, is skipped by whoever reads it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from shared.bookings.models import Booking
from shared.platform.clock import stamp
from shared.platform.tables import Conflict, Delete, StorageUnavailable, Tables, Upsert

TABLE = "BookingIndex"


@dataclass(frozen=True, slots=True)
class Hint:
    cursor: str
    booking_id: int


class BookingIndex:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def put(self, booking: Booking) -> None:
        await self.put_all([booking])

    async def put_all(self, bookings: Sequence[Booking]) -> None:
        """Of one booker."""
        for some in _chunks(bookings):
            rows = [Upsert(cursor(each), {"booking_id": each.booking_id}) for each in some]
            await self._tables.commit(TABLE, _pk(some[0]), rows)

    async def drop_all(self, bookings: Sequence[Booking]) -> None:
        """Best effort, as `drop`."""
        await asyncio.gather(*(self.drop(booking) for booking in bookings))

    async def drop(self, booking: Booking) -> None:
        """Best effort, for a booking that was refused: a hint too many is only skipped."""
        try:
            await self._tables.commit(TABLE, _pk(booking), [Delete(cursor(booking))])
        except (Conflict, StorageUnavailable):
            return

    async def page(
        self, tenant: str, booker: str, *, day: date | None, after: str, limit: int
    ) -> list[Hint]:
        """Up to `limit` hints behind the cursor `after`; with `day`, of those that start then."""
        start = f"{day:%Y-%m-%d}" if day else ""
        end = f"{day + timedelta(days=1):%Y-%m-%d}" if day else ""
        start = max(start, after + "\x7f" if after else "")
        rows = await self._tables.query(TABLE, f"{tenant}|{booker}", start, end, limit)
        return [Hint(row.rk, int(row.data["booking_id"])) for row in rows]


def _pk(booking: Booking) -> str:
    return f"{booking.tenant}|{booking.booker}"


def _chunks(bookings: Sequence[Booking]) -> list[Sequence[Booking]]:
    """As many as one transaction takes."""
    return [bookings[n : n + 100] for n in range(0, len(bookings), 100)]


def cursor(booking: Booking) -> str:
    """Where the booking stands in its booker's list."""
    return f"{stamp(booking.start)}|{booking.booking_id}"
