"""What is promised of the calendar, without its days, claims, attempts and fences: a list of
bookings, of which never more overlap than the machines carry, and never two in one room."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)
LATE, APART, LONGEST = timedelta(minutes=5), timedelta(minutes=20), timedelta(hours=24)

Slot = tuple[datetime, datetime]


@dataclass(frozen=True)
class Item:
    """A booking. `asked`: its room was chosen by its booker, when it was made or moved."""

    number: int
    who: str
    room: int
    start: datetime
    end: datetime
    asked: bool
    state: str = "active"
    series: int = 0

    def overlaps(self, start: datetime, end: datetime) -> bool:
        return self.start < end and start < self.end and self.start < self.end

    @property
    def slot(self) -> Slot:
        return self.start, self.end


class Model:
    """Every `…_code` is the code of the refusal; empty: it is done."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.items: dict[int, Item] = {}
        self.rooms: set[int] = set()

    def put(self, item: Item) -> None:
        self.items[item.number] = item
        self.rooms.add(item.room)

    def change(self, number: int, **changes: object) -> None:
        self.put(replace(self.items[number], **changes))  # type: ignore[arg-type]

    def holding(self, besides: int = 0) -> list[Item]:
        return [i for i in self.items.values() if i.state != "cancelled" and i.number != besides]

    # -- what is free ----------------------------------------------------------------------------

    def full(self, slots: Iterable[Slot], besides: int = 0) -> bool:
        return any(self._peak(slot, besides) >= self.capacity for slot in slots)

    def _peak(self, slot: Slot, besides: int) -> int:
        start, end = slot
        inside = [i for i in self.holding(besides) if i.overlaps(start, end)]
        moments = [max(i.start, start) for i in inside]
        return max((sum(i.start <= at < i.end for i in inside) for at in moments), default=0)

    def taken(self, room: int, slots: Iterable[Slot], besides: int = 0) -> bool:
        own = [i for i in self.holding(besides) if i.room == room]
        return any(i.overlaps(*slot) for i in own for slot in slots)

    def apart(self, slots: Sequence[Slot], besides: int = 0) -> set[int]:
        """The rooms that may be given to who asked for none."""
        wide = [(start - APART, end + APART) for start, end in slots]
        return {room for room in self.rooms if not self.taken(room, wide, besides)}

    # -- what is answered --------------------------------------------------------------------------

    def booking_code(
        self, slots: Sequence[Slot], room: int, now: datetime, besides: int = 0
    ) -> str:
        if any(s >= e or e - s > LONGEST or s < now - LATE or e <= now for s, e in slots):
            return "invalid"
        if room and room not in self.rooms:
            return "room_not_found"
        if room and self.taken(room, slots, besides):
            return "room_taken"
        return "capacity_exhausted" if self.full(slots, besides) else ""

    def rooms_for(self, slots: Sequence[Slot], room: int, besides: int = 0) -> set[int]:
        """Those that are right for who may book; empty: a new one."""
        return {room} if room else self.apart(slots, besides)

    def notice_code(self, item: Item, now: datetime, admin: bool, late: str, started: str) -> str:
        if item.state == "ended" or now >= item.start:
            return started
        return late if not admin and now > item.start - HOUR else ""

    def cancel_code(self, item: Item, now: datetime, admin: bool) -> str:
        if item.state == "cancelled":
            return ""
        return self.notice_code(item, now, admin, "cancel_too_late", "booking_started")

    def move_code(self, item: Item, slot: Slot, room: int, now: datetime, admin: bool) -> str:
        if item.state == "cancelled":
            return "booking_cancelled"
        refusal = self.notice_code(item, now, admin, "change_too_late", "change_started")
        if refusal or (slot, room or item.room) == (item.slot, item.room):
            return refusal
        return self.booking_code([slot], self.room_to_move(item, room), now, item.number)

    @staticmethod
    def room_to_move(item: Item, room: int) -> int:
        return room or (item.room if item.asked else 0)

    def rooms_to_move(self, item: Item, slot: Slot, room: int) -> set[int]:
        asked = self.room_to_move(item, room)
        if not asked and not self.taken(item.room, [slot], item.number):
            asked = item.room
        return self.rooms_for([slot], asked, item.number)

    def extend_code(self, item: Item, end: datetime, now: datetime) -> str:
        if item.state != "active" or not item.start <= now < item.end:
            return "booking_not_running"
        if end == item.end:
            return ""
        if not item.end < end <= item.start + LONGEST:
            return "invalid"
        if self.taken(item.room, [(item.start, end)], item.number):
            return "extend_taken"
        full = self.full([(item.start, end)], item.number)
        return "capacity_exhausted" if full else ""

    def end_code(self, item: Item, now: datetime) -> str:
        if item.state == "ended" or (item.state == "active" and now >= item.end):
            return ""
        running = item.state == "active" and now >= item.start
        return "" if running else "booking_not_running"
