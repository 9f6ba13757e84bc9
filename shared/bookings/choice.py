"""Which room a booking gets. Pure: decided from what one wait for storage has read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.bookings.claims import Day
from shared.bookings.models import DEFAULT_ROOM_SIZE, Room
from shared.platform.problems import Problem, busy


@dataclass(frozen=True, slots=True)
class Wish:
    """An interval to be taken. `mover` is the booking that leaves another one for it, 0 for none.

    `asked` is the room that it must be, `kept` the mover's own, which it should be; 0 for none.
    """

    start: datetime
    end: datetime
    mover: int = 0
    asked: int = 0
    kept: int = 0


Near = Sequence[tuple[Wish, Sequence[Day]]]
"""Wishes for one and the same room, each with the days that decide on it."""


def choose(near: Near, rooms: Sequence[Room], *, capacity: int, apart: timedelta) -> Room | None:
    """The room asked for, the one to keep, the first free one for two; None: a new one is needed.

    A room that we choose is free for `apart` on both sides too, so that people who come early
    never meet those who leave late; one that was asked for only has to be free in the interval.
    Raises Problem 409 when the room is taken or the machines carry no more, 503 while the pin of
    the room asked for is being changed: its booker must be told the one that will hold.
    """
    asked, kept = near[0][0].asked, near[0][0].kept
    taken = _taken(near, timedelta(0))
    if asked and asked in taken:
        raise Problem(409, "room_taken", {"room_id": str(asked)})
    if any(_peak(wish, days) >= capacity for wish, days in near):
        raise Problem(409, "capacity_exhausted")
    closed = {room for _, days in near for day in days for room in day.closed}
    if asked or (kept and kept not in taken | closed):
        found = next((room for room in rooms if room.room_id == (asked or kept)), None)
        if found and found.undecided and found.room_id != kept:
            raise busy()
        return found
    taken = _taken(near, apart) | closed
    # Nor one whose pin is just being changed: a Janus that fails may keep it so for long.
    free = (
        room
        for room in rooms
        if room.size == DEFAULT_ROOM_SIZE and room.room_id not in taken and not room.unsettled
    )
    return next(free, None)


def _taken(near: Near, apart: timedelta) -> set[int]:
    return {
        room
        for wish, days in near
        for day in days
        for room in day.taken_rooms(wish.start - apart, wish.end + apart, wish.mover)
    }


def _peak(wish: Wish, days: Sequence[Day]) -> int:
    return max(day.peak(wish.start, wish.end, wish.mover) for day in days)
