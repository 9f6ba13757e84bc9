"""From a machine that fails to the operators' channel: a message when it begins, one at its end."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from shared.bootstrap import Services
from shared.fleet.compute import ComputeError
from shared.fleet.models import Override
from shared.fleet.store import write
from shared.platform.tables import StorageUnavailable
from tests.world import World


class Watched(World):
    """`twins` reconcilers on the same storage."""

    def __init__(self, twins: int = 1) -> None:
        super().__init__(local_vms=2)
        self.messenger.channels = ("slack",)
        self.all = [Services(self.settings, self.services.ports) for _ in range(twins)]

    async def run(self, minutes: int, *, every: int = 1) -> None:
        for _ in range(0, minutes, every):
            await asyncio.gather(*(each.tick() for each in self.all))
            await self.services.tick()
            await self.drain(rounds=4)
            self.clock.advance(minutes=every)

    def refuse(self) -> None:
        for name in ("janus-0", "janus-1"):
            self.compute.refuse[name] = ComputeError("quota_exceeded", "no cores left")

    @property
    def told(self) -> Counter[str]:
        return Counter(notice.title.removeprefix("Suroga: ") for _, notice in self.messenger.sent)


@pytest.mark.parametrize(("twins", "every"), [(1, 1), (3, 1), (1, 7)])
async def test_no_machine_starts_and_then_they_do(twins: int, every: int) -> None:
    world = Watched(twins)
    booked = await world.book(start=40)
    world.refuse()
    await world.run(49, every=every)
    number = booked.booking.booking_id
    alerts = [f"Machine janus-{n} did not start" for n in (0, 1)]
    alerts.append(f"Booking {number} has no ready machine")
    assert world.told == Counter(alerts)
    bodies = [notice.body for _, notice in world.messenger.sent]
    assert all("no cores left" in body for body in bodies)
    assert {notice.level for _, notice in world.messenger.sent} == {"error"}
    world.compute.refuse = {}
    await world.run(49, every=every)
    over = [f"Over: machine janus-{n} did not start" for n in (0, 1)]
    over.append(f"Over: booking {number} without a ready machine")
    assert world.told == Counter(alerts + over)


async def test_a_machine_that_does_not_stop() -> None:
    world = Watched()
    await world.book(minutes=10)
    await world.run(5)
    world.compute.refuse["janus-0"] = ComputeError("failed", "broken")
    await world.run(60)
    assert world.told == {"Machine janus-0 does not stop": 1}
    world.compute.refuse = {}
    await world.run(15)
    assert world.told["Over: machine janus-0 did not stop"] == 1


async def test_people_who_stay() -> None:
    world = Watched()
    booked = await world.book(minutes=30)
    janus = await world.ready(booked)
    ticket = await world.join(booked)
    janus.join(booked.room.room_id, ticket.participant_id)
    await world.run(90)
    number = booked.booking.booking_id
    assert world.told == {f"The call of booking {number} goes on after its end": 1}
    assert janus.people[booked.room.room_id], "nobody is cut off"
    janus.people[booked.room.room_id].clear()
    await world.run(5)
    assert world.told[f"Over: the call of booking {number} after its end"] == 1


async def test_people_who_stay_on_a_machine_that_can_not_be_looked_at() -> None:
    world = Watched()
    booked = await world.book(minutes=30)
    janus = await world.ready(booked)
    ticket = await world.join(booked)
    janus.join(booked.room.room_id, ticket.participant_id)
    await world.run(50)
    real = janus.rooms

    async def explode() -> set[int]:
        raise RuntimeError("a bug")

    janus.rooms = explode  # type: ignore[method-assign]
    await world.run(5)
    janus.rooms = real  # type: ignore[method-assign]
    await world.run(5)
    assert sum(world.told.values()) == 1, "it never was over"


async def test_a_machine_that_is_held_for_long() -> None:
    world = Watched()
    end = world.now + timedelta(hours=6)
    hold = Override("janus-1", world.now, end, by="olga", reason="a demo", at=world.now)
    await world.tables.commit("Fleet", "00", [write(hold)])
    await world.run(6 * 60 + 30, every=10)
    titles = ("Machine janus-1 has been held for long", "Over: machine janus-1 was held for long")
    assert world.told == Counter(titles)


async def test_all_is_well() -> None:
    world = Watched()
    for start in (0, 45, 200):
        await world.book(start=start, minutes=40)
    await world.run(300)
    assert not world.told


async def test_a_storage_that_fails_now_and_then_tells_it_once() -> None:
    world = Watched()
    await world.book(start=40)
    world.refuse()
    count = 0

    def fail(verb: str, table: str, pk: str) -> None:
        nonlocal count
        count += verb.startswith("commit") and table == "Fleet"
        if count % 3 == 2:
            count += 1
            raise StorageUnavailable("now and then")

    for _ in range(49):
        world.tables.fail = fail
        try:
            await world.services.tick()
        except StorageUnavailable:
            pass
        finally:
            world.tables.fail = lambda *_: None
        await world.drain(rounds=4)
        world.clock.advance(minutes=1)
    assert sum(world.told.values()) == 3, world.told
