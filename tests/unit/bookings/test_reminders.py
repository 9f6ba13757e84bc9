"""Reminders: once for each booking, start and time; whatever dies, moves or fails meanwhile."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from shared.bookings.making import Booked
from shared.bookings.models import SHARED_LINK
from shared.bookings.payloads import InviteCreate
from shared.platform.problems import busy
from shared.platform.tables import StorageUnavailable
from tests.world import ALICE, World


class Watch(World):
    """A world with the timer of the reminders."""

    def __init__(self, *times: str, **more: Any) -> None:
        super().__init__(**({"reminders": times} if times else {}), **more)

    async def remind(self) -> int:
        return await self.services.reminders.run()

    async def run_until(self, minutes: float) -> None:
        """The timer, each minute, for so long."""
        for _ in range(round(minutes)):
            await self.remind()
            self.clock.advance(minutes=1)

    @property
    def sent(self) -> list[tuple[int, int]]:
        """What is in the outbox: booking and minutes."""
        data = [event["data"] for event in self.events("booking.reminder")]
        return sorted((each["booking_id"], each["minutes_before"]) for each in data)


@pytest.fixture
def watch() -> Watch:
    return Watch()


def number(booked: Booked) -> int:
    return booked.booking.booking_id


async def test_an_hour_before_by_default(watch: Watch) -> None:
    booked = await watch.book(90)
    watch.clock.advance(minutes=29)
    assert await watch.remind() == 0
    watch.clock.advance(minutes=1)
    assert await watch.remind() == 1
    await watch.run_until(120)
    assert watch.sent == [(number(booked), 60)]


async def test_what_the_event_says(watch: Watch) -> None:
    booked = await watch.book(90)
    services, invited = watch.services, []
    for request in (InviteCreate(name="Bob", email="bob@example.test"), InviteCreate(name="Carol")):
        made = await services.guests.invite(ALICE, number(booked), request, "")
        invited.append(made.guest.id)
    gone = await services.guests.invite(ALICE, number(booked), InviteCreate(name="Dave"), "")
    for invite_id in (gone.guest.id, SHARED_LINK):
        await services.guests.revoke(ALICE, number(booked), invite_id, "")
    watch.clock.advance(minutes=30)
    await watch.remind()
    (event,) = watch.events("booking.reminder")
    assert event["tenant"] == "acme"
    assert event["subject"] == f"booking/{number(booked)}"
    assert event["data"] == {
        "booking_id": number(booked),
        "room_id": booked.room.room_id,
        "start_time": "2026-06-10T10:30:00Z",
        "end_time": "2026-06-10T11:30:00Z",
        "booked_by": "alice",
        "minutes_before": 60,
        "guests": [
            {"invite_id": invited[0], "name": "Bob", "email": "bob@example.test"},
            {"invite_id": invited[1], "name": "Carol"},
        ],
    }


async def test_a_reminder_changes_nothing_about_the_booking(watch: Watch) -> None:
    booked = await watch.book(90)
    watch.clock.advance(minutes=30)
    await watch.remind()
    stored = await watch.services.bookings.get(ALICE, number(booked))
    assert stored.booking.sequence == 0
    await watch.services.bookings.cancel(ALICE, number(booked), "")


async def test_each_of_the_times() -> None:
    watch = Watch("P1D", "PT1H", "PT10M")
    booked = await watch.book(24 * 60 + 5)
    await watch.run_until(24 * 60 + 10)
    assert watch.sent == [(number(booked), 10), (number(booked), 60), (number(booked), 24 * 60)]


async def test_none_when_there_are_no_times() -> None:
    watch = World(reminders=())
    await watch.book(60)
    before = len(watch.tables.requests)
    assert await watch.services.reminders.run() == 0
    assert len(watch.tables.requests) == before


@pytest.mark.parametrize(
    ("down", "expected"), [(59, 60), (70, 60), (81, 10), (89, 10), (90, 0), (200, 0)]
)
async def test_after_an_outage_only_the_latest_and_only_before_the_start(
    down: float, expected: int
) -> None:
    watch = Watch("P1D", "PT1H", "PT10M")
    booked = await watch.book(24 * 60 + 90)
    watch.clock.advance(minutes=24 * 60 + down)
    await watch.remind()
    await watch.remind()
    assert watch.sent == ([(number(booked), expected)] if expected else [])


@pytest.mark.parametrize(("start", "expected"), [(59, []), (60, [60]), (61, [60])])
async def test_none_for_a_booking_made_after_its_time(start: float, expected: list[int]) -> None:
    watch = Watch()
    await watch.book(start)
    await watch.run_until(90)
    assert [minutes for _, minutes in watch.sent] == expected


async def test_one_made_late_still_has_the_later_reminders() -> None:
    watch = Watch("PT1H", "PT10M")
    booked = await watch.book(30)
    await watch.run_until(60)
    assert watch.sent == [(number(booked), 10)]


@pytest.mark.parametrize("far", [180, 30 * 60])
async def test_a_moved_booking_is_reminded_of_anew(far: float) -> None:
    """On the same day, and on another one."""
    watch = Watch(cancel_notice="PT0S")
    booked = await watch.book(90)
    watch.clock.advance(minutes=30)
    await watch.remind()
    moved = await watch.move(booked, far)
    await watch.run_until(far)
    assert watch.sent == [(number(booked), 60)] * 2
    starts = {event["data"]["start_time"] for event in watch.events("booking.reminder")}
    assert len(starts) == 2
    assert moved.booking.booking_id == number(booked)


async def test_one_moved_close_to_its_start_is_not(watch: Watch) -> None:
    booked = await watch.book(300)
    await watch.move(booked, 50)
    await watch.run_until(60)
    assert watch.sent == []


async def test_a_cancelled_booking_is_not_reminded_of(watch: Watch) -> None:
    booked = await watch.book(90)
    await watch.services.bookings.cancel(ALICE, number(booked), "")
    watch.clock.advance(minutes=30)
    assert await watch.remind() == 0


async def test_one_across_midnight_is_reminded_of_once(watch: Watch) -> None:
    booked = await watch.book(14 * 60 + 30)  # 23:30 to 00:30
    watch.clock.advance(minutes=13 * 60)
    await watch.run_until(120)
    assert watch.sent == [(number(booked), 60)]


async def test_one_of_tomorrow_is_seen_today(watch: Watch) -> None:
    booked = await watch.book(15 * 60 + 10)  # 00:10
    watch.clock.advance(minutes=14 * 60 + 10)
    await watch.remind()
    assert watch.sent == [(number(booked), 60)]


# -- what happens meanwhile --------------------------------------------------------------------


def between(world: World, act: Any) -> None:
    """`act` is done once, after the timer has read the booking and before it commits."""
    amend = world.services.reminders._calendar.amend
    pending = [act]

    async def late(*args: Any) -> None:
        if pending and args[3:]:
            await pending.pop()()
        await amend(*args)

    world.services.reminders._calendar.amend = late  # type: ignore[method-assign]


async def test_cancelled_while_the_timer_runs(watch: Watch) -> None:
    booked = await watch.book(90)
    watch.clock.advance(minutes=30)
    between(watch, lambda: watch.services.bookings.cancel(ALICE, number(booked), ""))
    assert await watch.remind() == 0
    assert watch.sent == []


async def test_a_guest_invited_while_the_timer_runs_is_in_the_event(watch: Watch) -> None:
    booked = await watch.book(90)
    watch.clock.advance(minutes=30)
    invite = InviteCreate(name="Bob")
    between(watch, lambda: watch.services.guests.invite(ALICE, number(booked), invite, ""))
    assert await watch.remind() == 1
    (event,) = watch.events("booking.reminder")
    assert [guest["name"] for guest in event["data"]["guests"]] == ["Bob"]


async def test_two_timers_at_the_same_time_send_once(watch: Watch) -> None:
    booked = await watch.book(90)
    watch.clock.advance(minutes=30)
    other = Watch(tables=watch.tables, queues=watch.queues)
    other.clock.time = watch.clock.time
    other.services.ports.random.seed(8)
    between(watch, other.remind)
    await watch.remind()
    assert watch.sent == [(number(booked), 60)]


async def test_another_process_knows_what_was_sent(watch: Watch) -> None:
    booked = await watch.book(90)
    watch.clock.advance(minutes=30)
    await watch.remind()
    other = Watch(tables=watch.tables, queues=watch.queues)
    other.clock.time = watch.clock.time
    await other.run_until(70)
    assert watch.sent == [(number(booked), 60)]


async def _dies_at(nth: int, after: bool) -> bool:
    """Whether there was an nth request to storage to die at, before or after it took effect."""
    watch = Watch()
    booked = await watch.book(90)
    watch.clock.advance(minutes=30)
    seen: list[str] = []

    def fail(verb: str, table: str, pk: str) -> None:
        if verb.endswith("!") == after:
            seen.append(verb)
        if len(seen) >= nth:
            raise StorageUnavailable("dead")

    watch.tables.fail = fail
    with contextlib.suppress(StorageUnavailable):
        await watch.remind()
    died = len(seen) >= nth
    watch.tables.fail = lambda verb, table, pk: None
    again = Watch(tables=watch.tables, queues=watch.queues)
    again.clock.time = watch.clock.time
    again.services.ports.random.seed(9)
    await again.run_until(3)
    assert watch.sent == [(number(booked), 60)]
    await again.drain()
    assert len([event for event in again.left if event.type == "booking.reminder"]) == 1
    return died


@pytest.mark.parametrize("after", [False, True])
async def test_a_crash_anywhere_leaves_one_event(after: bool) -> None:
    nth = 1
    while await _dies_at(nth, after):
        nth += 1
    assert nth > 1


def failing(errors: Sequence[Exception], of: int, world: World) -> Any:
    """The reading of one booking fails, each time in another way."""
    find, left = world.services.reminders._calendar.find, list(errors)

    async def fail(booking_id: int) -> Any:
        if booking_id == of and left:
            raise left.pop()
        return await find(booking_id)

    return fail


async def test_one_bookings_failure_stops_no_other(watch: Watch) -> None:
    booked = [await watch.book(90) for _ in range(3)]
    numbers = [number(each) for each in booked]
    watch.clock.advance(minutes=30)
    errors = [ValueError("a broken row"), StorageUnavailable("slow"), busy()]
    calendar: Any = watch.services.reminders._calendar
    calendar.find = failing(errors, numbers[1], watch)
    for _ in errors:
        await watch.remind()
        assert watch.sent == sorted((each, 60) for each in (numbers[0], numbers[2]))
    assert await watch.remind() == 1
    assert watch.sent == sorted((each, 60) for each in numbers)


async def test_a_minute_with_nothing_new_costs_one_request_a_day(watch: Watch) -> None:
    for _ in range(5):
        await watch.book(90)
    watch.clock.advance(minutes=30)
    assert await watch.remind() == 5
    for _ in range(3):
        watch.clock.advance(minutes=1)
        before = len(watch.tables.requests)
        await watch.remind()
        assert watch.tables.requests[before:] == [("query", "Calendar", "00|20260610")]


async def test_the_timer_is_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    import shared.bootstrap
    from functions.reminders import bookings_remind

    watch = Watch()
    monkeypatch.setattr(shared.bootstrap, "services", lambda: watch.services)
    await watch.book(90)
    watch.clock.advance(minutes=30)
    handler: Any = bookings_remind
    await handler._function.get_user_function()(None)
    assert len(watch.sent) == 1
    assert watch.settings.reminders == (timedelta(hours=1),)
