"""Health on a storage that is stopped, or hangs: an answer in time, whatever the storage does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.platform.queues_azure import AzureQueues
from shared.platform.tables_azure import AzureTables
from tests.azurite import Azurite
from tests.world import World

PATIENCE = 3.0
"""Seconds: what the load balancer's probe waits for."""


@pytest.fixture
async def world(own_azurite: Azurite) -> AsyncIterator[World]:
    tables = AzureTables(own_azurite.connection)
    queues = AzureQueues(own_azurite.connection)
    world = World(tables=tables, queues=queues)
    yield world
    await tables.close()
    await queues.close()


async def test_well_stopped_and_well_again(world: World, own_azurite: Azurite) -> None:
    well = {"status": "ok", "database": "ok", "queue": "ok", "janus": "idle"}
    assert await world.services.health() == well
    own_azurite.stop()
    async with asyncio.timeout(PATIENCE):
        found = await world.services.health()
    assert (found["status"], found["database"], found["queue"]) == ("down", "down", "down")
    own_azurite.start()
    assert await world.services.health() == well


async def test_a_hung_storage_is_down_and_not_a_hang(world: World, own_azurite: Azurite) -> None:
    await world.services.health()
    own_azurite.pause()
    try:
        async with asyncio.timeout(PATIENCE):
            found = await world.services.health()
    finally:
        own_azurite.resume()
    assert (found["status"], found["database"], found["queue"]) == ("down", "down", "down")
