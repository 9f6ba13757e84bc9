"""What happens to machines, each as a short story of ticks; at each of them a process may die."""

from __future__ import annotations

from typing import Any

from shared.fleet.compute import ComputeError, Power
from tests.unit.fleet.crashing import Crashing
from tests.world import ALICE


def no_room() -> ComputeError:
    return ComputeError("allocation_failed", "no capacity")


def broken() -> ComputeError:
    return ComputeError("failed", "internal error")


def vm(world: Crashing, name: str = "janus-0") -> dict[str, Any]:
    return world.row("Fleet", "00", f"v|{name}")


async def started_in_time(world: Crashing) -> None:
    await world.book(31)
    world.minute(1)
    await world.ticks(3)
    await world.check()


async def started_slowly(world: Crashing) -> None:
    world.compute.slow.add("janus-0")
    await world.book()
    await world.ticks(2)
    world.compute.finish("janus-0")
    await world.ticks(2)
    await world.check()
    world.compute.slow.clear()


async def refused(world: Crashing) -> None:
    world.compute.refuse["janus-0"] = no_room()
    await world.book()
    await world.ticks(5)
    await world.check()
    assert world.compute.on == ["janus-1"]
    world.compute.refuse.clear()


async def failed_later(world: Crashing) -> None:
    world.compute.slow.add("janus-0")
    world.compute.fail_later["janus-0"] = no_room()
    await world.book()
    await world.ticks(2)
    world.compute.set_power("janus-0", Power.DEALLOCATED)
    await world.ticks(4)
    await world.check()
    assert world.compute.on == ["janus-1"]
    world.compute.fail_later.clear()
    world.compute.slow.clear()


async def lost(world: Crashing) -> None:
    await world.ready(await world.book())
    world.minute(7)
    world.compute.crash("janus-0")
    await world.ticks(4)
    await world.check()
    assert world.compute.on == ["janus-1"]


async def lost_alone(world: Crashing) -> None:
    """There is no other."""
    await world.ready(await world.book())
    world.minute(7)
    world.compute.set_power("janus-0", Power.DEALLOCATED)
    await world.ticks(4)
    await world.check()


async def two_lost(world: Crashing) -> None:
    await world.ready(await world.book())
    await world.ready(await world.book(20))
    world.minute(30)
    world.compute.crash("janus-0")
    await world.ticks(4)
    await world.check()


async def deallocated(world: Crashing) -> None:
    await world.ready(await world.book())
    world.minute(60)
    await world.ticks(1)
    world.minute(76)
    await world.ticks(3)
    assert not world.compute.on


async def deallocated_slowly(world: Crashing) -> None:
    await world.ready(await world.book())
    world.compute.slow.add("janus-0")
    world.minute(76)
    await world.ticks(2)
    world.compute.finish("janus-0")
    await world.ticks(2)
    assert vm(world)["state"] == "deallocated"


async def not_deallocated(world: Crashing) -> None:
    await world.ready(await world.book())
    world.minute(76)
    world.compute.refuse["janus-0"] = broken()
    await world.ticks(3)
    assert world.incidents(over=False) == {("stop_failed", "vm/janus-0"): 1}
    world.compute.refuse.clear()
    world.minute(78)
    await world.ticks(3)
    assert not world.compute.on


async def not_deallocated_later(world: Crashing) -> None:
    await world.ready(await world.book())
    world.minute(76)
    world.compute.slow.add("janus-0")
    world.compute.fail_later["janus-0"] = broken()
    world.compute.after["janus-0"] = Power.RUNNING
    await world.ticks(3)
    world.compute.slow.clear()
    world.compute.fail_later.clear()
    world.compute.finish("janus-0")
    await world.ticks(1)
    world.minute(77)
    await world.ticks(4)


async def booked_while_stopping(world: Crashing) -> None:
    await world.ready(await world.book())
    world.compute.slow.add("janus-0")
    world.minute(76)
    await world.ticks(2)
    await world.book()
    await world.ticks(2)
    world.compute.slow.clear()
    world.compute.finish("janus-0")
    await world.ticks(4)
    await world.check()


async def started_by_hand(world: Crashing) -> None:
    world.compute.set_power("janus-1", Power.RUNNING)
    await world.ticks(4)
    assert not world.compute.on


async def cancelled_while_starting(world: Crashing) -> None:
    world.compute.slow.add("janus-0")
    booked = await world.book(20)
    await world.ticks(2)
    await world.services.bookings.cancel(ALICE, booked.booking.booking_id, "")
    await world.ticks(2)
    world.compute.finish("janus-0")
    await world.ticks(2)
    await world.check()
    assert not world.compute.on


