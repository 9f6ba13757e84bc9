"""The rows of a booking in the calendar, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.bookings.models import Booking, Guest, State
from shared.platform.clock import iso, parse
from shared.platform.tables import Row, Value

TABLE = "Calendar"


@dataclass(frozen=True, slots=True)
class NewRoom:
    """What a booking's row keeps of a room that is born with it, to mend the room's row from."""

    size: int
    sealed_pin: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A booking as read from its home."""

    booking: Booking
    data: Mapping[str, Value]
    new_room: NewRoom | None

    def changed(self, after: Booking, new_room: NewRoom | None = None) -> dict[str, Value]:
        """The row of what the booking becomes; what else the row holds stays."""
        kept = dict(self.data)
        if after.room_id != self.booking.room_id:
            kept = {name: value for name, value in kept.items() if not name.startswith("room_")}
        return {**kept, **booking_row(after, new_room)}


def booking_rk(booking_id: int) -> str:
    return f"m|{booking_id}"


def booking_row(booking: Booking, new_room: NewRoom | None = None) -> dict[str, Value]:
    row: dict[str, Value] = {
        "booking_id": booking.booking_id,
        "tenant": booking.tenant,
        "booker": booking.booker,
        "room_id": booking.room_id,
        "start": iso(booking.start),
        "end": iso(booking.end),
        "created_at": iso(booking.created_at),
        "state": booking.state.value,
        "attempt": booking.attempt,
        "sequence": booking.sequence,
        "asked": booking.asked,
        "series_id": booking.series_id,
        "guests": json.dumps([_guest_row(guest) for guest in booking.guests], ensure_ascii=False),
        "revoked": json.dumps(sorted(booking.revoked)),
    }
    if new_room:
        row |= {"room_size": new_room.size, "room_pin": new_room.sealed_pin}
    return row


def _guest_row(guest: Guest) -> dict[str, str | None]:
    return {"id": guest.id, "name": guest.name, "email": guest.email}


def stored_booking(row: Row) -> Stored:
    data: Mapping[str, Any] = row.data
    booking = Booking(
        booking_id=int(data["booking_id"]),
        tenant=str(data["tenant"]),
        booker=str(data["booker"]),
        room_id=int(data["room_id"]),
        start=parse(str(data["start"])),
        end=parse(str(data["end"])),
        created_at=parse(str(data["created_at"])),
        state=State(str(data["state"])),
        attempt=str(data["attempt"]),
        sequence=int(data["sequence"]),
        asked=bool(data["asked"]),
        series_id=int(data["series_id"]),
        guests=tuple(Guest(**guest) for guest in json.loads(data["guests"])),
        revoked=frozenset(json.loads(data["revoked"])),
        etag=row.etag,
    )
    born = "room_pin" in data
    new_room = NewRoom(int(data["room_size"]), str(data["room_pin"])) if born else None
    return Stored(booking, data, new_room)
