"""A drill whose process dies, or gets no answer, at any call: it goes on, and is told once.

Each run is made once to count its calls, then once for each of them with a process that dies before
it, once with one that dies after it, and for those that write once with an answer that is lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from shared.platform.ids import Ids
from shared.platform.tables import StorageUnavailable
from tests.fakes.faults import Call, Faults, Killed, When, none
from tests.unit.fleet.drilling import Drilling

Prepare = Callable[[], Awaitable[Drilling]]
Break = Callable[[Faults], None]


async def due() -> Drilling:
    world = Drilling()
    await world.due()
    return world


async def ready() -> Drilling:
    world = await due()
    await world.services.drills.run()
    await world.tick()
    await world.tick()
    return world


async def stopped() -> Drilling:
    world = await ready()
    world.clock.advance(minutes=1)
    await world.services.drills.run()
    await world.tick()
    await world.tick()
    return world


async def needed() -> Drilling:
    world = await ready()
    await world.book(50)
    return world


async def needed_in_the_middle() -> Drilling:
    """The process that rehearsed has died, and left its room."""
    world = await ready()
    faults = world.faults

    def rule(call: Call, when: When) -> None:
        faults.fired = faults.fired or call.verb == "rehearse"
        if faults.fired:
            raise Killed

    faults.set(rule)
    await faults.until_death(world.services.drills.run())
    assert world.compute.janus["janus-0"].room_specs.keys() == {Ids.drill_room(0)}
    world.clock.advance(minutes=1)
    await world.book(50)
    return world


RUNS: list[tuple[Prepare, str]] = [
    (due, "ok"),
    (ready, "ok"),
    (stopped, "ok"),
    (needed, "broken_off"),
    (needed_in_the_middle, "broken_off"),
]


@pytest.mark.parametrize(
    ("prepare", "result"), RUNS, ids=lambda each: getattr(each, "__name__", each)
)
async def test_a_crash_at_any_await(prepare: Prepare, result: str) -> None:
    world = await prepare()
    world.faults.set(none)
    await world.services.drills.run()
    calls = world.faults.calls[:]
    await _settle(world, result)
    assert len(calls) >= 3
    for call in calls:
        for fault in _faults(call.nth, write=call.verb in ("commit", "put")):
            world = await prepare()
            fault(world.faults)
            with suppress(StorageUnavailable):
                await world.faults.until_death(world.services.drills.run())
            world.faults.set(none)
            await _settle(world, result)


def _faults(nth: int, *, write: bool) -> list[Break]:
    found: list[Break] = [
        lambda faults: faults.kill(nth, "before"),
        lambda faults: faults.kill(nth, "after"),
    ]
    if write:
        found += [
            lambda faults: faults.lose(nth, "before", resent=False),
            lambda faults: faults.lose(nth, "after", resent=False),
            lambda faults: faults.lose(nth, "after", resent=True),
        ]
    return found


async def _settle(world: Drilling, result: str) -> None:
    world.clock.advance(minutes=1)
    await world.minutes(8)
    assert world.report["result"] == result
    assert [e.type for e in world.left if "drill" in e.type] == [
        "fleet.drill_started",
        "fleet.drill",
    ]
    assert not world.rows("Fleet", "00", "r|")
    assert world.phase == "resting"
    for janus in world.compute.janus.values():
        assert Ids.drill_room(0) not in janus.room_specs
    if result == "ok":
        assert not world.on
