"""Making a booking: two waits for storage, one to read and one to commit, when nobody competes."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.bookings.attempts import Attempt, claims_of
from shared.bookings.choice import Wish
from shared.bookings.claims import claimed_days, home_of
from shared.bookings.desk import Desk
from shared.bookings.events import booking_event
from shared.bookings.finding import Found
from shared.bookings.models import Booking, Guest, Room
from shared.bookings.payloads import BookingCreate, GuestCreate
from shared.bookings.rooms import Hosts
from shared.bookings.rows import NewRoom, booking_rk, booking_row
from shared.events.catalogue import Audit, DomainEvent, EventType
from shared.platform.auth import Caller
from shared.platform.clock import Clock
from shared.platform.i18n import Message, say
from shared.platform.ids import Ids
from shared.platform.once import Once, Replay
from shared.platform.problems import FieldError, Problem, invalid
from shared.platform.tables import Insert, Op
from shared.platform.waiting import beside, together

if TYPE_CHECKING:
    from shared.platform.settings import Settings

LATE = timedelta(minutes=5)
"""How far in the past a booking may begin: clocks differ, and «now» travels."""


@dataclass(frozen=True, slots=True)
class Booked:
    booking: Booking
    room: Room


@dataclass(slots=True)
class Draft:
    """A booking about to be made; its id may still change. `event_id` is chosen before the first
    try, because its pointer is put then."""

    booking: Booking
    event_id: str
    audit: Audit
    once: Once[Booked] | None
    begun: bool = False

    @property
    def home(self) -> str:
        return home_of(self.booking.booking_id)


class Maker:
    def __init__(self, desk: Desk, hosts: Hosts) -> None:
        self._desk = desk
        self._hosts = hosts

    async def create(
        self, caller: Caller, request: BookingCreate, address: str, once: Once[Booked] | None = None
    ) -> Booked:
        """Books the room asked for, or a free one, or a new one.

        Problems: 400 interval, 404 room, 409 taken or no capacity, 503 Janus, storage, or too many
        others booking the same day; with a key also what `Once.begin` raises.
        """
        try:
            check_interval(
                request.start_time, request.end_time, self._desk.clock, self._desk.settings
            )
        except Problem:
            if once:
                await once.replayed(self._row)
            raise
        draft = self._draft(caller, request, address, once)
        try:
            return await self._desk.contention.run(
                draft.home, lambda number: self._attempt(draft, first=number == 0)
            )
        except (Problem, Replay) as refusal:
            if draft.begun:
                await self._take_back(draft, refusal)
            raise

    async def _take_back(self, draft: Draft, refusal: Problem | Replay) -> None:
        if not (draft.once and draft.once.shared):  # else another may make a booking of this hint
            await self._desk.index.drop(draft.booking)
        if draft.once and isinstance(refusal, Problem):
            await draft.once.release()

    async def _attempt(self, draft: Draft, *, first: bool) -> Booked:
        if not first:
            await self._fresh(draft)
        booking, settings = draft.booking, self._desk.settings
        # What the key says comes first: a replay may find its own booking in the way.
        *_, found, host = await together(
            *(self._beginnings(draft) if first else ()),
            self._desk.finder.find(
                booking.tenant, [Wish(booking.start, booking.end, asked=booking.room_id)]
            ),
            self._hosts.host_for(settings.pool, booking.start, booking.end),
        )
        if host:
            code = "new_room_create_failed" if found.born else "room_create_failed"
            await host.make(found.room, code)
        return await self._commit(draft, found)

    def _beginnings(self, draft: Draft) -> Sequence[Awaitable[None]]:
        """What is written before the commit: nobody sees a booking in it."""
        draft.begun = True
        return [
            self._reserve(draft),
            self._desk.calendar.announce(draft.home, draft.event_id),
            self._desk.index.put(draft.booking),
        ]

    async def _reserve(self, draft: Draft) -> None:
        """Takes the idempotency key; an earlier request that died may have chosen the id."""
        if draft.once:
            number = draft.booking.booking_id
            reserved = int(await draft.once.begin(str(number), self._row))
            if reserved != number:
                await self._renumber(draft, reserved)

    async def _row(self, booking_id: str) -> Mapping[str, Any] | None:
        stored = await self._desk.calendar.find(int(booking_id))
        return stored.data if stored else None

    async def _fresh(self, draft: Draft) -> None:
        """Another id when somebody else's booking has ours: a million a day are not many."""
        stored = await self._desk.calendar.find(draft.booking.booking_id)
        if stored is None:
            return
        if draft.once and draft.once.made(stored.data):
            raise draft.once.replay(stored.data)  # somebody took our key over, and was faster
        number = self._desk.ids.booking_id(self._desk.settings.pool, draft.booking.start)
        if draft.once:
            await draft.once.reserve(str(number))
        await self._renumber(draft, number)

    async def _renumber(self, draft: Draft, number: int) -> None:
        await self._desk.index.drop(draft.booking)
        draft.booking = replace(draft.booking, booking_id=number)
        await self._desk.index.put(draft.booking)

    async def _commit(self, draft: Draft, found: Found) -> Booked:
        attempt_id, room = self._desk.ids.token(), found.room
        booking = replace(draft.booking, room_id=room.room_id, attempt=attempt_id)
        booked = Booked(booking, room)
        seed = NewRoom(room.size, room.sealed_pin) if found.born else None
        row = booking_row(booking, seed) | (draft.once.sealed(booked) if draft.once else {})
        days = claimed_days(booking)
        claims = claims_of(booking, draft.home, days, self._desk.clock)
        ops: dict[str, list[Op]] = {c.pk: [Insert(c.rk, c.to_row())] for c in claims}
        ops[draft.home].append(Insert(booking_rk(booking.booking_id), row))
        attempt = Attempt(
            id=attempt_id,
            home=draft.home,
            witness=booking.booking_id,
            days=found.of(days),
            ops=ops,
            pending=[claim for claim in claims if claim.pending],
            events=[self._event(booking, draft)],
        )
        # A new room's row is written beside the booking's; the event's subscriber mends a lost one.
        # Should the booking fail, the room is one that is free: the next attempt finds it.
        await beside(
            self._desk.calendar.commit(attempt, announced=True),
            *self._desk.rooms.births(room, born=found.born),
            self._desk.room_index.put([booking]),
        )
        return booked

    def _event(self, booking: Booking, draft: Draft) -> DomainEvent:
        kind = EventType.BOOKING_CREATED
        return booking_event(self._desk.outbox, kind, booking, draft.audit, event_id=draft.event_id)

    def _draft(
        self,
        caller: Caller,
        request: BookingCreate,
        address: str,
        once: Once[Booked] | None,
    ) -> Draft:
        booking = Booking(
            booking_id=self._desk.ids.booking_id(self._desk.settings.pool, request.start_time),
            tenant=caller.tenant,
            booker=caller.sub,
            room_id=request.room_id or 0,
            start=request.start_time,
            end=request.end_time,
            created_at=self._desk.clock.now(),
            asked=request.room_id is not None,
            guests=new_guests(request.guests, self._desk.ids),
        )
        audit = Audit(caller.sub, "booking.create", address)
        return Draft(booking, self._desk.ids.event_id(), audit, once)