async def ended(world: Crashing) -> None:
    """By its host; another one goes on."""
    booked, _ = await world.book(), await world.book()
    janus = await world.ready(booked)
    janus.join(booked.room.room_id)
    world.minute(10)
    await world.services.bookings.end(ALICE, booked.booking.booking_id, "")
    await world.ticks(2)
    await world.check()


async def held(world: Crashing) -> None:
    await world.decide("janus-1", hold=60)
    await world.ticks(3)
    assert world.compute.on == ["janus-1"]
    world.minute(61)
    await world.ticks(3)
    assert not world.compute.on


async def excluded(world: Crashing) -> None:
    """One may move and one may not."""
    first, later = await world.book(), await world.book(25)
    await world.ready(first)
    await world.ready(later)
    await world.decide("janus-0", exclude=180)
    await world.ticks(4)
    await world.check()
    assert vm(world)["state"] == "draining"
    assert world.compute.on == ["janus-0", "janus-1"]
    world.minute(71)
    await world.ticks(3)
    await world.check()
    assert world.compute.on == ["janus-1"]


async def drained(world: Crashing) -> None:
    """It closes while the last one stays too long, and opens again for the next."""
    booked = await world.book()
    janus = await world.ready(booked)
    seat = (await world.join(booked)).participant_id
    janus.join(booked.room.room_id, seat)
    world.minute(80)
    await world.ticks(2)
    assert not janus.accepting
    await world.book()
    await world.ticks(2)
    assert janus.accepting
    janus.leave(booked.room.room_id, seat)
    await world.ticks(2)
    await world.check()


async def deleted(world: Crashing) -> None:
    await world.ready(await world.book())
    world.minute(5)
    world.compute.remove("janus-0")
    await world.ticks(4)
    await world.check()
    assert not world.rows("Fleet", "00", "v|janus-0")


async def hung(world: Crashing) -> None:
    """Its booking goes to another."""
    janus = await world.ready(await world.book())
    janus.down = True
    await world.ticks(2)
    world.minute(3)
    await world.ticks(5)
    await world.check()
    assert world.compute.on == ["janus-1"]


async def hung_alone(world: Crashing) -> None:
    """It is restarted."""
    janus = await world.ready(await world.book())
    janus.down = True
    await world.ticks(2)
    world.minute(3)
    await world.ticks(5)
    world.minute(10)  # whoever died before they asked for it leaves it to the next try
    await world.check()
    assert ("restart", "janus-0") in world.compute.calls


async def none_starts(world: Crashing) -> None:
    """Until they do again, after the booking's start is near."""
    world.compute.refuse |= {"janus-0": no_room(), "janus-1": no_room()}
    await world.book(40)
    world.minute(11)
    await world.ticks(3)
    world.minute(31)
    await world.ticks(2)
    world.compute.refuse.clear()
    world.minute(34)
    await world.ticks(3)
    await world.check()
    kinds = [kind for kind, _ in world.incidents(over=False)]
    assert sorted(kinds) == ["not_ready", "start_failed", "start_failed"]


async def company_is_first(world: Crashing) -> None:
    """Two machines start, the second because the first one takes its time."""
    await _two_start(world)
    await _ready_in_order(world, "janus-1", "janus-0")


async def company_is_second(world: Crashing) -> None:
    await _two_start(world)
    await _ready_in_order(world, "janus-0", "janus-1")


async def company_of_a_cancelled_one(world: Crashing) -> None:
    number = await _two_start(world)
    await world.services.bookings.cancel(ALICE, number, "")
    await world.ticks(2)
    world.compute.slow.clear()
    for name in ("janus-0", "janus-1"):
        world.compute.finish(name)
    await world.ticks(2)
    await world.check()
    assert not world.compute.on


async def company_is_refused(world: Crashing) -> None:
    world.compute.refuse["janus-1"] = no_room()
    await _two_start(world)
    world.compute.finish("janus-0")
    world.compute.slow.clear()
    await world.ticks(2)
    world.compute.refuse.clear()
    await world.check()
    assert world.compute.on == ["janus-0"]


async def _two_start(world: Crashing) -> int:
    world.compute.slow |= {"janus-0", "janus-1"}
    booked = await world.book(15)
    await world.ticks(2)
    world.minute(3.2)
    await world.ticks(3)
    return booked.booking.booking_id


async def _ready_in_order(world: Crashing, first: str, second: str) -> None:
    world.compute.finish(first)
    await world.ticks(3)
    world.compute.slow.clear()
    world.compute.finish(second)
    await world.ticks(2)
    await world.check()
    assert world.compute.on == [first]


async def on_for_days(world: Crashing) -> None:
    await world.ready(await world.book())
    for hour in (15, 25, 49.5):
        world.minute(hour * 60)
        await world.ticks(2)
    assert world.compute.on == ["janus-0"]
