"""The calendar: one partition a day and pool, one transaction a booking.

The protocol, with what happens across midnight and when a writer dies, stalls or loses an answer,
is `docs/calendar.md`. Nothing here decides which room is taken; `service` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.bookings.claims import (
    AFTER_CLAIMS,
    HEAD,
    Claim,
    Day,
    day_bounds,
    home_of,
    partitions_of,
)
from shared.bookings.models import Booking, State
from shared.events.catalogue import DomainEvent
from shared.events.outbox import Outbox
from shared.platform.clock import Clock, iso, parse
from shared.platform.ids import Ids
from shared.platform.tables import (
    Conflict,
    Delete,
    Insert,
    Op,
    Replace,
    Row,
    StorageUnavailable,
    Tables,
    Value,
)
from shared.platform.turns import Turns

TABLE = "Calendar"

PENDING_PATIENCE = timedelta(seconds=30)
"""How long a pending claim is left alone. It only decides when to try: the decision row decides
who wins."""

COMMITTED, ABORTED = "committed", "aborted"


class Contended(Exception):
    """Somebody else changed one of the days: read again and try again."""


@dataclass(frozen=True, slots=True)
class Audit:
    """Who did it, from where (webrtc-streaming.md 7.5)."""

    actor: str
    action: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class NewRoom:
    """What a booking's row keeps of a room that is born with it, to mend the room's row from."""

    size: int
    sealed_pin: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A booking about to be made. `token` recognises our own rows after a lost answer."""

    booking: Booking
    home: str
    token: str
    event_id: str
    audit: Audit
    new_room: NewRoom | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A booking as read from its home."""

    booking: Booking
    data: dict[str, Value]
    new_room: NewRoom | None


class Calendar:
    def __init__(self, tables: Tables, outbox: Outbox, clock: Clock, ids: Ids) -> None:
        self._tables = tables
        self._outbox = outbox
        self._clock = clock
        self._ids = ids
        self.turns = Turns()

    async def read(self, pks: Sequence[str]) -> list[Day]:
        reads = (self._tables.query(TABLE, pk, HEAD, AFTER_CLAIMS) for pk in pks)
        rows = await asyncio.gather(*reads)
        return [Day.from_rows(pk, found) for pk, found in zip(pks, rows, strict=True)]

    async def announce(self, draft: Draft) -> None:
        await self._outbox.announce(TABLE, draft.home, draft.event_id)

    async def find(self, booking_id: int) -> Stored | None:
        home = home_of(booking_id)
        row = await self._tables.get(TABLE, home, f"m|{booking_id}") if home else None
        return _stored(row) if row else None

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
            await self._settle_claim(replace(claim, pk=day.pk), COMMITTED)

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
            Insert(f"m|{claim.booking_id}", _booking_row(draft)),
            self._audit(draft.audit, claim.booking_id),
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
        fate = await self._decide(claim)
        if fate == ABORTED:
            for day in others:
                await self._settle_claim(replace(claim, pk=day.pk), ABORTED)
        return fate == COMMITTED

    # -- claims of bookings whose home is another day ---------------------------------------------

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
            stored = await self.find(claim.booking_id)
            fate = COMMITTED if stored and _holds(stored.booking, claim) else ABORTED
        elif self._clock.now() - claim.claimed_at < PENDING_PATIENCE:
            row = await self._tables.get(TABLE, claim.home, f"d|{claim.attempt}")
            if row is None:
                return "undecided"
            fate = str(row.data["decision"])
        else:
            fate = await self._decide(claim)
        await self._settle_claim(claim, fate)
        return fate

    async def _decide(self, claim: Claim) -> str:
        """Aborts the claim's attempt at its home, unless a decision stands there already."""
        rk = f"d|{claim.attempt}"
        try:
            await self._tables.commit(TABLE, claim.home, [Insert(rk, {"decision": ABORTED})])
        except Conflict:
            row = await self._tables.get(TABLE, claim.home, rk)
            return str(row.data["decision"]) if row else ABORTED
        return ABORTED

    async def _settle_claim(self, claim: Claim, fate: str) -> None:
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
            self._audit(audit, before.booking_id),
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
            if claim and not _holds(after, claim):
                await self._settle_claim(claim, ABORTED)

    def _audit(self, audit: Audit, booking_id: int) -> Insert:
        now = iso(self._clock.now())
        row: dict[str, Value] = {
            "at": now,
            "actor": audit.actor,
            "action": audit.action,
            "subject": str(booking_id),
            "address": audit.address,
        }
        return Insert(f"u|{now}|{self._ids.token()}", row)


def _head(day: Day) -> Op:
    """Any write to the head gives it a new ETag; what it holds does not matter."""
    return Replace(HEAD, {}, day.head_etag) if day.head_etag else Insert(HEAD, {})


def _holds(booking: Booking, claim: Claim) -> bool:
    """Whether a booking still needs its claim on another day."""
    return booking.state is not State.CANCELLED and booking.end > day_bounds(claim.pk)[0]


def _booking_row(draft: Draft) -> dict[str, Value]:
    booking = draft.booking
    row: dict[str, Value] = {
        "booking_id": booking.booking_id,
        "tenant": booking.tenant,
        "booker": booking.booker,
        "room_id": booking.room_id,
        "start": iso(booking.start),
        "end": iso(booking.end),
        "created_at": iso(booking.created_at),
        "state": booking.state.value,
        "token": draft.token,
    }
    if draft.new_room:
        row |= {"room_size": draft.new_room.size, "room_pin": draft.new_room.sealed_pin}
    return row


def _stored(row: Row) -> Stored:
    data = dict(row.data)
    booking = Booking(
        booking_id=int(data["booking_id"]),
        tenant=str(data["tenant"]),
        booker=str(data["booker"]),
        room_id=int(data["room_id"]),
        start=parse(str(data["start"])),
        end=parse(str(data["end"])),
        created_at=parse(str(data["created_at"])),
        state=State(str(data["state"])),
        etag=row.etag,
    )
    born = "room_pin" in data
    new_room = NewRoom(int(data["room_size"]), str(data["room_pin"])) if born else None
    return Stored(booking, data, new_room)
