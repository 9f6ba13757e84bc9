"""The rows of a booking in the calendar, and back."""

from __future__ import annotations

from dataclasses import dataclass

from shared.bookings.models import Booking, State
from shared.platform.clock import Clock, iso, parse, stamp
from shared.platform.ids import Ids
from shared.platform.tables import Insert, Row, Value

TABLE = "Calendar"


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


def booking_row(draft: Draft) -> dict[str, Value]:
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


def stored_booking(row: Row) -> Stored:
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


def audit_row(audit: Audit, booking_id: int, clock: Clock, ids: Ids) -> Insert:
    now = iso(clock.now())
    row: dict[str, Value] = {
        "at": now,
        "actor": audit.actor,
        "action": audit.action,
        "subject": str(booking_id),
        "address": audit.address,
    }
    return Insert(f"u|{stamp(clock.now())}|{ids.token()}", row)
