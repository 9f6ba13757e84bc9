"""Bookings that repeat: all of them, or none (docs/calendar.md).

The home of the first one decides. The others are pending rows in their own homes until it has, and
nobody sees them before that; the subscriber of `series.created` finishes what a crash has left.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from shared.bookings.attempts import Attempt, claims_of
from shared.bookings.choice import Wish
from shared.bookings.claims import claimed_days, home_of
from shared.bookings.desk import Desk
from shared.bookings.events import booking_event
from shared.bookings.finding import Found
from shared.bookings.making import check_interval, new_guests
from shared.bookings.models import Booking, Room, State
from shared.bookings.payloads import Kept, SeriesCancelled, SeriesCreate
from shared.bookings.recurrence import occurrences
from shared.bookings.rows import TABLE, NewRoom, booking_rk, booking_row
from shared.bookings.service import Bookings
from shared.events.catalogue import Audit, DomainEvent, EventType
from shared.platform.auth import Caller
from shared.platform.once import Once, Replay
from shared.platform.problems import Problem
from shared.platform.tables import Insert, Op, Row, Tables, Value
from shared.platform.waiting import beside, spread, together

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class Series:
    """`series_id` is the first booking's id: it names the home that decides."""

    series_id: int
    tenant: str
    booker: str
    rrule: str
    time_zone: str
    booking_ids: Sequence[int]

    @property
    def rk(self) -> str:
        return _rk(self.series_id)

    def to_row(self) -> dict[str, Value]:
        return {
            "tenant": self.tenant,
            "booker": self.booker,
            "rrule": self.rrule,
            "time_zone": self.time_zone,
            "bookings": json.dumps(list(self.booking_ids)),
        }

    @classmethod
    def from_row(cls, series_id: int, row: Row) -> Series:
        data: Mapping[str, Any] = row.data
        ids = json.loads(data["bookings"])
        return cls(series_id, data["tenant"], data["booker"], data["rrule"], data["time_zone"], ids)


@dataclass(frozen=True, slots=True)
class Repeated:
    """A series that was made."""

    series_id: int
    room: Room
    bookings: Sequence[Booking]


@dataclass(slots=True)
class Repeating:
    """A series about to be made; the ids of its bookings may still change."""

    request: SeriesCreate
    audit: Audit
    once: Once[Repeated] | None
    drafts: Sequence[Booking]
    begun: bool = False


