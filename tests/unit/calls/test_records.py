"""Call records: the same whatever the order of the events and however often they come."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.calls.models import Visit
from shared.calls.records import calls, joined, left
from shared.fleet.compute import Power
from shared.platform.tables import StorageUnavailable
from tests.world import ALICE, World

T0 = datetime(2026, 6, 10, 9, 0, tzinfo=UTC)
GAP = timedelta(seconds=20)


def visit(number: int, start: int | None, end: int | None) -> Visit:
    def at(seconds: int | None) -> datetime | None:
        return None if seconds is None else T0 + timedelta(seconds=seconds)

    return Visit(number, 1, "acme", f"p{number}", "", joined_at=at(start), left_at=at(end))


def stretches(visits: list[Visit], now: int) -> list[tuple[int, int | None]]:
    found = calls(visits, T0 + timedelta(seconds=now), GAP)
    seconds = lambda t: None if t is None else int((t - T0).total_seconds())  # noqa: E731
    return [(seconds(c.started_at), seconds(c.ended_at)) for c in found]  # type: ignore[misc]


def test_from_the_first_that_comes_to_the_last_that_leaves() -> None:
    assert stretches([visit(1, 0, 60), visit(2, 10, 90)], 200) == [(0, 90)]


def test_it_lasts_while_somebody_is_there_and_a_little_longer() -> None:
    assert stretches([visit(1, 0, 60), visit(2, 10, None)], 200) == [(0, None)]
    assert stretches([visit(1, 0, 60)], 79) == [(0, None)]
    assert stretches([visit(1, 0, 60)], 80) == [(0, 60)]


def test_a_short_break_is_the_same_call_and_a_long_one_is_not() -> None:
    assert stretches([visit(1, 0, 60), visit(2, 79, 100)], 200) == [(0, 100)]
    assert stretches([visit(1, 0, 60), visit(2, 80, 100)], 200) == [(0, 60), (80, 100)]


def test_who_never_joined_counts_for_nothing() -> None:
    assert stretches([visit(1, None, 60), visit(2, None, None)], 200) == []


REPORTS = st.lists(
    st.tuples(st.sampled_from([joined, left]), st.integers(0, 100)), min_size=1, max_size=6
)


@given(REPORTS, st.randoms(use_true_random=False))
def test_the_order_and_number_of_reports_do_not_matter(
    reports: list[Any], shuffler: random.Random
) -> None:
    def apply(sequence: list[Any]) -> Visit:
        result = visit(1, None, None)
        for change, second in sequence:
            result = change(result, T0 + timedelta(seconds=second))
        return result

    mixed = reports + shuffler.sample(reports, len(reports) // 2)
    shuffler.shuffle(mixed)
    assert apply(mixed) == apply(reports)


async def talk(world: World) -> Any:
    booked = await world.book()
    janus = await world.ready(booked)
    alice, guest = await world.join(booked), await world.join_invited(booked)
    for ticket in (alice, guest):
        janus.join(booked.room.room_id, ticket.participant_id)
    world.clock.advance(seconds=1)
    joins = [world.event("joined", alice), world.event("joined", guest)]
    world.clock.advance(seconds=30)
    leaves = [world.event("left", alice), world.event("left", guest)]
    return booked, janus, alice, guest, joins, leaves


def records(world: World, booked: Any) -> list[dict[str, Any]]:
    return world.rows("Calls", str(booked.room.room_id), "c|")


@pytest.mark.parametrize("seed", range(6))
async def test_one_record_whatever_the_order_and_however_often(seed: int) -> None:
    world = World()
    booked, janus, _, _, joins, leaves = await talk(world)
    events = [*joins, *leaves, *joins]
    random.Random(seed).shuffle(events)
    janus.people[booked.room.room_id].clear()
    for event in events:
        await world.tell(event)
    await world.drain()
    (record,) = records(world, booked)
    assert record["started_at"] == "2026-06-10T09:00:01Z"
    assert record["ended_at"] == "2026-06-10T09:00:31Z"
    assert "Guest" in record["participants"]


async def test_started_and_ended_are_told_once() -> None:
    world = World()
    booked, janus, _, _, joins, leaves = await talk(world)
    world.queues.messages.clear()
    await world.tell(*joins, *joins)
    assert len(world.events("call.started")) == 1
    janus.people[booked.room.room_id].clear()
    await world.tell(*leaves)
    assert not world.events("call.ended"), "they may be back in a moment"
    world.clock.advance(seconds=21)
    for _ in range(2):
        await world.services.calls.handle(
            {"check": {"room": booked.room.room_id, "booking": booked.booking.booking_id}}
        )
    (ended,) = world.events("call.ended")
    assert ended["data"]["seconds"] == 30
    assert len(world.events("call.started")) == 1


async def test_two_calls_told_in_reverse_are_two_calls() -> None:
    """A call that is heard of late never takes the place of another."""
    world = World()
    booked, janus, _, _, joins, leaves = await talk(world)
    janus.people[booked.room.room_id].clear()
    world.clock.advance(minutes=5)
    again = await world.join(booked)
    later = [world.event("joined", again)]
    world.clock.advance(minutes=1)
    later.append(world.event("left", again))
    world.clock.advance(minutes=1)
    await world.tell(*later)
    await world.tell(*leaves, *joins)
    await world.drain()
    assert len(records(world, booked)) == 2
    for kind in ("call.started", "call.ended"):
        keys = {e["data"]["call"] for e in [*world.events(kind), *seen(world, kind)]}
        assert len(keys) == 2


def seen(world: World, kind: str) -> list[dict[str, Any]]:
    return [e.envelope() for e in world.left if e.type == kind]


async def test_media_is_recorded_and_proves_a_lost_join() -> None:
    world = World()
    booked, _, alice, *_ = await talk(world)
    await world.tell(world.event("webrtc_up", alice), world.event("hangup", alice))
    (record,) = records(world, booked)
    assert "media_at" in record["participants"]
    assert "media_lost_at" in record["participants"]
    assert record["started_at"] == "2026-06-10T09:00:31Z"


@pytest.mark.parametrize("at", [datetime(1970, 1, 1, tzinfo=UTC), T0 + timedelta(days=400)])
async def test_a_machine_whose_clock_is_wrong_writes_no_history(at: datetime) -> None:
    world = World()
    booked, _, alice, *_ = await talk(world)
    await world.tell(world.event("joined", alice, at))
    (record,) = records(world, booked)
    assert "2026-06-10T09:00:00Z" <= record["started_at"] <= "2026-06-10T09:00:32Z"


async def test_a_browser_that_rejoins_without_end_fills_no_row() -> None:
    world = World()
    booked = await world.book()
    await world.ready(booked)
    for _ in range(150):
        ticket = await world.join_invited(booked, f"nonce-{_:08d}")
        world.clock.advance(seconds=1)
        await world.tell(world.event("joined", ticket), world.event("left", ticket))
    (record,) = records(world, booked)
    assert record["visits"] == 150
    assert len(record["participants"]) < 32_000


async def test_one_rooms_trouble_never_keeps_the_others_from_their_records() -> None:
    world = World()
    first, janus, *_ = await talk(world)
    second = await world.book(5)
    await world.tick()
    ticket = await world.join(second)
    janus.join(second.room.room_id, ticket.participant_id)

    def fail(verb: str, table: str, pk: str) -> None:
        if (table, pk) == ("Calls", str(first.room.room_id)):
            raise StorageUnavailable("only here")

    world.tables.fail = fail
    await world.tick()
    assert records(world, second)


async def test_lost_events_are_made_up_for_by_looking() -> None:
    world = World()
    booked, janus, *_ = await talk(world)
    await world.tick()
    assert len(records(world, booked)) == 1
    world.clock.advance(minutes=5)
    janus.people[booked.room.room_id].clear()
    await world.tick()
    await world.drain()
    (record,) = records(world, booked)
    assert record["ended_at"].startswith("2026-06-10T09:05:31")


async def test_a_call_ends_when_its_machine_never_comes_back() -> None:
    world = World()
    booked, _, _, _, joins, _ = await talk(world)
    await world.tell(*joins)
    world.compute.set_power("janus-0", Power.DEALLOCATED)
    world.compute.slow |= {"janus-0", "janus-1"}
    world.clock.advance(minutes=120)
    for _ in range(3):
        await world.tick()
        world.clock.advance(minutes=1)
    assert records(world, booked)[0]["ended_at"]
    assert not await world.services.calls._store.open_calls()


async def test_ending_for_all_ends_the_call() -> None:
    world = World()
    booked, _, _, _, joins, _ = await talk(world)
    await world.tell(*joins)
    await world.services.bookings.end(ALICE, booked.booking.booking_id, "")
    await world.drain()
    world.clock.advance(minutes=1)
    await world.tick()
    assert records(world, booked)[0]["ended_at"]


async def test_whoever_holds_no_seat_is_thrown_out() -> None:
    world = World()
    booked, janus, alice, *_ = await talk(world)
    stranger = janus.join(booked.room.room_id, 4711)
    await world.tell(world.event("joined", alice.model_copy(update={"participant_id": 4711})))
    assert world.queues.take("fleet-wake")
    await world.tick()
    people = {p.id for p in janus.people[booked.room.room_id]}
    assert stranger.id not in people
    assert alice.participant_id in people
