"""A machine whose Janus falls silent, or that goes off: what the operators' channel hears of it."""

from __future__ import annotations

from collections import Counter

import pytest

from shared.fleet.compute import Power
from shared.operators.models import Notice
from tests.world import World


class Listening(World):
    def __init__(self, local_vms: int) -> None:
        super().__init__(local_vms=local_vms)
        self.messenger.channels = ("slack",)

    async def run(self, minutes: int) -> None:
        for _ in range(minutes):
            await self.services.tick()
            await self.drain(rounds=4)
            self.clock.advance(minutes=1)

    @property
    def heard(self) -> list[Notice]:
        return [notice for _, notice in self.messenger.sent]

    @property
    def titles(self) -> Counter[str]:
        return Counter(notice.title.removeprefix("Suroga: ") for notice in self.heard)


SILENT, OVER = "Machine janus-0 stopped answering", "Over: machine janus-0 stopped answering"


async def test_the_only_machine_falls_silent_and_is_restarted() -> None:
    world = Listening(1)
    await world.ready(await world.book())
    world.clock.advance(minutes=5)
    world.compute.janus["janus-0"].down = True
    silent = world.now
    await world.run(3)
    told = next(notice for notice in world.heard if notice.title.endswith(SILENT))
    assert f"Since: {silent:%Y-%m-%d %H:%M} UTC" in told.body, "not when it was given up"
    assert "free quota" not in told.body
    await world.run(10)
    world.compute.janus["janus-0"].down = False
    await world.run(5)
    assert [world.titles[title] for title in (SILENT, OVER)] == [1, 1]
    assert not [title for title in world.titles if "did not start" in title]


async def test_it_is_over_when_the_machine_is_off() -> None:
    world = Listening(2)
    await world.ready(await world.book())
    world.compute.janus["janus-0"].down = True
    await world.run(45)
    assert world.compute.machine("janus-0").power is Power.DEALLOCATED
    assert world.titles == {SILENT: 1, OVER: 1}


@pytest.mark.parametrize("bookings", [0, 1])
async def test_a_machine_that_is_lost_is_told_when_it_carried_something(bookings: int) -> None:
    world = Listening(1)
    booked = await world.book(minutes=10)
    await world.ready(booked)
    if not bookings:
        world.clock.advance(minutes=21)
        await world.run(1)
    world.compute.set_power("janus-0", Power.DEALLOCATED)
    await world.run(2)
    assert [event.type for event in world.left].count("vm.lost") == 1
    assert world.titles["Machine janus-0 was lost"] == bookings
