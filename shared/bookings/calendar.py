"""The calendar: one partition a day and pool, one transaction a booking.

The protocol, with what happens across midnight and when a writer dies, stalls or loses an answer,
is `docs/calendar.md`. Nothing here decides which room is taken; `choice` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shared.bookings.attempts import Attempt, Contended, claims_of
from shared.bookings.claims import (
    AFTER_CLAIMS,
    CLAIM,
    HEAD,
    Claim,
    Day,
    claimed_days,
    home_of,
    partition,
    partitions,
)
from shared.bookings.contention import TRIES, Pause
from shared.bookings.fences import COMMITTED, Fences, decided
from shared.bookings.models import Booking, State
from shared.bookings.rows import TABLE, Stored, booking_rk, stored_booking
from shared.events.catalogue import DomainEvent
from shared.events.outbox import Outbox
from shared.platform.clock import Clock
from shared.platform.ids import Ids
from shared.platform.problems import busy
from shared.platform.tables import (
    Conflict,
    Delete,
    Op,
    Replace,
    StorageUnavailable,
    Tables,
    Upsert,
    Value,
)
from shared.platform.waiting import spread

AT_ONCE = 16
"""Days that are read or written side by side, where there are many."""


class Calendar:
    def __init__(self, tables: Tables, outbox: Outbox, clock: Clock) -> None:
        self._tables = tables
        self._outbox = outbox
        self._clock = clock
        self.fences = Fences(tables, outbox, clock, self.find)

    # -- reading ---------------------------------------------------------------------------------

    async def read(self, pks: Sequence[str]) -> list[Day]:
        room = asyncio.Semaphore(AT_ONCE)
        return await asyncio.gather(*(self._read_day(pk, room) for pk in pks))

    async def _read_day(self, pk: str, room: asyncio.Semaphore) -> Day:
        async with room:
            return Day.from_rows(pk, await self._tables.query(TABLE, pk, HEAD, AFTER_CLAIMS))

    async def settled(self, pool: int, start: datetime, end: datetime) -> list[Day]:
        """The days of [start, end) with the claims that hold in it."""
        days = await self.read(partitions(pool, start, end))
        return [await self.fences.settle(day, start, end) for day in days]

    async def find(self, booking_id: int) -> Stored | None:
        """At its home. One of a series that was committed and not told becomes a booking here."""
        stored = await self._read_booking(booking_id)
        if stored is None or stored.booking.state is not State.PENDING:
            return stored
        booking, home = stored.booking, home_of(booking_id)
        fence = str(stored.data["fence"])
        if await self.fences.decision(fence, booking.attempt) != COMMITTED:
            return None
        (claim,) = claims_of(booking, fence, [home], self._clock)
        await self.fences.confirm(claim)
        confirmed = await self._read_booking(booking_id)
        if confirmed and confirmed.booking.state is State.PENDING:
            raise StorageUnavailable("a booking that was committed could not be confirmed")
        return confirmed

    async def _read_booking(self, booking_id: int) -> Stored | None:
        home = home_of(booking_id)
        row = await self._tables.get(TABLE, home, booking_rk(booking_id)) if home else None
        return stored_booking(row) if row else None

    async def claims(self, pool: int, since: datetime, until: datetime) -> list[Claim]:
        """The bookings of the days from `since` to `until`, each once, as they hold."""
        count = (until.date() - since.date()).days + 1
        pks = [partition(pool, since.date() + timedelta(days=n)) for n in range(count)]
        every = [c for day in await self.read(pks) for c in day.claims.values()]
        found = {c.booking_id: c for c in every if not c.loose}
        # After a move the day on which a booking begins need not be its home.
        away = [c for c in every if c.booking_id not in found and c.first]
        firm = [c for c in await spread(self.fences.truth, away) if c and not c.pending]
        return list((found | {c.booking_id: c for c in firm}).values())

    async def loose(self, pool: int, since: datetime, until: datetime) -> list[Claim]:
        """The claims of those days that something elsewhere decides."""
        return await self._scan(pool, (since, until), {"loose": True})

    async def has_claim_after(
        self, room_id: int, now: datetime, days: tuple[datetime, datetime]
    ) -> bool:
        """Whether a booking of the room ends after `now`; looks at those that start in `days`."""
        pool = Ids.room_pool(room_id)
        for claim in await self._scan(pool, days, {"room_id": room_id}):
            if await self._lasts(claim, now):
                return True
        return False

    async def booked_rooms(
        self, pool: int, now: datetime, days: tuple[datetime, datetime]
    ) -> set[int]:
        """As `has_claim_after`, of all rooms at once."""
        found: set[int] = set()
        for claim in await self._scan(pool, days, {}):
            if claim.room_id not in found and await self._lasts(claim, now):
                found.add(claim.room_id)
        return found

    async def _lasts(self, claim: Claim, now: datetime) -> bool:
        """Whether its booking is not over."""
        truth = await self.fences.truth(claim) if claim.loose and claim.end > now else claim
        return truth is not None and truth.end > now

    async def _scan(
        self, pool: int, days: tuple[datetime, datetime], where: Mapping[str, Value]
    ) -> list[Claim]:
        pks = (partition(pool, days[0].date()), partition(pool, days[1].date()) + "~")
        rows = await self._tables.scan(TABLE, pks, (CLAIM, AFTER_CLAIMS), where)
        return [Claim.from_row(row) for row in rows]

    # -- committing ------------------------------------------------------------------------------

    async def begin_days(self, days: Sequence[Day]) -> None:
        """Makes the heads of days on which nobody has booked yet."""

        async def begin(day: Day) -> None:
            try:
                await self._tables.commit(TABLE, day.pk, [day.head(self._clock.now())])
            except Conflict:
                return  # somebody else has

        await spread(begin, days)

    async def announce(self, home: str, event_id: str) -> None:
        await self._outbox.announce(TABLE, home, event_id)

    async def commit(self, attempt: Attempt, *, announced: bool = False) -> None:
        """Commits the attempt on the days as they were read.

        Raises `Contended` when something has changed since, `StorageUnavailable` when the outcome
        can't be known. With `announced` the pointer to its event was put beforehand.
        """
        try:
            await self._take(attempt)
            await self._decide(attempt, announced)
        except (Conflict, StorageUnavailable) as error:
            if not (await self._stands(attempt) or await self.fences.abandon(attempt)):
                raise Contended if isinstance(error, Conflict) else error from error
        await self.fences.confirm_all(attempt.pending)

    async def _take(self, attempt: Attempt) -> None:
        """The pending rows. All have ended when this raises: none comes after it was taken back."""
        room = asyncio.Semaphore(AT_ONCE)

        async def take(pk: str) -> None:
            async with room:
                await self._tables.commit(TABLE, pk, self._ops(attempt, pk))

        outcomes = await asyncio.gather(
            *(take(pk) for pk in attempt.others), return_exceptions=True
        )
        failed = [outcome for outcome in outcomes if outcome is not None]
        if failed:
            raise failed[0]

    async def _decide(self, attempt: Attempt, announced: bool) -> None:
        ops = self._ops(attempt, attempt.home)
        if attempt.others:
            ops.append(decided(attempt.id))
        await self._outbox.commit(TABLE, attempt.home, ops, attempt.events, announced=announced)

    def _ops(self, attempt: Attempt, pk: str) -> list[Op]:
        day = attempt.days.get(pk)
        return [*([day.head(self._clock.now())] if day else []), *attempt.ops[pk]]

    async def _stands(self, attempt: Attempt) -> bool:
        """Whether our rows are in place after all: the answer was lost, not the commit."""
        row = await self._tables.get(TABLE, attempt.home, attempt.witness_rk)
        return row is not None and row.data["attempt"] == attempt.id

    # -- changes that take nothing ---------------------------------------------------------------

    async def close(self, stored: Stored, after: Booking, event: DomainEvent) -> None:
        """Cancels or ends a booking: its row and its claim change in one transaction.

        Raises `Conflict` when the booking has changed since it was read.
        """
        home = home_of(after.booking_id)
        ops: list[Op] = []
        if home in claimed_days(stored.booking):
            (claim,) = claims_of(after, home, [home], self._clock)
            gone = after.state is State.CANCELLED
            row = {**claim.to_row(), "ended": True}
            ops.append(Delete(claim.rk) if gone else Upsert(claim.rk, row))
        await self.amend(stored, after, event, ops)
        await self.let_go(stored.booking, after)

    async def amend(
        self, stored: Stored, after: Booking, event: DomainEvent, ops: Sequence[Op] = ()
    ) -> None:
        """Changes the booking's row. Raises `Conflict` when it has changed since it was read."""
        home = home_of(after.booking_id)
        row = Replace(booking_rk(after.booking_id), stored.changed(after), stored.booking.etag)
        await self._outbox.commit(TABLE, home, [row, *ops], [event])

    async def let_go(self, before: Booking, after: Booking) -> None:
        """Frees the claims outside the home at once that the booking needs no more; after a crash
        here whoever meets them does it, or the sweeper."""
        home = home_of(before.booking_id)
        pks = [pk for pk in claimed_days(before) if pk != home]
        claims = [replace(c, fence="") for c in claims_of(before, home, pks, self._clock)]
        await asyncio.gather(*(self.fences.follow(claim, after) for claim in claims))

    async def close_room(
        self, room_id: int, pks: Sequence[str], now: datetime, pause: Pause
    ) -> bool:
        """Makes each day refuse whoever has not seen that the room is being deleted.

        False, and some days may be marked already, when a booking of the room is not over. Raises
        Problem 503 when a day is booked on all the time, or too many rooms are being deleted.
        """
        return all(await spread(lambda pk: self._close_day(room_id, pk, now, pause), pks))

    async def _close_day(self, room_id: int, pk: str, now: datetime, pause: Pause) -> bool:
        for number in range(TRIES):
            await pause(number)
            (day,) = await self.read([pk])
            claims = [claim for claim in day.claims.values() if claim.room_id == room_id]
            if any([await self._lasts(claim, now) for claim in claims]):
                return False
            if day.full(now, room_id):
                break
            try:
                await self._tables.commit(TABLE, pk, [day.head(now, closing=room_id)])
                return True
            except Conflict:
                continue  # somebody has booked: look again
        raise busy()

    async def begun(self, pool: int, days: tuple[datetime, datetime]) -> list[str]:
        """The partitions from the one day to the other that have a head."""
        pks = (partition(pool, days[0].date()), partition(pool, days[1].date()) + "~")
        rows = await self._tables.scan(TABLE, pks, (HEAD, CLAIM), {})
        return [row.pk for row in rows]

    async def has_room_to_close(self, pk: str, now: datetime) -> bool:
        """Whether the head of that day can name one more room that is being deleted."""
        (day,) = await self.read([pk])
        return not day.full(now)