def new_guests(asked: Sequence[GuestCreate], ids: Ids) -> tuple[Guest, ...]:
    return tuple(Guest(ids.token(), guest.name, guest.email) for guest in asked)


def check_interval(
    start: datetime, end: datetime, clock: Clock, settings: Settings, *, fresh: bool = True
) -> None:
    """Raises Problem 400 for an interval that nobody may book; `fresh`: the start is a new one."""
    notice = settings.min_notice if fresh else timedelta(0)
    errors = interval_errors(start, end, clock.now(), settings, notice)
    if errors:
        raise invalid(errors)


def interval_errors(
    start: datetime, end: datetime, now: datetime, settings: Settings, notice: timedelta
) -> list[FieldError]:
    longest, horizon = settings.max_booking, settings.horizon
    rules = [
        (start >= end, "end_time", "deve ser depois de start_time", "must be after start_time"),
        (
            end - start > longest,
            "end_time",
            f"no máximo {say(longest, 'pt')} depois",
            f"at most {say(longest, 'en')} later",
        ),
        (start < now - LATE, "start_time", "não pode estar no passado", "must not be in the past"),
        (
            bool(notice) and start < now + notice,
            "start_time",
            f"com pelo menos {say(notice, 'pt')} de antecedência",
            f"at least {say(notice, 'en')} ahead",
        ),
        (
            start > now + horizon,
            "start_time",
            f"no máximo {say(horizon, 'pt')} à frente",
            f"at most {say(horizon, 'en')} ahead",
        ),
        (end <= now, "end_time", "deve estar no futuro", "must be in the future"),
    ]
    return [FieldError(field, Message(pt, en)) for broken, field, pt, en in rules if broken]
