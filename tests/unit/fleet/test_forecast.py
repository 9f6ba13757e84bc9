"""Whether the machines suffice for the coming two weeks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from shared.bookings.claims import Claim
from shared.fleet.compute import ComputeError, Machine, Power
from shared.fleet.forecast import Stretch, worst
from shared.fleet.models import Override
from shared.platform.intervals import peak
from shared.platform.tables import Delete, Insert
from tests.world import ALICE, World

NOW = datetime(2026, 6, 10, 9, 0, tzinfo=UTC)
WINDOW = (NOW, NOW + timedelta(days=14))


def at(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)


def claims(*times: tuple[float, float]) -> list[Claim]:
    return [
        Claim(n, n, "acme", at(start), at(end), "", "a", NOW, "00|20260610")
        for n, (start, end) in enumerate(times)
    ]


def machines(*capacities: int) -> list[Machine]:
    return [
        Machine(f"vm-{n}", 0, capacity, Power.UNKNOWN, ("ws://x",), "")
        for n, capacity in enumerate(capacities)
    ]


def excluded(vm: str, until: float) -> dict[str, Override]:
    return {vm: Override(vm, exclude_until=at(until))}


@pytest.mark.parametrize(
    ("times", "capacities", "out", "full", "stretch"),
    [
        ([], [], {}, 4, None),
        ([(1, 2), (1, 2)], [2], {}, 3, None),
        # Back to back is not at the same time.
        ([(1, 2), (2, 3), (3, 4)], [1], {}, 2, None),
        ([(1, 3), (2, 4)], [1], {}, 9, (2, 3, 2, 1)),
        # Without any machine everything is missing.
        ([(1, 2)], [], {}, 9, (1, 2, 1, 0)),
        # It is full, and one more would be refused.
        ([(1, 3), (2, 4)], [1, 1], {}, 2, (2, 3, 2, 2)),
        ([(1, 3), (2, 4)], [1, 1], {}, 2.1, None),
        # The worst one, however long the others are; the first of equal ones.
        ([(1, 9), (2, 8), (20, 21), (20, 21), (20, 21)], [1], {}, 9, (20, 21, 3, 1)),
        ([(1, 2), (1, 2), (5, 6), (5, 6)], [1], {}, 9, (1, 2, 2, 1)),
        # Missing is worse than full.
        ([(1, 2)] * 4 + [(5, 6)] * 3, [2, 2], excluded("vm-0", 0), 4, (1, 2, 4, 4)),
        # A machine that comes back in the middle.
        ([(1, 5), (1, 5)], [1, 1], excluded("vm-1", 3), 9, (1, 3, 2, 1)),
        ([(4, 5), (4, 5)], [1, 1], excluded("vm-1", 3), 9, None),
        ([(1, 5), (1, 5)], [1, 1], excluded("vm-1", 9999), 9, (1, 5, 2, 1)),
        # What holds already, what is over, what ends when it begins, what is too far away.
        ([(-5, 1), (-9, 1)], [1], {}, 9, (0, 1, 2, 1)),
        ([(-5, 0), (-9, 0), (1, 1), (1, 1)], [1], {}, 9, None),
        ([(336, 340), (336, 340)], [1], {}, 9, None),
        ([(335, 340), (335, 340)], [1], {}, 9, (335, 336, 2, 1)),
    ],
)
def test_the_worst_stretch(
    times: list[tuple[float, float]],
    capacities: list[int],
    out: dict[str, Override],
    full: float,
    stretch: tuple[float, float, int, int] | None,
) -> None:
    found = worst(claims(*times), machines(*capacities), out, WINDOW, timedelta(0), full)
    assert found == (stretch and Stretch(at(stretch[0]), at(stretch[1]), *stretch[2:]))


def test_it_is_what_the_peaks_say() -> None:
    random = Random(3)
    for _ in range(100):
        times = [(start, start + random.randrange(6)) for start in random.sample(range(90), 20)]
        booked = claims(*times)
        found = worst(booked, machines(2), {}, WINDOW, timedelta(0), 99)
        most = peak(booked, *WINDOW)
        assert (found.bookings if found else 0) == (most if most > 2 else 0)


class Forecasting(World):
    async def forecast(self) -> list[dict[str, Any]]:
        """What operators have been told until now."""
        await self.services.forecast.run()
        found = [e for e in self.events() if e["type"].startswith("fleet.")]
        return sorted(found, key=lambda e: e["id"])

    async def exclude(self, vm: str, hours: float) -> None:
        override = Override(vm, exclude_until=self.now + timedelta(hours=hours))
        await self.tables.commit("Fleet", "00", [Insert(override.rk, override.to_row())])


def types(events: Sequence[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


async def test_operators_are_told_once_and_when_it_is_over() -> None:
    world = Forecasting(local_vms=2, vm_capacity=2)
    booked = [await world.book(start=24 * 60 * day, minutes=60) for day in (1, 13) for _ in "abc"]
    assert not await world.forecast()
    await world.exclude("janus-1", 48)
    for _ in range(3):
        (told,) = await world.forecast()
        world.clock.advance(hours=1)
    assert (told["severity"], told["subject"], told["tenant"]) == ("warning", "pool/0", "platform")
    assert told["data"] == {
        "kind": "capacity_short",
        "subject": "pool/0",
        "reason": "more is booked than the machines carry",
        "since": "2026-06-10T09:00:00Z",
        "next_step": told["data"]["next_step"],
        "start_time": "2026-06-11T09:00:00Z",
        "end_time": "2026-06-11T10:00:00Z",
        "bookings": 3,
        "places": 2,
        "pool_capacity": 4,
        "missing_machines": 1,
    }
    await world.services.bookings.cancel(ALICE, booked[0].booking.booking_id, "")
    told, over = await world.forecast()
    assert types([told, over]) == ["fleet.capacity_warning", "fleet.recovered"]
    assert over["data"]["seconds"] == 3 * 3600


async def test_a_full_pool_is_told_before_somebody_is_refused() -> None:
    world = Forecasting(local_vms=1, vm_capacity=2)
    for _ in "ab":
        await world.book(start=600)
    (told,) = await world.forecast()
    assert told["data"]["kind"] == "capacity_full"
    assert told["data"]["reason"] == "all is booked: the next booking is refused"
    assert told["data"]["missing_machines"] == 0


async def test_a_full_pool_that_becomes_short_is_told_anew() -> None:
    world = Forecasting(local_vms=2, vm_capacity=1)
    booked = [await world.book(start=600) for _ in "ab"]
    assert len(await world.forecast()) == 1
    await world.exclude("janus-1", 48)
    for _ in range(2):
        full, short = await world.forecast()
        world.clock.advance(hours=1)
    kinds = [event["data"]["kind"] for event in (full, short)]
    assert kinds == ["capacity_full", "capacity_short"]
    assert short["data"]["missing_machines"] == 1
    await world.services.bookings.cancel(ALICE, booked[0].booking.booking_id, "")
    over = [event["data"]["kind"] for event in (await world.forecast())[2:]]
    assert sorted(over) == ["capacity_full", "capacity_short"]


async def test_one_that_is_short_need_not_be_full_any_more() -> None:
    world = Forecasting(local_vms=2, vm_capacity=1)
    booked = [await world.book(start=600) for _ in "ab"]
    await world.forecast()
    await world.services.bookings.cancel(ALICE, booked[0].booking.booking_id, "")
    for vm in ("janus-0", "janus-1"):
        await world.exclude(vm, 48)
    told = {(event["type"], event["data"]["kind"]) for event in (await world.forecast())[1:]}
    assert told == {
        ("fleet.capacity_warning", "capacity_short"),
        ("fleet.recovered", "capacity_full"),
    }


async def test_one_that_is_short_no_more_may_still_be_full() -> None:
    world = Forecasting(local_vms=2, vm_capacity=1)
    for _ in "ab":
        await world.book(start=600)
    await world.exclude("janus-1", 11)
    await world.forecast()
    world.clock.advance(hours=1.5)
    events = await world.forecast()
    assert [event["data"]["kind"] for event in events] == ["capacity_short"]
    world.clock.advance(hours=8)
    await world.tables.commit("Fleet", "00", [Delete("r|janus-1")])
    told = {(event["type"], event["data"]["kind"]) for event in (await world.forecast())[1:]}
    assert told == {
        ("fleet.capacity_warning", "capacity_full"),
        ("fleet.recovered", "capacity_short"),
    }


@pytest.mark.parametrize(("share", "told"), [(0.5, 1), (0.6, 0)])
async def test_the_share_that_is_told(share: float, told: int) -> None:
    world = Forecasting(local_vms=2, vm_capacity=2, capacity_warning=share)
    for _ in "ab":
        await world.book(start=600)
    events = await world.forecast()
    assert len(events) == told
    assert all(event["data"]["reason"] == "nearly all is booked" for event in events)


async def test_a_booking_that_began_yesterday_counts() -> None:
    world = Forecasting(local_vms=1, vm_capacity=1)
    world.clock.advance(hours=14)
    await world.book(minutes=20 * 60)
    world.clock.advance(hours=3)
    (told,) = await world.forecast()
    assert told["data"]["start_time"] == "2026-06-11T02:00:00Z"


async def test_what_its_host_may_take_away_does_not_count() -> None:
    world = Forecasting(local_vms=2, vm_capacity=1)
    for _ in "ab":
        await world.book(start=600)
    world.compute._machines["janus-1"] = replace(world.compute.machine("janus-1"), spot=True)
    (told,) = await world.forecast()
    assert told["data"]["missing_machines"] == 1


async def test_without_the_list_of_machines_nothing_new_is_told() -> None:
    world = Forecasting(local_vms=1, vm_capacity=1)
    await world.book(start=600)
    assert types(await world.forecast()) == ["fleet.capacity_warning"]
    world.compute.unavailable = ComputeError("throttled", "too many requests")
    assert types(await world.forecast()) == ["fleet.capacity_warning"]


async def test_no_machine_is_asked_for_its_power() -> None:
    world = Forecasting()
    await world.forecast()
    assert world.compute.looks == [[]]
