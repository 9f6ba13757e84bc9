"""The events of bookings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.bookings.models import Booking
from shared.events.catalogue import Audit, DomainEvent, EventType
from shared.events.outbox import Outbox
from shared.platform.clock import iso


def booking_event(
    outbox: Outbox,
    kind: EventType,
    booking: Booking,
    audit: Audit | None = None,
    *,
    event_id: str = "",
    more: Mapping[str, Any] | None = None,
) -> DomainEvent:
    subject = f"booking/{booking.booking_id}"
    data = {**event_data(booking), **(more or {})}
    return outbox.event(kind, booking.tenant, subject, data, event_id=event_id, audit=audit)


def event_data(booking: Booking) -> dict[str, object]:
    """What events tell of a booking: never its password, and no link."""
    data: dict[str, object] = {
        "booking_id": booking.booking_id,
        "room_id": booking.room_id,
        "start_time": iso(booking.start),
        "end_time": iso(booking.end),
        "booked_by": booking.booker,
    }
    return data | ({"series_id": booking.series_id} if booking.series_id else {})


def before(booking: Booking) -> dict[str, object]:
    """What a change tells of how the booking was."""
    return {
        "previous": {
            "room_id": booking.room_id,
            "start_time": iso(booking.start),
            "end_time": iso(booking.end),
        }
    }
