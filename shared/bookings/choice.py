"""Which room a booking gets. Pure: decided from what one wait for storage has read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from shared.bookings.claims import Day
from shared.bookings.models import DEFAULT_ROOM_SIZE, Booking, Room
from shared.platform.problems import Problem


def choose(
    days: Sequence[Day],
    rooms: Sequence[Room],
    booking: Booking,
    *,
    capacity: int,
    apart: timedelta,
) -> Room | None:
    """The room asked for, or the first free one for two, or None: a new one is needed.

    A room that we choose is free for `apart` on both sides too, so that people who come early
    never meet those who leave late; one that was asked for only has to be free in the interval.
    Raises Problem 409 when the room is taken or the machines carry no more.
    """
    start, end = booking.start, booking.end
    asked = booking.room_id
    if asked and asked in _taken(days, booking, timedelta(0)):
        raise Problem(409, "room_taken", {"room_id": str(asked)})
    if any(day.peak(start, end) >= capacity for day in days):
        raise Problem(409, "capacity_exhausted")
    if asked:
        return rooms[0]
    taken = _taken(days, booking, apart)
    free = (r for r in rooms if r.size == DEFAULT_ROOM_SIZE and r.room_id not in taken)
    return next(free, None)


def _taken(days: Sequence[Day], booking: Booking, apart: timedelta) -> set[int]:
    return {
        room for day in days for room in day.taken_rooms(booking.start - apart, booking.end + apart)
    }
