"""The calendar: one partition a day and pool, one transaction a booking.

The protocol, with what happens across midnight and when a writer dies, stalls or loses an answer,
is `docs/calendar.md`. Nothing here decides which room is taken; `service` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from shared.bookings.claims import (
    AFTER_CLAIMS,
    CLAIM,
    HEAD,
    Claim,
    Day,
    home_of,
    partition,
    partitions,
    partitions_of,
)
from shared.bookings.foreign import ABORTED, COMMITTED, ForeignClaims
from shared.bookings.models import Booking, State
from shared.bookings.rows import TABLE, Audit, Draft, Stored, audit_row, booking_row, stored_booking
from shared.events.catalogue import DomainEvent
from shared.events.outbox import Outbox
from shared.platform.clock import Clock, iso
from shared.platform.ids import Ids
from shared.platform.tables import (
    Conflict,
    Delete,
    Insert,
    Op,
    Replace,
    StorageUnavailable,
    Tables,
)
from shared.platform.turns import Turns


class Contended(Exception):
    """Somebody else changed one of the days: read again and try again."""


class Calendar:
    def __init__(self, tables: Tables, outbox: Outbox, clock: Clock, ids: Ids) -> None:
        self._tables = tables
        self._outbox = outbox
        self._clock = clock
        self._ids = ids
        self.turns = Turns()
        self.foreign = ForeignClaims(tables, clock, self.find)

    async def read(self, pks: Sequence[str]) -> list[Day]:
        reads = (self._tables.query(TABLE, pk, HEAD, AFTER_CLAIMS) for pk in pks)
        rows = await asyncio.gather(*reads)
        return [Day.from_rows(pk, found) for pk, found in zip(pks, rows, strict=True)]

    async def taken(self, pool: int, start: datetime, end: datetime) -> set[int]:
        """The rooms that are booked at some moment of [start, end)."""
        days = await self.read(partitions(pool, start, end))
        settled = [await self.foreign.settle(day, start, end) for day in days]
        return {room for day in settled for room in day.taken_rooms(start, end)}

    async def announce(self, draft: Draft) -> None:
        await self._outbox.announce(TABLE, draft.home, draft.event_id)

    async def find(self, booking_id: int) -> Stored | None:
        home = home_of(booking_id)
        row = await self._tables.get(TABLE, home, f"m|{booking_id}") if home else None
        return stored_booking(row) if row else None

    async def has_claim_after(
        self, room_id: int, now: datetime, days: tuple[datetime, datetime]
    ) -> bool:
        """Whether a booking of the room ends after `now`; looks at those that start in `days`."""
        pool = Ids.room_pool(room_id)
        pks = (partition(pool, days[0].date()), partition(pool, days[1].date()))
        rows = await self._tables.scan(TABLE, pks, (CLAIM, AFTER_CLAIMS), {"room_id": room_id})
        claims = (Claim.from_row(row) for row in rows)
        return any(not claim.foreign and claim.end > now for claim in claims)

    # -- making a booking ------------------------------------------------------------------------

    async def claim(self, draft: Draft, days: Sequence[Day], event: DomainEvent) -> None:
        """Commits the booking on the days as they were read.

        Raises `Contended` when a day has changed since, `StorageUnavailable` when the outcome
        can't be known.
        """
        home, *others = days
        claim = self._new_claim(draft)
        try:
            for day in others:
                await self._take(day, replace(claim, pending=True))
            await self._commit_home(draft, home, claim, event, fenced=bool(others))
        except (Conflict, StorageUnavailable) as error:
            if not (await self._stands(draft) or await self._abandon(claim, others)):
                raise Contended if isinstance(error, Conflict) else error from error
        for day in others:
            await self.foreign.confirm(replace(claim, pk=day.pk))

    def _new_claim(self, draft: Draft) -> Claim:
        booking = draft.booking
        return Claim(
            booking_id=booking.booking_id,
            room_id=booking.room_id,
            tenant=booking.tenant,
            start=booking.start,
            end=booking.end,
            home=draft.home,
            attempt=self._ids.token(),
            claimed_at=self._clock.now(),
        )

    async def _take(self, day: Day, claim: Claim) -> None:
        await self._tables.commit(TABLE, day.pk, [_head(day), Insert(claim.rk, claim.to_row())])

    async def _commit_home(
        self, draft: Draft, home: Day, claim: Claim, event: DomainEvent, *, fenced: bool
    ) -> None:
        ops: list[Op] = [
            _head(home),
            Insert(claim.rk, claim.to_row()),
            Insert(f"m|{claim.booking_id}", booking_row(draft)),
            audit_row(draft.audit, claim.booking_id, self._clock, self._ids),
        ]
        if fenced:
            ops.append(Insert(f"d|{claim.attempt}", {"decision": COMMITTED}))
        await self._outbox.commit(TABLE, home.pk, ops, [event], announced=True)

    async def _stands(self, draft: Draft) -> bool:
        """Whether our booking is in place after all: the answer was lost, not the commit."""
        row = await self._tables.get(TABLE, draft.home, f"m|{draft.booking.booking_id}")
        return row is not None and row.data.get("token") == draft.token

    async def _abandon(self, claim: Claim, others: Sequence[Day]) -> bool:
        """Takes the attempt back; True when its commit arrived late, and so stands."""
        if not others:
            return False
        fate = await self.foreign.decide(claim)
        if fate == ABORTED:
            for day in others:
                await self.foreign.release(replace(claim, pk=day.pk))
        return fate == COMMITTED

    # -- changing a booking ------------------------------------------------------------------------

    async def close(self, stored: Stored, after: Booking, audit: Audit, event: DomainEvent) -> None:
        """Cancels or ends a booking: its row and its claim change in one transaction.

        Raises `Conflict` when the booking has changed since it was read.
        """
        before = stored.booking
        home = partitions_of(before)[0]
        claim_row = await self._tables.get(TABLE, home, f"b|{before.booking_id}")
        data = {**stored.data, "state": after.state.value, "end": iso(after.end)}
        ops: list[Op] = [
            Replace(f"m|{before.booking_id}", data, before.etag),
            audit_row(audit, before.booking_id, self._clock, self._ids),
        ]
        if claim_row and after.state is State.CANCELLED:
            ops.append(Delete(claim_row.rk, claim_row.etag))
        elif claim_row:
            trimmed = {**claim_row.data, "end": iso(after.end), "ended": True}
            ops.append(Replace(claim_row.rk, trimmed, claim_row.etag))
        await self._outbox.commit(TABLE, home, ops, [event])
        await self._release_elsewhere(before, after)

    async def _release_elsewhere(self, before: Booking, after: Booking) -> None:
        """Frees the other days at once; after a crash here, `settle` frees them when asked."""
        for day in await self.read(partitions_of(before)[1:]):
            claim = day.claims.get(before.booking_id)
            if claim:
                await self.foreign.follow(claim, after)


def _head(day: Day) -> Op:
    """Any write to the head gives it a new ETag; what it holds does not matter."""
    return Replace(HEAD, {}, day.head_etag) if day.head_etag else Insert(HEAD, {})
