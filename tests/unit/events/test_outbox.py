"""The outbox: an event leaves if and only if its change was committed."""

from __future__ import annotations

import logging

import pytest

from shared.events.catalogue import DomainEvent, EventType
from shared.events.relay import Relay, log_event
from shared.platform.tables import Conflict, Insert, StorageUnavailable
from tests.world import World

ENVELOPE = {"id", "type", "time", "tenant", "severity", "subject", "context", "data"}


class Killed(BaseException):
    pass


def relay(world: World, seen: list[DomainEvent]) -> Relay:
    async def subscriber(event: DomainEvent) -> None:
        seen.append(event)

    return Relay(world.tables, world.queues, world.clock, [subscriber])


async def commit(world: World) -> DomainEvent:
    outbox = world.services.bookings._outbox
    event = outbox.event(EventType.BOOKING_CREATED, "acme", "booking/1", {"booking_id": 1})
    await outbox.commit("T", "pk", [Insert("row", {})], [event])
    return event


async def test_the_envelope_is_the_same_on_both_sides() -> None:
    world, seen = World(), list[DomainEvent]()
    event = await commit(world)
    assert event.envelope().keys() == ENVELOPE
    (pointer,) = world.queues.take("outbox")
    await relay(world, seen).handle(pointer)
    assert seen == [event]


async def test_a_row_that_left_is_gone_and_a_second_pointer_finds_nothing() -> None:
    world, seen = World(), list[DomainEvent]()
    await commit(world)
    (pointer,) = world.queues.take("outbox")
    for _ in range(2):
        await relay(world, seen).handle(pointer)
    assert len(seen) == 1
    assert not world.events()


async def test_the_pointer_is_put_before_the_commit() -> None:
    world, seen = World(), list[DomainEvent]()

    def fail(verb: str, table: str, pk: str) -> None:
        if verb == "commit!":
            raise Killed

    world.tables.fail = fail
    with pytest.raises(Killed):
        await commit(world)
    world.tables.fail = lambda *_: None
    (pointer,) = world.queues.take("outbox")
    await relay(world, seen).handle(pointer)
    assert len(seen) == 1


async def test_nothing_is_announced_that_did_not_happen() -> None:
    world, seen = World(), list[DomainEvent]()

    def fail(verb: str, table: str, pk: str) -> None:
        if verb == "commit":
            raise Conflict("head")

    world.tables.fail = fail
    with pytest.raises(Conflict):
        await commit(world)
    world.tables.fail = lambda *_: None
    looks = 0
    while pointers := world.queues.take("outbox"):
        for pointer in pointers:
            await relay(world, seen).handle(pointer)
        world.clock.advance(seconds=10)
        looks += 1
    assert not seen
    assert looks == 13, "it is looked for over two minutes, then dropped"


async def test_a_late_commit_is_still_seen() -> None:
    world, seen = World(), list[DomainEvent]()
    outbox = world.services.bookings._outbox
    event = outbox.event(EventType.BOOKING_CREATED, "acme", "booking/1", {})
    await outbox.announce("T", "pk", event.id)
    (pointer,) = world.queues.take("outbox")
    await relay(world, seen).handle(pointer)
    await outbox.commit("T", "pk", [Insert("row", {})], [event], announced=True)
    (pointer,) = world.queues.take("outbox")
    await relay(world, seen).handle(pointer)
    assert seen == [event]


async def test_a_subscriber_that_fails_keeps_the_row_for_the_next_try() -> None:
    world, seen = World(), list[DomainEvent]()
    await commit(world)
    (pointer,) = world.queues.take("outbox")

    async def broken(event: DomainEvent) -> None:
        raise StorageUnavailable("down")

    for _ in range(20):  # far more often than the queue would try by itself
        await Relay(world.tables, world.queues, world.clock, [broken]).handle(pointer)
        world.clock.advance(minutes=1)
        (pointer,) = world.queues.take("outbox")
    await relay(world, seen).handle(pointer)
    assert len(seen) == 1


async def test_the_log_tells_no_guest_s_name(caplog: pytest.LogCaptureFixture) -> None:
    outbox = World().services.bookings._outbox
    data = {"booking_id": 1, "name": "Carol", "email": "c@example.com", "guests": ["Dave"]}
    with caplog.at_level(logging.INFO):
        await log_event(outbox.event(EventType.INVITE_CREATED, "acme", "booking/1", data))
    assert "invite.created" in caplog.text
    assert not any(word in caplog.text for word in ("Carol", "example.com", "Dave"))
