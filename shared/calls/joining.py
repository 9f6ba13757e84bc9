"""Joining: who may enter which room, when, and with which tokens (webrtc-streaming.md 7.1)."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NoReturn

from shared.audit.models import plain_address
from shared.bookings.claims import home_of
from shared.bookings.models import SHARED_LINK, Booking, Guest, Room, State
from shared.bookings.rows import Stored
from shared.bookings.service import Bookings
from shared.calls.models import (
    InviteJoinRequest,
    InviteShown,
    InviteShowRequest,
    JoinRequest,
    Seat,
    Ticket,
    Visit,
)
from shared.calls.presence import INVITED, USER
from shared.calls.store import CallStore, Seats
from shared.fleet.service import FleetService, Ready, Waiting
from shared.janus.keys import room_secret, vm_keys
from shared.janus.port import Janus, JanusError, NoSuchRoom
from shared.janus.tokens import room_token, session_token
from shared.platform import logs
from shared.platform.auth import Caller, Invites
from shared.platform.clock import Clock, iso
from shared.platform.ids import Ids
from shared.platform.problems import Problem, busy
from shared.platform.tables import Conflict

if TYPE_CHECKING:
    from shared.platform.settings import Settings

CONNECTING = timedelta(seconds=60)
"""How long a seat is kept for a browser that holds a ticket and is not in the room yet."""

RECOVERING = timedelta(seconds=30)
"""How long a seat is kept for somebody who vanished without a word: after a Janus restart
everybody has, and comes back within seconds."""

HOST = "host"
"""The key of the seat of whoever booked."""

RETRY_AFTER = {"Retry-After": "2"}
TRIES = 6


@dataclass(frozen=True, slots=True)
class Person:
    """Who sits down. `id` is the same in every browser of that person; `address` is where the
    ticket goes."""

    id: str
    display: str
    address: str
    host: bool = False

    def seat(self, nonce: str) -> str:
        """The key of their seat: whoever booked or has an own invite has one, wherever their newest
        browser is. The shared invite is anybody's, so each browser that has it is somebody else."""
        if self.host:
            return HOST
        shared = self.id == INVITED + SHARED_LINK
        browser = f"{self.id}\n{nonce}" if shared else self.id
        return hashlib.sha256(browser.encode()).hexdigest()[:16]


