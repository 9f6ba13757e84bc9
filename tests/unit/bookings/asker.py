"""What asks the calendar and the model the same, and compares the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from shared.bookings.models import Booking
from shared.bookings.payloads import BookingCreate, BookingExtend, BookingPatch, SeriesCreate
from shared.bookings.rows import stored_booking
from shared.platform.auth import Caller
from shared.platform.problems import Problem
from shared.platform.tables import StorageUnavailable
from tests.fakes.faults import Faults, When, none
from tests.fakes.queues import FakeQueues
from tests.fakes.tables import FakeTables
from tests.unit.bookings.model import HOUR, Item, Model, Slot
from tests.world import ADMIN, ALICE, World

T = TypeVar("T")

CAPACITY = 3
FAR = 30 * 24
"""Hours: where the bookings are by which the first rooms came to be."""

NOWHERE = 4711
"""A room that there is not."""

UNKNOWN = {"storage", "calendar_busy"}
"""Codes that leave it open what came of the request."""


class Asker(RuleBasedStateMachine):
    """Without a fault each answer is exactly what the model says; with one it may be unknown."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.faults = Faults()
        over = self.faults.over
        self.world = World(
            over(FakeTables()), over(FakeQueues()), local_vms=1, vm_capacity=CAPACITY
        )
        self.services = self.world.services
        self.services.series._desk.contention._pause = _at_once
        self.model = Model(CAPACITY)
        self.first_rooms: list[int] = []

    def teardown(self) -> None:
        self.runner.close()

    # -- helpers ---------------------------------------------------------------------------------

    def run(self, work: Awaitable[T]) -> T:
        async def main() -> T:
            return await work

        return self.runner.run(main())

    def ask(self, work: Awaitable[T]) -> tuple[T | None, str]:
        try:
            return self.run(work), ""
        except Problem as problem:
            return None, problem.code.replace("invalid_request", "invalid")
        except StorageUnavailable:
            return None, "storage"

    def armed(self, fault: tuple[int, When, bool] | None) -> None:
        self.faults.set(none)
        if fault:
            self.faults.lose(fault[0], fault[1], resent=fault[2])

    def settled(self) -> bool:
        """Whether a fault was met: then what happens by itself has happened too."""
        met = self.faults.fired
        self.faults.set(none)
        if met:
            self.world.clock.advance(minutes=3)
            self.run(self.world.drain())
            self.run(self.services.sweeper.run())
        return met

    def judge(self, expected: str, code: str) -> bool:
        """Whether it is open what came of the request."""
        if self.settled():
            assert code in {expected, *UNKNOWN}, (code, expected)
            return code in UNKNOWN
        assert code == expected
        return False

    def slot(self, start: int, hours: int) -> Slot:
        now = self.world.now
        hour = now.replace(minute=0, second=0, microsecond=0)
        begin = (hour if hour == now else hour + HOUR) + start * HOUR
        return begin, begin + hours * HOUR

    @property
    def items(self) -> list[Item]:
        return [i for i in self.model.items.values() if i.number not in self.seeds]

    def pick(self, number: int, *, running: bool = False) -> Item:
        """One of all or, mostly, of those that run."""
        now = self.world.now
        some = [i for i in self.items if i.state == "active" and i.start <= now < i.end]
        found = some if running and some and number % 5 else self.items
        return found[number % len(found)]

    def room(self, pick: int | None) -> int:
        if pick is None or pick == NOWHERE:
            return pick or 0
        return self.first_rooms[pick]

    def stored(self) -> dict[int, Booking]:
        found = [
            stored_booking(row).booking
            for (table, _), rows in self.world.tables.rows.items()
            for rk, row in rows.items()
            if table == "Calendar" and rk.startswith("m|")
        ]
        return {booking.booking_id: booking for booking in found}

    def born(self, slots: Sequence[Slot], legal: set[int], expected: str, open_: bool) -> None:
        """What was booked by the last request: all of it, or nothing; in a room that is right."""
        new = [b for n, b in self.stored().items() if n not in self.model.items]
        new.sort(key=lambda b: b.start)
        if expected or (open_ and not new):
            assert not new
            return
        assert [(b.start, b.end) for b in new] == list(slots)
        for booking in new:
            self.right_room(booking.room_id, legal)
            assert booking.room_id == new[0].room_id
        for b in new:
            self.model.put(
                Item(
                    b.booking_id,
                    b.booker,
                    b.room_id,
                    b.start,
                    b.end,
                    b.asked,
                    "active",
                    b.series_id,
                )
            )

    def right_room(self, room: int, legal: set[int]) -> None:
        """A new one only where none is free; one that a fault left behind counts as new."""
        assert (
            room in legal
            if legal and not self.faulty
            else room in legal | {room} - (self.model.rooms - legal)
        )

    faulty = False

    # -- what is asked ---------------------------------------------------------------------------

    def begin(self, slots: list[tuple[int, int]]) -> None:
        self.seeds: set[int] = set()
        for _ in range(3):
            booked = self.run(self.world.book(FAR * 60, who=ADMIN))
            b = booked.booking
            self.model.put(Item(b.booking_id, ADMIN.sub, b.room_id, b.start, b.end, False))
            self.seeds.add(b.booking_id)
            self.first_rooms.append(b.room_id)
        for start, hours in slots:
            self.create(ALICE, start, hours, None, None)

    def create(self, who: Caller, start: int, hours: int, pick: int | None, fault: Any) -> None:
        room, slot = self.room(pick), self.slot(start, hours)
        expected = self.model.booking_code([slot], room, self.world.now)
        legal = self.model.rooms_for([slot], room)
        request = BookingCreate(start_time=slot[0], end_time=slot[1], room_id=room or None)
        self.armed(fault)
        _, code = self.ask(self.services.bookings.create(who, request, ""))
        self.born([slot], legal, expected, self.judge(expected, code))

    def recur(
        self, who: Caller, start: int, hours: int, pick: int | None, rrule: str, fault: Any
    ) -> None:
        room, first = self.room(pick), self.slot(start, hours)
        frequency, count = rrule.split()
        step = timedelta(days=7 if frequency == "WEEKLY" else 1)
        slots = [(first[0] + n * step, first[1] + n * step) for n in range(int(count))]
        expected = self.model.booking_code(slots, room, self.world.now)
        legal = self.model.rooms_for(slots, room)
        request = SeriesCreate(
            start_time=first[0],
            end_time=first[1],
            time_zone="UTC",
            rrule=f"FREQ={frequency};COUNT={count}",
            room_id=room or None,
        )
        self.armed(fault)
        _, code = self.ask(self.services.series.create(who, request, ""))
        self.born(slots, legal, expected, self.judge(expected, code))

    def cancel(self, pick: int, who: Caller, fault: Any) -> None:
        item, now = self.pick(pick), self.world.now
        expected = self.model.cancel_code(item, now, who.is_admin)
        if not who.is_admin and who.sub != item.who:
            expected = "booking_not_found"
        self.armed(fault)
        _, code = self.ask(self.services.bookings.cancel(who, item.number, ""))
        open_ = self.judge(expected, code)
        self.follow(item, expected, open_, state="cancelled")

    def cancel_all(self, pick: int, fault: Any) -> None:
        item, now = self.pick(pick), self.world.now
        if not item.series:
            return
        every = [i for i in self.items if i.series == item.series and i.state != "cancelled"]
        codes = {i.number: self.model.cancel_code(i, now, True) for i in every}
        self.armed(fault)
        answer, code = self.ask(self.services.series.cancel(ADMIN, item.series, ""))
        open_ = self.judge("", code)
        if answer:
            assert {n for n, c in codes.items() if not c} == set(answer.cancelled)
            assert {n: c for n, c in codes.items() if c} == {
                kept.booking_id: kept.code for kept in answer.kept
            }
        for each in every:
            self.follow(each, codes[each.number], open_, state="cancelled")

    def move(self, pick: int, admin: bool, to: Slot, room: int, fault: Any) -> None:
        item, now = self.pick(pick), self.world.now
        who = ADMIN if admin else Caller(item.who, "acme", frozenset({"user"}))
        expected = self.model.move_code(item, to, room, now, admin)
        legal = self.model.rooms_to_move(item, to, room)
        patch = BookingPatch(start_time=to[0], end_time=to[1], room_id=room or None)
        self.armed(fault)
        _, code = self.ask(self.services.bookings.reschedule(who, item.number, patch, ""))
        open_ = self.judge(expected, code)
        found = self.stored()[item.number]
        same = (to, room or item.room) == (item.slot, item.room)
        if same or expected or (open_ and (found.start, found.end) == item.slot != to):
            self.follow(item, "unchanged", False)
            return
        if open_ and to == item.slot and found.room_id == item.room:
            return
        self.right_room(found.room_id, legal)
        asked = item.asked or bool(room)
        self.follow(item, "", False, start=to[0], end=to[1], room=found.room_id, asked=asked)

    def extend(self, pick: int, hours: int, fault: Any) -> None:
        item, now = self.pick(pick, running=True), self.world.now
        end = item.end + hours * HOUR
        expected = self.model.extend_code(item, end, now)
        request = BookingExtend(end_time=end)
        self.armed(fault)
        _, code = self.ask(self.services.bookings.extend(ADMIN, item.number, request, ""))
        self.follow(item, expected, self.judge(expected, code), end=end)

    def end(self, pick: int, fault: Any) -> None:
        item, now = self.pick(pick, running=True), self.world.now
        expected = self.model.end_code(item, now)
        self.armed(fault)
        _, code = self.ask(self.services.bookings.end(ADMIN, item.number, ""))
        open_ = self.judge(expected, code)
        if item.state == "active" and item.start <= now < item.end:
            self.follow(item, expected, open_, state="ended", end=now)

    def follow(self, item: Item, expected: str, open_: bool, **changes: Any) -> None:
        """The model becomes what was answered or, where that is open, what is stored."""
        found = self.stored()[item.number]
        actual = (found.start, found.end, found.room_id, found.state.value)
        if not expected and not (open_ and actual == (*item.slot, item.room, item.state)):
            self.model.change(item.number, **changes)
        after = self.model.items[item.number]
        assert actual == (*after.slot, after.room, after.state)


async def _at_once(number: int) -> None:
    """No pause before another attempt."""
