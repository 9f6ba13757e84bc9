"""Claims of bookings whose home is another day: what became of them, and who decides it.

Whoever wants to expire a pending claim first writes `aborted` at its home; if a decision stands
there already, it obeys that one. So a slow writer that comes back can't book twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from shared.bookings.claims import Claim, Day, day_bounds
from shared.bookings.models import Booking, State
from shared.bookings.rows import TABLE, Stored
from shared.platform.clock import Clock, iso
from shared.platform.tables import (
    Conflict,
    Delete,
    Insert,
    Replace,
    StorageUnavailable,
    Tables,
    Value,
)

PENDING_PATIENCE = timedelta(seconds=30)
"""How long a pending claim is left alone. It only decides when to try: the decision row decides
who wins."""

COMMITTED, ABORTED = "committed", "aborted"


class ForeignClaims:
    """`find` reads a booking at its home."""

    def __init__(
        self, tables: Tables, clock: Clock, find: Callable[[int], Awaitable[Stored | None]]
    ) -> None:
        self._tables = tables
        self._clock = clock
        self._find = find

    async def settle(self, day: Day, start: datetime, end: datetime) -> Day:
        """The day without the foreign claims that don't hold (expired, aborted, cancelled), and
        those of bookings that were ended early as short as they are."""
        asked = [c for c in day.claims.values() if c.foreign and c.overlaps(start, end)]
        if not asked:
            return day
        claims = dict(day.claims)
        for claim in asked:
            settled = await self._settle(claim)
            if settled:
                claims[claim.booking_id] = settled
            else:
                del claims[claim.booking_id]
        return replace(day, claims=claims)

    async def _settle(self, claim: Claim) -> Claim | None:
        """The claim as it holds; None when it doesn't."""
        if not claim.pending:
            stored = await self._find(claim.booking_id)
            if stored is None:
                await self.release(claim)
                return None
            return await self.follow(claim, stored.booking)
        fate = await self._fate(claim)
        if fate == ABORTED:
            await self.release(claim)
            return None
        if fate == COMMITTED:
            await self.confirm(claim)
        return claim

    async def _fate(self, claim: Claim) -> str:
        """The decision at a pending claim's home; makes one when the claim is old enough."""
        if self._clock.now() - claim.claimed_at >= PENDING_PATIENCE:
            return await self.decide(claim)
        row = await self._tables.get(TABLE, claim.home, f"d|{claim.attempt}")
        return str(row.data["decision"]) if row else "undecided"

    async def follow(self, claim: Claim, booking: Booking) -> Claim | None:
        """Makes the claim what its booking has become."""
        if not holds(booking, claim):
            await self.release(claim)
            return None
        if booking.end < claim.end:
            await self._rewrite(claim, {"end": iso(booking.end), "ended": True})
        return replace(claim, end=booking.end)

    async def confirm(self, claim: Claim) -> None:
        """The home has committed."""
        await self._rewrite(claim, {"pending": False})

    async def release(self, claim: Claim) -> None:
        await self._rewrite(claim, None)

    async def _rewrite(self, claim: Claim, change: Mapping[str, Value] | None) -> None:
        """Best effort: whoever meets the claim next does it again."""
        try:
            row = await self._tables.get(TABLE, claim.pk, claim.rk)
            if row is None or row.data["attempt"] != claim.attempt:
                return
            if change is None:
                await self._tables.commit(TABLE, claim.pk, [Delete(claim.rk, row.etag)])
            else:
                changed = Replace(claim.rk, {**row.data, **change}, row.etag)
                await self._tables.commit(TABLE, claim.pk, [changed])
        except (Conflict, StorageUnavailable):
            return

    async def decide(self, claim: Claim) -> str:
        """Aborts the claim's attempt at its home, unless a decision stands there already."""
        rk = f"d|{claim.attempt}"
        try:
            await self._tables.commit(TABLE, claim.home, [Insert(rk, {"decision": ABORTED})])
        except Conflict:
            row = await self._tables.get(TABLE, claim.home, rk)
            return str(row.data["decision"]) if row else ABORTED
        return ABORTED


def holds(booking: Booking, claim: Claim) -> bool:
    """Whether a booking still needs its claim on another day."""
    return booking.state is not State.CANCELLED and booking.end > day_bounds(claim.pk)[0]
