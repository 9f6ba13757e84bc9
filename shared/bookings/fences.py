"""Claims that something elsewhere decides: what became of them, and who may say so.

Whoever wants to expire a pending claim first writes `aborted` where its attempt is decided; if a
decision stands there already, it obeys that one. So a slow writer that comes back can't book twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shared.bookings.attempts import Attempt
from shared.bookings.claims import Claim, Day, day_bounds
from shared.bookings.events import booking_event
from shared.bookings.models import Booking, State
from shared.bookings.rows import TABLE, Stored, booking_rk, stored_booking
from shared.events.catalogue import EventType
from shared.events.outbox import Outbox
from shared.platform.clock import Clock, iso
from shared.platform.tables import (
    Conflict,
    Delete,
    Insert,
    Op,
    Replace,
    StorageUnavailable,
    Tables,
    Value,
)
from shared.platform.waiting import spread

PENDING_PATIENCE = timedelta(seconds=30)
"""How long a pending claim is left alone. It only decides when to try: the decision row decides
who wins."""

COMMITTED, ABORTED, UNDECIDED = "committed", "aborted", "undecided"

Find = Callable[[int], Awaitable[Stored | None]]


def decided(attempt_id: str) -> Op:
    """The row by which a home's transaction commits its attempt for every day."""
    return Insert(_decision_rk(attempt_id), {"decision": COMMITTED})


def _decision_rk(attempt_id: str) -> str:
    return f"d|{attempt_id}"


class Fences:
    """`find` reads a booking at its home."""

    def __init__(self, tables: Tables, outbox: Outbox, clock: Clock, find: Find) -> None:
        self._tables = tables
        self._outbox = outbox
        self._clock = clock
        self._find = find

    # -- what holds ------------------------------------------------------------------------------

    async def settle(self, day: Day, start: datetime, end: datetime) -> Day:
        """The day without the loose claims in [start, end) that don't hold (expired, aborted,
        cancelled, moved), and those of bookings that were ended early as short as they are."""
        asked = [c for c in day.claims.values() if c.loose and c.overlaps(start, end)]
        if not asked:
            return day
        claims = dict(day.claims)
        for claim, settled in zip(asked, await spread(self.truth, asked), strict=True):
            if settled:
                claims[claim.rk] = settled
            else:
                del claims[claim.rk]
        return replace(day, claims=claims)

    async def truth(self, claim: Claim) -> Claim | None:
        """The claim as it holds, still pending while nothing is decided; None when it doesn't."""
        if not claim.pending:
            return await self._follow_home(claim)
        fate = await self.fate(claim)
        if fate == ABORTED:
            await self.release(claim)
            return None
        if fate == UNDECIDED:
            return claim
        await self.confirm(claim)
        firm = replace(claim, fence="")
        return await self._follow_home(firm) if claim.foreign else firm

    async def _follow_home(self, claim: Claim) -> Claim | None:
        stored = await self._find(claim.booking_id)
        if stored is None:
            await self.release(claim)
            return None
        return await self.follow(claim, stored.booking)

    async def follow(self, claim: Claim, booking: Booking) -> Claim | None:
        """Makes a firm claim outside its home what its booking has become."""
        if not holds(booking, claim):
            await self.release(claim)
            return None
        if booking.end == claim.end:
            return claim
        await self._rewrite(claim, {"end": iso(booking.end), "ended": True})
        return replace(claim, end=booking.end, ended=True)

    # -- decisions -------------------------------------------------------------------------------

    async def fate(self, claim: Claim) -> str:
        """The decision on a pending claim; makes one when the claim is old enough."""
        if self._clock.now() - claim.claimed_at >= PENDING_PATIENCE:
            return await self.decide(claim.fence, claim.attempt)
        return await self.decision(claim.fence, claim.attempt)

    async def decision(self, home: str, attempt_id: str) -> str:
        row = await self._tables.get(TABLE, home, _decision_rk(attempt_id))
        return str(row.data["decision"]) if row else UNDECIDED

    async def decide(self, home: str, attempt_id: str) -> str:
        """Aborts the attempt at its home, unless a decision stands there already."""
        rk = _decision_rk(attempt_id)
        try:
            await self._tables.commit(TABLE, home, [Insert(rk, {"decision": ABORTED})])
        except Conflict:
            return await self.decision(home, attempt_id)
        return ABORTED

    async def abandon(self, attempt: Attempt) -> bool:
        """Takes the attempt back; True when its commit arrived late, and so stands."""
        if not attempt.others:
            return False
        fate = await self.decide(attempt.home, attempt.id)
        if fate == ABORTED:
            await spread(self.release, attempt.pending)
        return fate == COMMITTED

    async def confirm_all(self, claims: Sequence[Claim]) -> None:
        await spread(self.confirm, claims)

    # -- carrying it out: best effort, whoever meets the claim next does it again ----------------

    async def confirm(self, claim: Claim) -> None:
        """Its attempt was committed. A booking of a series becomes one here, with its event."""
        if claim.foreign:
            await self._rewrite(claim, {"fence": ""})
        else:
            await self._quietly(self._confirm_booking(claim))

    async def _confirm_booking(self, claim: Claim) -> None:
        claim_row, row = await asyncio.gather(
            self._tables.get(TABLE, claim.pk, claim.rk),
            self._tables.get(TABLE, claim.pk, booking_rk(claim.booking_id)),
        )
        if not claim_row or not row or row.data["state"] != State.PENDING:
            return
        stored = stored_booking(row)
        booking = replace(stored.booking, state=State.ACTIVE)
        firm = {**claim_row.data, "fence": "", "loose": False}
        ops: list[Op] = [
            Replace(claim.rk, firm, claim_row.etag),
            Replace(row.rk, stored.changed(booking), row.etag),
        ]
        event = booking_event(self._outbox, EventType.BOOKING_CREATED, booking)
        await self._outbox.commit(TABLE, claim.pk, ops, [event])

    async def release(self, claim: Claim) -> None:
        """The claim, and with it the booking that is still pending, are gone."""
        if claim.foreign:
            await self._rewrite(claim, None)
        else:
            await self._quietly(self._drop_booking(claim))

    async def _drop_booking(self, claim: Claim) -> None:
        row = await self._tables.get(TABLE, claim.pk, booking_rk(claim.booking_id))
        if row and row.data["attempt"] == claim.attempt and row.data["state"] == State.PENDING:
            ops = [Delete(row.rk, row.etag), Delete(claim.rk)]
            await self._tables.commit(TABLE, claim.pk, ops)

    async def _rewrite(self, claim: Claim, change: Mapping[str, Value] | None) -> None:
        """Changes the claim's row, or removes it."""
        await self._quietly(self._try_rewrite(claim, change))

    async def _try_rewrite(self, claim: Claim, change: Mapping[str, Value] | None) -> None:
        row = await self._tables.get(TABLE, claim.pk, claim.rk)
        if row is None or row.data["attempt"] != claim.attempt:
            return
        op: Op = Delete(claim.rk, row.etag)
        if change is not None:
            op = Replace(claim.rk, {**row.data, **change}, row.etag)
        await self._tables.commit(TABLE, claim.pk, [op])

    @staticmethod
    async def _quietly(work: Awaitable[None]) -> None:
        try:
            await work
        except (Conflict, StorageUnavailable):
            return


def holds(booking: Booking, claim: Claim) -> bool:
    """Whether a booking still needs its firm claim on another day."""
    alive = booking.state in (State.ACTIVE, State.ENDED) and booking.attempt == claim.attempt
    return alive and booking.end > day_bounds(claim.pk)[0]
