"""How bookings are shown, wherever an operation answers one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.door import Call
from shared.bookings.models import SHARED_LINK, Booking, Guest
from shared.bookings.payloads import BookingDetail, InviteView

if TYPE_CHECKING:
    from shared.bookings.rows import Stored


async def booking_detail(call: Call[Any], stored: Stored) -> BookingDetail:
    bookings, booking = call.services.bookings, stored.booking
    extra = {}
    if bookings.shows_password(booking):
        extra["password"] = bookings.password(await bookings.room_of(stored))
    if booking.status(bookings.now()) == "upcoming" and booking.guest(SHARED_LINK):
        extra["invite_url"] = call.services.invite_url(booking)
    return BookingDetail(**booking_fields(call, booking), **extra)


def booking_fields(call: Call[Any], booking: Booking) -> dict[str, object]:
    bookings = call.services.bookings
    until = bookings.free_until(call.caller, booking)
    return {
        "booking_id": booking.booking_id,
        "room_id": booking.room_id,
        "start_time": booking.start,
        "end_time": booking.end,
        "status": booking.status(bookings.now()),
        "phase": bookings.phase(booking),
        "opens_at": bookings.opens_at(booking),
        "cancel_until": until,
        "change_until": until,
        "series_id": booking.series_id or None,
    }


def invite_view(call: Call[Any], booking: Booking, guest: Guest) -> InviteView:
    url = call.services.invite_url(booking, guest.id)
    return InviteView(invite_id=guest.id, name=guest.name, email=guest.email, invite_url=url)
