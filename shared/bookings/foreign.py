"""Claims of bookings whose home is another day: what became of them, and who decides it.

Whoever wants to expire a pending claim first writes `aborted` at its home; if a decision stands
there already, it obeys that one. So a slow writer that comes back can't book twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from shared.bookings.claims import Claim, Day, day_bounds
from shared.bookings.models import Booking, State
from shared.bookings.rows import TABLE, Stored
from shared.platform.clock import Clock
from shared.platform.tables import (
    Conflict,
    Delete,
    Insert,
    Replace,
    StorageUnavailable,
    Tables,
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
        """The day without the foreign claims that don't hold: expired, aborted, cancelled."""
        asked = [c for c in day.claims.values() if c.foreign and c.overlaps(start, end)]
        if not asked:
            return day
        fates = [await self._fate(claim) for claim in asked]
        gone = {c.booking_id for c, fate in zip(asked, fates, strict=True) if fate == ABORTED}
        kept = {number: c for number, c in day.claims.items() if number not in gone}
        return replace(day, claims=kept)

    async def _fate(self, claim: Claim) -> str:
        """Obeys the decision at the claim's home; makes one when the claim is old enough."""
        if not claim.pending:
            stored = await self._find(claim.booking_id)
            fate = COMMITTED if stored and holds(stored.booking, claim) else ABORTED
        elif self._clock.now() - claim.claimed_at < PENDING_PATIENCE:
            row = await self._tables.get(TABLE, claim.home, f"d|{claim.attempt}")
            if row is None:
                return "undecided"
            fate = str(row.data["decision"])
        else:
            fate = await self.decide(claim)
        await self.apply(claim, fate)
        return fate

    async def decide(self, claim: Claim) -> str:
        """Aborts the claim's attempt at its home, unless a decision stands there already."""
        rk = f"d|{claim.attempt}"
        try:
            await self._tables.commit(TABLE, claim.home, [Insert(rk, {"decision": ABORTED})])
        except Conflict:
            row = await self._tables.get(TABLE, claim.home, rk)
            return str(row.data["decision"]) if row else ABORTED
        return ABORTED

    async def apply(self, claim: Claim, fate: str) -> None:
        """Best effort: whoever meets the claim next does it again."""
        try:
            row = await self._tables.get(TABLE, claim.pk, claim.rk)
            if row is None or row.data["attempt"] != claim.attempt:
                return
            if fate == ABORTED:
                await self._tables.commit(TABLE, claim.pk, [Delete(claim.rk, row.etag)])
            elif row.data["pending"]:
                firm = {**row.data, "pending": False}
                await self._tables.commit(TABLE, claim.pk, [Replace(claim.rk, firm, row.etag)])
        except (Conflict, StorageUnavailable):
            return


def holds(booking: Booking, claim: Claim) -> bool:
    """Whether a booking still needs its claim on another day."""
    return booking.state is not State.CANCELLED and booking.end > day_bounds(claim.pk)[0]
