"""What all need that make or move bookings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.bookings.calendar import Calendar
from shared.bookings.contention import Contention
from shared.bookings.finding import RoomFinder
from shared.bookings.index import BookingIndex
from shared.bookings.room_index import RoomIndex
from shared.bookings.rooms import Rooms
from shared.events.outbox import Outbox
from shared.platform.clock import Clock
from shared.platform.ids import Ids

if TYPE_CHECKING:
    from shared.platform.settings import Settings


@dataclass(frozen=True, slots=True)
class Desk:
    calendar: Calendar
    finder: RoomFinder
    contention: Contention
    rooms: Rooms
    index: BookingIndex
    room_index: RoomIndex
    outbox: Outbox
    settings: Settings
    clock: Clock
    ids: Ids
