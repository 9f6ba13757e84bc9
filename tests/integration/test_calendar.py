"""The calendar on real tables: nothing is booked twice, whoever competes and whatever gets lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.bookings.models import RoomCreate
from shared.bookings.payloads import BookingCreate
from shared.bootstrap import Services
from shared.platform.problems import Problem
from shared.platform.tables_azure import AzureTables
from tests.azurite import Azurite
from tests.proxy import Fault, Proxy
from tests.world import ALICE, World

POOLS = iter(range(1, 100))
"""A pool of its own for each test: they share the emulator."""


@pytest.fixture
async def tables(azurite: Azurite) -> AsyncIterator[AzureTables]:
    client = AzureTables(azurite.connection)
    yield client
    await client.close()


def processes(world: World, count: int) -> list[Services]:
    """Services that share the storage and nothing else, like processes do."""
    ports = world.services.ports
    return [Services(world.settings, replace(ports, random=random.Random(n))) for n in range(count)]


async def persist(services: Services, request: BookingCreate) -> object:
    """Comes back as often as it is asked to."""
    while True:
        try:
            return await services.bookings.create(ALICE, request, "")
        except Problem as problem:
            if problem.code != "calendar_busy":
                return problem.code


async def test_64_writers_in_4_processes_fill_the_capacity_exactly(tables: AzureTables) -> None:
    world = World(tables=tables, pool=next(POOLS), local_vms=1, vm_capacity=10)
    four = processes(world, 4)
    outcomes = await asyncio.gather(
        *(persist(four[n % 4], world.request(60 + n % 3)) for n in range(64))
    )
    assert outcomes.count("capacity_exhausted") == 54
    claims = await four[0].bookings.claims(world.settings.pool, world.now, world.now)
    assert len(claims) == 10
    assert len({c.room_id for c in claims}) == 10, "and no room is taken twice"


async def test_one_room_is_won_by_one(tables: AzureTables) -> None:
    world = World(tables=tables, pool=next(POOLS), local_vms=5)
    four = processes(world, 4)
    room = await four[0].rooms.create(ALICE, RoomCreate())
    outcomes = await asyncio.gather(
        *(persist(four[n % 4], world.request(60, room=room.room_id)) for n in range(12))
    )
    assert outcomes.count("room_taken") == 11


async def test_across_midnight_writers_of_both_days_compete_for_one_place(
    tables: AzureTables,
) -> None:
    world = World(tables=tables, pool=next(POOLS), local_vms=1, vm_capacity=1)
    four = processes(world, 4)
    across, before, after = (
        world.request(14 * 60, 120),
        world.request(14 * 60, 30),
        world.request(15 * 60 + 10, 30),
    )
    outcomes = await asyncio.gather(
        *(persist(four[n % 4], r) for n, r in enumerate([across, before, after] * 4))
    )
    won = [o.booking for o in outcomes if not isinstance(o, str)]  # type: ignore[attr-defined]
    assert won
    for one in won:
        for other in won:
            apart = one.end <= other.start or other.end <= one.start
            assert one is other or apart, "two bookings hold the only place at the same time"


@pytest.mark.parametrize("what", ["request", "answer"])
async def test_a_cut_connection_books_once_or_not_at_all(azurite: Azurite, what: Fault) -> None:
    """Cut at the nth connection: whatever came of it, the next one finds the truth."""
    async with Proxy(azurite.ports["table"]) as proxy:
        tables = AzureTables(azurite.connection_at(table=proxy.port))
        world = World(tables=tables, pool=next(POOLS), local_vms=1, vm_capacity=1)
        await world.services.rooms.create(ALICE, RoomCreate())
        for times in range(1, 6):
            request = world.request(120 * times)
            proxy.cut(what, times)
            first = await asyncio.gather(
                world.services.bookings.create(ALICE, request, ""), return_exceptions=True
            )
            proxy.cut(what, 0)
            again = await persist(world.services, request)
            assert (again == "capacity_exhausted") or isinstance(first[0], Exception)
            day = await world.services.bookings.claims(
                world.settings.pool, request.start_time, request.start_time
            )
            assert len([c for c in day if c.start == request.start_time]) == 1
        assert proxy.cuts
        await tables.close()


async def test_storage_that_comes_back_has_lost_nothing(own_azurite: Azurite) -> None:
    tables = AzureTables(own_azurite.connection)
    world = World(tables=tables, pool=next(POOLS))
    booked = await world.book(60)
    own_azurite.stop()
    with pytest.raises(Exception, match=r".") as error:
        await world.book(60)
    assert type(error.value).__name__ == "StorageUnavailable"
    own_azurite.start()
    stored = await world.services.bookings.get(ALICE, booked.booking.booking_id)
    assert stored.booking.start - world.now == timedelta(minutes=60)
    await world.book(60)
    await tables.close()