class Joining:
    def __init__(
        self,
        bookings: Bookings,
        fleet: FleetService,
        store: CallStore,
        invites: Invites,
        janus_key: str,
        settings: Settings,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._bookings = bookings
        self._fleet = fleet
        self._store = store
        self._invites = invites
        self._janus_key = janus_key
        self._settings = settings
        self._clock = clock
        self._ids = ids

    async def by_booker(
        self, caller: Caller, booking_id: int, request: JoinRequest, address: str
    ) -> Ticket:
        """Problems: 403 early, 404, 409 full, 410 over, 425 starting, 503 Janus."""
        stored = await self._bookings.find(caller.tenant, booking_id)
        if stored is None or stored.booking.booker != caller.sub:
            raise Problem(404, "booking_not_found", {"booking_id": str(booking_id)})
        display = request.display or caller.display[:80]
        person = Person(USER + caller.sub, display, plain_address(address), host=True)
        return await self._join(stored, person, request.nonce)

    async def by_invite(self, request: InviteJoinRequest, address: str) -> Ticket:
        """As `by_booker`, and 401 for an invite that is forged, 410 for one that is revoked."""
        stored, guest = await self._invited(request.token)
        display = request.display or (guest.name or "")[:80]
        person = Person(INVITED + guest.id, display, plain_address(address))
        ticket = await self._join(stored, person, request.nonce)
        # Whoever revokes looks for seats afterwards, and we look for that: one sees the other.
        try:
            await self._invited(request.token)
        except Problem:
            await self._store.dismiss(ticket.room_id, ticket.booking_id, person.id)
            raise
        return ticket

    async def show(self, request: InviteShowRequest) -> InviteShown:
        """What the page needs to know without joining. Problems: 401 forged, 410 revoked."""
        stored, guest = await self._invited(request.token)
        booking = stored.booking
        return InviteShown(
            booking_id=booking.booking_id,
            start_time=booking.start,
            end_time=booking.end,
            phase=self._bookings.phase(booking),
            opens_at=self._bookings.opens_at(booking),
            name=guest.name,
        )

    async def _invited(self, token: str) -> tuple[Stored, Guest]:
        invite = self._invites.read(token)
        stored = await self._bookings.find(invite.tenant, invite.booking_id)
        if stored is None:
            raise Problem(401, "invite_invalid")
        guest = stored.booking.guest(invite.jti)
        if guest is None:
            raise Problem(410, "invite_revoked")
        return stored, guest

    def invite_token(self, booking: Booking, invite_id: str = SHARED_LINK) -> str:
        """What the link of one invite holds; the same each time."""
        return self._invites.issue(booking.booking_id, booking.tenant, invite_id)

    async def _join(self, stored: Stored, person: Person, nonce: str) -> Ticket:
        booking = stored.booking
        await self._check_window(booking)
        room = await self._bookings.room_of(stored)
        located = await self._fleet.locate(booking)
        if not isinstance(located, Ready):
            await self._not_ready(located)
        room = await self._settled(stored, room, located)
        visit = await self._sit(booking, room, located, person, nonce)
        logs.event(
            "call.admitted",
            booking_id=booking.booking_id,
            participant_id=visit.participant_id,
            host=person.host,
        )
        return self._ticket(booking, room, located, visit, host=person.host)

    async def _check_window(self, booking: Booking) -> None:
        now = self._clock.now()
        if booking.state is State.CANCELLED:
            raise Problem(410, "booking_cancelled")
        if booking.state is State.ENDED or now >= booking.end:
            raise Problem(410, "booking_over")
        opens = booking.start - self._settings.join_early
        if now < booking.start and now >= opens:
            opens = max(opens, await self._previous_end(booking))
        if now < opens:
            at = iso(opens)
            raise Problem(403, "too_early", {"opens_at": at}, extra={"opens_at": at})

    async def _previous_end(self, booking: Booking) -> datetime:
        """Early people never walk into the call that still runs in the same room."""
        pool = int(home_of(booking.booking_id)[:2])
        since = booking.start - self._settings.max_booking
        claims = await self._bookings.claims(pool, since, booking.start)
        ends = [
            claim.end
            for claim in claims
            if claim.room_id == booking.room_id and claim.start < booking.start
        ]
        return max(ends, default=since)

    async def _not_ready(self, state: Waiting) -> NoReturn:
        if state == "waiting":
            await self._fleet.wake()
        raise _starting(state)

    async def _sit(
        self, booking: Booking, room: Room, located: Ready, person: Person, nonce: str
    ) -> Visit:
        """Takes a seat, or its own again; the seat's former participant is out when it returns.

        Whoever booked always gets one; guests get what is left.
        """
        key = person.seat(nonce)
        for _ in range(TRIES):
            present, seats = await asyncio.gather(
                self._present(located.janus, room),
                self._store.seats(room.room_id, booking.booking_id),
            )
            if not person.host and self._guests(seats, present, key) >= room.size - 1:
                raise Problem(409, "room_full")
            visit = Visit(
                participant_id=self._ids.participant_id(),
                booking_id=booking.booking_id,
                tenant=booking.tenant,
                person=person.id,
                display=person.display,
                address=person.address,
            )
            try:
                seat = Seat(booking.booking_id, key, visit.participant_id, self._clock.now())
                await self._store.seat(room.room_id, seats, seat, visit)
            except Conflict:
                continue
            kept = {other.participant_id for other in seats.taken if other.key != key}
            await self._clear(located.janus, room, present - kept)
            return visit
        raise busy()

    async def _settled(self, stored: Stored, room: Room, located: Ready) -> Room:
        """The room with the pin that its Janus has, also while that is being changed."""
        try:
            return await self._fleet.settle(located, room, lambda: self._bookings.room_of(stored))
        except JanusError as error:
            raise await self._failed(error) from error

    async def _present(self, janus: Janus, room: Room) -> set[int]:
        try:
            return {p.id for p in await janus.participants(room.room_id)}
        except JanusError as error:
            raise await self._failed(error) from error

    async def _failed(self, error: JanusError) -> Problem:
        await self._fleet.wake()
        if isinstance(error, NoSuchRoom):
            return _starting("starting")
        return Problem(503, "janus_unavailable", headers=RETRY_AFTER)

    def _guests(self, seats: Seats, present: set[int], key: str) -> int:
        """The seats of other guests in use: in the room, on the way there, or back soon."""
        now = self._clock.now()
        others = (seat for seat in seats.taken if seat.key not in (key, HOST))
        return sum(
            seat.participant_id in present
            or _expected(seat, seats.visits.get(seat.participant_id), now)
            for seat in others
        )

    async def _clear(self, janus: Janus, room: Room, unseated: set[int]) -> None:
        """Throws out whoever holds no seat: our own ghost, or people of the call before."""
        secret = room_secret(self._janus_key, room.room_id)
        try:
            for participant_id in unseated:
                await janus.kick(room.room_id, secret, participant_id)
        except JanusError as error:
            raise Problem(503, "janus_unavailable", headers=RETRY_AFTER) from error

    def _ticket(
        self, booking: Booking, room: Room, located: Ready, visit: Visit, *, host: bool
    ) -> Ticket:
        expires = booking.end + self._settings.join_grace
        secret = vm_keys(self._janus_key, located.vm).token_secret
        return Ticket(
            booking_id=booking.booking_id,
            room_id=room.room_id,
            participant_id=visit.participant_id,
            display=visit.display,
            host=host,
            janus_url=located.janus_urls[0],
            janus_urls=list(located.janus_urls),
            session_token=session_token(secret, expires),
            room_token=room_token(secret, room.room_id, expires),
            pin=self._bookings.password(room),
            ice_servers=self._settings.ice_servers,
            start_time=booking.start,
            end_time=booking.end,
            expires_at=expires,
        )


def _expected(seat: Seat, visit: Visit | None, now: datetime) -> bool:
    """Whether somebody who is not in the room will be. Whoever left for good has no seat any more:
    Janus' event frees it."""
    if visit is None or not visit.joined_at:
        return now - seat.issued_at < CONNECTING
    return visit.left_at is None or now - visit.left_at < RECOVERING


def _starting(state: str) -> Problem:
    return Problem(425, "room_starting", headers=RETRY_AFTER, extra={"state": state})
