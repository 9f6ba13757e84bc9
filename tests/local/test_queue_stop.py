"""Stopping and starting a queue listener: what was in its hands goes back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from local.host import queue_storage
from tests.azurite import Azurite
from tests.local.queue_world import World, until


@pytest_asyncio.fixture
async def world(azurite: Azurite, caplog: pytest.LogCaptureFixture) -> AsyncIterator[World]:
    caplog.set_level(logging.INFO, "suroga")
    world = World(azurite, caplog)
    yield world
    await world.close()


async def test_stop_lets_functions_end(world: World) -> None:
    world.hold.clear()
    await world.put(b"x")
    listener = world.listener()
    await listener.start()
    await until(lambda: world.running == 1)
    stopping = asyncio.create_task(listener.stop(patience=10))
    await world.put(b"too late")
    await asyncio.sleep(0.5)
    assert not stopping.done()
    world.hold.set()
    await stopping
    assert world.bodies == [b"x"]
    assert await world.visible() == ["dG9vIGxhdGU="]
    assert await world.count() == 1


async def test_stop_cancels_what_does_not_end_and_gives_it_back(world: World) -> None:
    world.hold.clear()
    await world.put(b"x", b"y")
    listener = world.listener()
    await listener.start()
    await until(lambda: world.running == 2)
    began = time.monotonic()
    await listener.stop(patience=0.2)
    assert time.monotonic() - began < 3
    assert world.running == 0
    assert sorted(await world.visible()) == ["eA==", "eQ=="]
    assert world.events() == []


async def test_what_a_stopping_host_still_fetches_goes_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive = queue_storage.QueueStorage.receive
    fetched, go_on = asyncio.Event(), asyncio.Event()

    async def slow(self: queue_storage.QueueStorage, most: int) -> list[queue_storage.Lease]:
        leases = await receive(self, most)
        fetched.set()
        await go_on.wait()
        return leases

    monkeypatch.setattr(queue_storage.QueueStorage, "receive", slow)
    await world.put(b"x")
    listener = world.listener()
    await listener.start()
    await fetched.wait()
    stopping = asyncio.create_task(listener.stop())
    await asyncio.sleep(0)
    go_on.set()
    await stopping
    assert world.got == []
    assert await world.visible() == ["eA=="]


async def test_it_starts_again_after_stop(world: World) -> None:
    listener = world.listener()
    await listener.stop()
    await listener.start()
    await listener.start()
    await listener.stop()
    await listener.stop()
    await listener.start()
    await world.put(b"x")
    await until(lambda: world.bodies == [b"x"])