class SeriesService:
    def __init__(self, desk: Desk, bookings: Bookings, tables: Tables) -> None:
        self._desk = desk
        self._bookings = bookings
        self._tables = tables

    # -- making ------------------------------------------------------------------------------------

    async def create(
        self,
        caller: Caller,
        request: SeriesCreate,
        address: str,
        once: Once[Repeated] | None = None,
    ) -> Repeated:
        """Books one room for every time that the rule gives.

        Problems: as of one booking, and 400 for a rule or a time that can't be.
        """
        try:
            drafts = self._drafts(caller, request)
        except Problem:
            if once:
                await once.replayed(self._row)
            raise
        work = Repeating(request, Audit(caller.sub, "series.create", address), once, drafts)
        if once:
            reserved = int(await once.begin(str(reserved_id(drafts)), self._row))
            work.drafts = _numbered(drafts, reserved)
        try:
            return await self._desk.contention.run(
                home_of(reserved_id(work.drafts)), lambda number: self._attempt(work, number)
            )
        except (Problem, Replay) as refusal:
            if work.begun:
                # The first hint may be that of a booking which another request makes.
                await self._desk.index.drop_all(work.drafts[bool(once and once.shared) :])
            if once and isinstance(refusal, Problem):
                await once.release()
            raise

    def _drafts(self, caller: Caller, request: SeriesCreate) -> list[Booking]:
        latest = self._desk.clock.now() + self._desk.settings.horizon
        times = occurrences(
            request.start_time, request.end_time, request.time_zone, request.rrule, latest
        )
        for start, end in times:
            check_interval(start, end, self._desk.clock, self._desk.settings)
        guests = new_guests(request.guests, self._desk.ids)
        drafts = [
            Booking(
                booking_id=self._desk.ids.booking_id(self._desk.settings.pool, start),
                tenant=caller.tenant,
                booker=caller.sub,
                room_id=request.room_id or 0,
                start=start,
                end=end,
                created_at=self._desk.clock.now(),
                asked=request.room_id is not None,
                guests=guests,
            )
            for start, end in times
        ]
        return _numbered(drafts, drafts[0].booking_id)

    async def _row(self, series_id: str) -> Mapping[str, Any] | None:
        found = await self._find(int(series_id))
        return found.data if found else None

    async def _attempt(self, work: Repeating, number: int) -> Repeated:
        if number:
            await self._fresh(work)
        wishes = [Wish(draft.start, draft.end, asked=draft.room_id) for draft in work.drafts]
        work.begun = True
        found, _ = await together(
            self._desk.finder.find(work.drafts[0].tenant, wishes),
            self._desk.index.put_all(work.drafts),
        )
        attempt_id, room = self._desk.ids.token(), found.room
        bookings = [
            replace(draft, room_id=room.room_id, attempt=attempt_id) for draft in work.drafts
        ]
        made = Repeated(reserved_id(bookings), room, bookings)
        attempt = self._plan(work, made, found)
        await beside(
            self._desk.calendar.commit(attempt),
            *self._desk.rooms.births(room, born=found.born),
            self._desk.room_index.put(bookings),
        )
        return made

    async def _fresh(self, work: Repeating) -> None:
        """Other ids for those that somebody else's bookings have got: of a hundred, some do."""
        first = await self._find(reserved_id(work.drafts))
        if first and work.once and work.once.made(first.data):
            raise work.once.replay(first.data)  # somebody took our key over, and was faster
        await self._desk.index.drop_all(work.drafts)
        taken = await spread(self._taken, work.drafts)
        drafts = [
            replace(
                draft, booking_id=self._desk.ids.booking_id(self._desk.settings.pool, draft.start)
            )
            if gone
            else draft
            for draft, gone in zip(work.drafts, taken, strict=True)
        ]
        if taken[0] and work.once:
            await work.once.reserve(str(drafts[0].booking_id))
        work.drafts = _numbered(drafts, drafts[0].booking_id)

    async def _taken(self, draft: Booking) -> bool:
        home = home_of(draft.booking_id)
        return await self._tables.get(TABLE, home, booking_rk(draft.booking_id)) is not None

    def _plan(self, work: Repeating, made: Repeated, found: Found) -> Attempt:
        bookings = made.bookings
        first, home = bookings[0], home_of(bookings[0].booking_id)
        ids = [booking.booking_id for booking in bookings]
        rrule, zone = work.request.rrule, work.request.time_zone
        series = Series(made.series_id, first.tenant, first.booker, rrule, zone, ids)
        claims = [
            claim
            for booking in bookings
            for claim in claims_of(booking, home, claimed_days(booking), self._desk.clock)
        ]
        seed = NewRoom(found.room.size, found.room.sealed_pin) if found.born else None
        ops: dict[str, list[Op]] = {}
        for claim in claims:
            ops.setdefault(claim.pk, []).append(Insert(claim.rk, claim.to_row()))
        for booking in bookings:
            own = home_of(booking.booking_id)
            row = _pending(booking, seed, home) if own != home else booking_row(booking, seed)
            ops[own].append(Insert(booking_rk(booking.booking_id), row))
        sealed = work.once.sealed(made) if work.once else {}
        ops[home].append(Insert(series.rk, series.to_row() | sealed))
        return Attempt(
            id=first.attempt,
            home=home,
            witness=first.booking_id,
            days=found.of(list(ops)),
            ops=ops,
            pending=[claim for claim in claims if claim.pending],
            events=self._events(made, home, work.audit),
        )

    def _events(self, made: Repeated, home: str, audit: Audit) -> list[DomainEvent]:
        """One of the series, and those of the bookings that become one at once."""
        first = made.bookings[0]
        data = {
            "series_id": made.series_id,
            "room_id": first.room_id,
            "booked_by": first.booker,
            "booking_ids": [booking.booking_id for booking in made.bookings],
        }
        kind, subject = EventType.SERIES_CREATED, f"series/{made.series_id}"
        series = self._desk.outbox.event(kind, first.tenant, subject, data, audit=audit)
        at_home = [b for b in made.bookings if home_of(b.booking_id) == home]
        created = EventType.BOOKING_CREATED
        return [series, *(booking_event(self._desk.outbox, created, b) for b in at_home)]

    async def on_event(self, event: DomainEvent) -> None:
        """Subscriber: every booking of a series that was committed becomes one, whoever crashed."""
        if event.type is EventType.SERIES_CREATED:
            await spread(self._desk.calendar.find, [int(n) for n in event.data["booking_ids"]])

    # -- afterwards --------------------------------------------------------------------------------

    async def get(self, caller: Caller, series_id: int) -> tuple[Series, list[Booking]]:
        """The series and its bookings as they are now; 404 unless it is the caller's, or of the
        tenant that the caller is admin of."""
        row = await self._find(series_id)
        series = Series.from_row(series_id, row) if row else None
        if series is None or series.tenant != caller.tenant:
            raise _unknown(series_id)
        if series.booker != caller.sub and not caller.is_admin:
            raise _unknown(series_id)
        stored = await spread(self._desk.calendar.find, series.booking_ids)
        return series, [each.booking for each in stored if each]

    async def cancel(self, caller: Caller, series_id: int, address: str) -> SeriesCancelled:
        """Cancels every booking that can still be cancelled, and tells which; again, it goes on
        where it stopped."""
        _, every = await self.get(caller, series_id)
        bookings = [booking for booking in every if booking.state is not State.CANCELLED]

        async def cancel(booking: Booking) -> Kept | None:
            try:
                await self._bookings.cancel(caller, booking.booking_id, address)
            except Problem as problem:
                if problem.status >= 500:
                    raise
                return Kept(booking_id=booking.booking_id, code=problem.code)
            return None

        outcomes = await spread(cancel, bookings)
        kept = [outcome for outcome in outcomes if outcome]
        spared = {each.booking_id for each in kept}
        cancelled = [b.booking_id for b in bookings if b.booking_id not in spared]
        return SeriesCancelled(cancelled=cancelled, kept=kept)

    async def _find(self, series_id: int) -> Row | None:
        home = home_of(series_id)
        return await self._tables.get(TABLE, home, _rk(series_id)) if home else None


def _rk(series_id: int) -> str:
    return f"s|{series_id}"


def reserved_id(bookings: Sequence[Booking]) -> int:
    return bookings[0].booking_id


def _numbered(drafts: Sequence[Booking], series_id: int) -> list[Booking]:
    """With the series' id, which is the first booking's."""
    first = replace(drafts[0], booking_id=series_id)
    return [replace(draft, series_id=series_id) for draft in (first, *drafts[1:])]


def _pending(booking: Booking, seed: NewRoom | None, fence: str) -> dict[str, Value]:
    return {**booking_row(replace(booking, state=State.PENDING), seed), "fence": fence}


def _unknown(series_id: int) -> Problem:
    return Problem(404, "series_not_found", {"series_id": str(series_id)})
