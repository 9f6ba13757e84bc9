"""The calendar against a model, whatever is asked of it in whatever order; then the same with a
storage that gives no answer, loses one, or refuses what was sent twice.

The variable MACHINE_EXAMPLES says how many examples of each are tried.
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from shared.bookings.claims import partitions
from shared.bookings.models import State, Status
from shared.platform.auth import Caller
from shared.platform.clock import iso, parse
from shared.platform.ids import PLATFORM_TENANT
from tests.unit.bookings.asker import CAPACITY, NOWHERE, Asker
from tests.unit.bookings.model import HOUR, Item
from tests.world import ADMIN, ALICE, BOB

callers = st.sampled_from([ALICE, BOB])
starts = st.integers(0, 40) | st.sampled_from([0, 1, 2, -1])
lengths = st.sampled_from([1, 2, 5, 9, 14, 24, 3, 0, 25])
picks = st.integers(0, 99)
rooms = st.sampled_from([None, 0, 1, None, 2, 0, NOWHERE])
statuses = st.sampled_from([None, "upcoming", "past", "cancelled"])
clocks = st.sampled_from([timedelta(minutes=15), HOUR, 3 * HOUR, 10 * HOUR])
faults = st.tuples(
    st.integers(1, 9) | st.integers(1, 30), st.sampled_from(["before", "after"]), st.booleans()
)
some = precondition(lambda self: self.items)


class CalendarMachine(Asker):
    """What everybody sees, at any time."""

    @initialize(slots=st.lists(st.tuples(st.integers(0, 24), st.integers(1, 14)), max_size=8))
    def some_bookings(self, slots: list[tuple[int, int]]) -> None:
        self.begin(slots)

    @invariant()
    def claims_are_those_of_the_model(self) -> None:
        rows = sorted(
            (pk, c["booking_id"], c["room_id"], c["start"], c["end"], c["fence"])
            for table, pk in self.world.tables.rows
            if table == "Calendar"
            for c in self.world.rows(table, pk, "b|")
            if pk in partitions(0, parse(str(c["start"])), parse(str(c["end"])))
        )
        assert rows == sorted(
            (pk, i.number, i.room, iso(i.start), iso(i.end), "")
            for i in self.model.holding()
            for pk in partitions(0, i.start, i.end)
        )

    @invariant()
    def nothing_overlaps_too_much(self) -> None:
        held = [b for b in self.stored().values() if b.state is not State.CANCELLED]
        for one in held:
            at = [b for b in held if b.start <= one.start < b.end]
            assert len(at) <= CAPACITY
            assert len({b.room_id for b in at}) == len(at)

    @rule(who=callers, status=statuses, start=starts, hours=lengths, pick=picks)
    def looking(
        self, who: Caller, status: Status | None, start: int, hours: int, pick: int
    ) -> None:
        self.the_list(who, status)
        self.what_is_taken(start, hours)
        self.what_the_fleet_sees()
        if self.items:
            self.the_detail(pick, who)

    def the_list(self, who: Caller, status: Status | None) -> None:
        listed: list[int] = []
        after = ""
        while True:
            page = self.run(
                self.services.bookings.own(who, status=status, day=None, after=after, limit=3)
            )
            listed += [b.booking_id for b in page.items]
            after = page.next
            if not after:
                break
        own = [i for i in self.items if i.who == who.sub]
        wanted = [i for i in own if status in (None, self.status(i))]
        wanted.sort(key=lambda i: (i.start, i.number))
        assert listed == [i.number for i in wanted]

    def status(self, item: Item) -> str:
        over = item.state == "ended" or self.world.now >= item.end
        return "cancelled" if item.state == "cancelled" else "past" if over else "upcoming"

    def what_is_taken(self, start: int, hours: int) -> None:
        slot = self.slot(start, max(hours, 1))
        days = self.run(self.services.bookings._calendar.settled(0, *slot))
        taken = {room for day in days for room in day.taken_rooms(*slot)}
        assert taken == {r for r in self.model.rooms if self.model.taken(r, [slot])}
        full = max(day.peak(*slot) for day in days) >= CAPACITY
        assert full == self.model.full([slot])

    def what_the_fleet_sees(self) -> None:
        since, until = datetime(2026, 6, 9, tzinfo=UTC), timedelta(days=60)
        claims = self.run(self.services.bookings.claims(0, since, since + until))
        seen = sorted((c.booking_id, c.room_id, c.start, c.end) for c in claims if c.start < c.end)
        held = [i for i in self.model.holding() if i.start < i.end]
        assert seen == sorted((i.number, i.room, i.start, i.end) for i in held)

    def the_detail(self, pick: int, who: Caller) -> None:
        item = self.pick(pick)
        stored, code = self.ask(self.services.bookings.get(who, item.number))
        assert code == ("" if item.who == who.sub else "booking_not_found")
        if stored:
            b = stored.booking
            assert (b.start, b.end, b.room_id, b.state.value, b.series_id) == (
                *item.slot,
                item.room,
                item.state,
                item.series,
            )

    @rule(by=clocks)
    def time_goes_by(self, by: timedelta) -> None:
        self.world.clock.time += by

    @some
    @rule(pick=picks, by=st.sampled_from([0, 30, -20, -60]))
    def a_time_comes(self, pick: int, by: int) -> None:
        at = self.pick(pick).start + timedelta(minutes=by)
        self.world.clock.time = max(self.world.now, at)

    @rule()
    def the_machines_work(self) -> None:
        self.run(self.world.tick())
        self.every_change_was_told_once()

    def every_change_was_told_once(self) -> None:
        self.run(self.world.drain(40))
        told: dict[int, Counter[str]] = {number: Counter() for number in self.model.items}
        for event in self.world.left:
            if event.type.value.startswith("booking.") and event.tenant != PLATFORM_TENANT:
                told[event.data["booking_id"]][event.type.value] += 1
        for number, booking in self.stored().items():
            changes = told[number]["booking.rescheduled"] + told[number]["booking.extended"]
            closed = booking.state is not State.ACTIVE
            assert told[number]["booking.created"] == 1
            assert changes == booking.sequence - closed
            ends = told[number]["booking.cancelled"] + told[number]["booking.ended"]
            assert ends == closed


def asking(fault: st.SearchStrategy[Any]) -> type[CalendarMachine]:
    class Asking(CalendarMachine):
        @rule(who=callers, start=starts, hours=lengths, pick=rooms, fault=fault)
        def book(self, **drawn: Any) -> None:
            self.create(**drawn)

        @rule(
            who=callers,
            start=st.integers(0, 30),
            hours=st.sampled_from([1, 2, 14, 25]),
            pick=rooms,
            rrule=st.sampled_from(["DAILY 2", "DAILY 4", "WEEKLY 3"]),
            fault=fault,
        )
        def repeat(self, **drawn: Any) -> None:
            self.recur(**drawn)

        @some
        @rule(pick=picks, who=st.sampled_from([ALICE, BOB, ADMIN, ADMIN]), fault=fault)
        def call_off(self, **drawn: Any) -> None:
            self.cancel(**drawn)

        @some
        @rule(pick=picks, fault=fault)
        def call_off_all(self, **drawn: Any) -> None:
            self.cancel_all(**drawn)

        @some
        @rule(pick=picks, admin=st.booleans(), start=starts, hours=lengths, to=rooms, fault=fault)
        def put_off(
            self, pick: int, admin: bool, start: int, hours: int, to: int | None, fault: Any
        ) -> None:
            self.move(pick, admin, self.slot(start, hours), self.room(to), fault)

        @some
        @rule(pick=picks, by=st.sampled_from([-3, -1, 0, 1, 10, 24]), to=rooms, fault=fault)
        def shift(self, pick: int, by: int, to: int | None, fault: Any) -> None:
            start, end = self.pick(pick).slot
            self.move(pick, True, (start + by * HOUR, end + by * HOUR), self.room(to), fault)

        @some
        @rule(pick=picks, hours=st.sampled_from([-1, 0, 1, 2, 9, 24]), fault=fault)
        def go_on(self, **drawn: Any) -> None:
            self.extend(**drawn)

        @some
        @rule(pick=picks, fault=fault)
        def stop(self, **drawn: Any) -> None:
            self.end(**drawn)

    return Asking


class FaultyMachine(asking(faults)):  # type: ignore[misc]
    faulty = True


EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "40"))
TUNED = settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None)

TestCalendar = asking(st.none()).TestCase
TestCalendar.settings = TUNED
TestFaultyCalendar = FaultyMachine.TestCase
TestFaultyCalendar.settings = TUNED
