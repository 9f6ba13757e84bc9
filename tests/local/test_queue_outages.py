"""Queue triggers while the storage is stopped or hung."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from local.host import queue_storage, queues
from local.host.queues import QueueMessage
from tests.azurite import Azurite
from tests.local.queue_world import World, until


@pytest.fixture(scope="module")
def server() -> Iterator[Azurite]:
    """Not `own_azurite`: one for these few tests, for it takes seconds to start."""
    server = Azurite()
    yield server
    server.destroy()


@pytest_asyncio.fixture
async def world(
    server: Azurite, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    caplog.set_level(logging.INFO, "suroga")
    monkeypatch.setattr(queue_storage, "LEASE_SECONDS", 2)
    monkeypatch.setattr(queue_storage, "CALL_SECONDS", 1.5)
    monkeypatch.setattr(queue_storage, "PROBE_SECONDS", 1.0)
    world = World(server, caplog)
    yield world
    server.resume()
    await world.close()
    if server._process is None:
        server.start()


async def test_nothing_is_lost_when_the_storage_stops_and_starts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "LONGEST_OUTAGE_POLL_SECONDS", 0.5)

    async def work(_: QueueMessage) -> None:
        await asyncio.sleep(0.1)

    world.act = work
    bodies = {b"%d" % n for n in range(20)}
    await world.put(*bodies)
    await world.listener(batch_size=2).start()
    await until(lambda: len(world.got) > 4)
    await asyncio.to_thread(world.azurite.stop)
    await until(lambda: bool(world.events("queue.unreachable")))
    await asyncio.sleep(1)  # several more polls
    world.azurite.start()  # not in a thread: Azurite dies with the thread that started it
    await until(lambda: set(world.bodies) == bodies, 20)
    await until(world.empty)
    names = [line["event"] for line in world.events()]
    assert names == ["queue.unreachable", "queue.reachable"]
    assert not any("traceback" in line for line in world.events())
    (away,) = world.events("queue.unreachable")
    assert (away["queue"], away["function"]) == (world.name, "work")
    assert "\n" not in away["reason"]


async def test_a_hung_storage_is_noticed_and_nothing_is_lost(world: World) -> None:
    world.hold.clear()
    await world.put(b"before")
    await world.listener().start()
    await until(lambda: world.running == 1)
    world.azurite.pause()
    await until(lambda: bool(world.events("queue.unreachable")))
    world.hold.set()  # it ends while nobody can be told
    await asyncio.sleep(1)
    world.azurite.resume()
    await world.put(b"after")
    await until(lambda: b"after" in world.bodies)
    await until(world.empty)
    await until(lambda: bool(world.events("queue.reachable")))
    names = [line["event"] for line in world.events("queue.unreachable", "queue.reachable")]
    assert names == ["queue.unreachable", "queue.reachable"]
    assert not any("traceback" in line for line in world.events())


async def test_it_starts_before_the_storage_does_and_stops_soon_without_it(world: World) -> None:
    await world.put(b"x")
    await asyncio.to_thread(world.azurite.stop)
    listener = world.listener()
    await listener.start()
    await until(lambda: bool(world.events("queue.unreachable")))
    began = time.monotonic()
    await listener.stop(patience=1)
    assert time.monotonic() - began < 3
    await listener.start()
    world.azurite.start()  # not in a thread: Azurite dies with the thread that started it
    await until(lambda: world.bodies == [b"x"])


async def test_stop_is_soon_when_the_storage_hangs_with_messages_in_hand(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "SETTLE_SECONDS", 0.5)
    world.hold.clear()
    await world.put(b"x")
    listener = world.listener()
    await listener.start()
    await until(lambda: world.running == 1)
    world.azurite.pause()
    began = time.monotonic()
    await listener.stop(patience=0.2)
    assert time.monotonic() - began < 3
    assert world.running == 0
    world.azurite.resume()
    world.hold.set()
    await listener.start()
    await until(lambda: world.bodies == [b"x", b"x"])


async def test_an_outage_is_polled_at_least_every_five_seconds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def noted(_: queues.QueueListener, seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0.01)

    monkeypatch.setattr(queues.QueueListener, "_pause", noted)
    slow = queues.QueueOptions().max_polling_interval
    listener = world.listener(max_polling_interval=slow)
    listener._connection = world.azurite.connection_at(queue=1)  # nobody listens there
    await listener.start()
    await until(lambda: len(pauses) > 9)
    assert max(pauses) == 5
    assert len(world.events()) == 1
