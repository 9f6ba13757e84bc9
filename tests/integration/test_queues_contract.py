"""One contract for every adapter of the queues port, and the faults of a real server."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from typing import Any, Protocol
from uuid import uuid4

import pytest
from azure.storage.queue.aio import QueueServiceClient

from shared.platform import logs
from shared.platform.queues import MAX_BODY, Queues, open_message, seal_message
from shared.platform.queues_azure import AzureQueues
from shared.platform.tables import StorageUnavailable
from tests.azurite import Azurite
from tests.fakes.queues import FakeQueues
from tests.proxy import Fault, Proxy


class Reader(Protocol):
    async def visible(self, queue: str) -> list[dict[str, Any]]:
        """Takes the bodies of the messages that can be received now."""
        ...


class FakeReader:
    def __init__(self, queues: FakeQueues) -> None:
        self._queues = queues

    async def visible(self, queue: str) -> list[dict[str, Any]]:
        later = [m for m in self._queues.messages if m[0] != queue or m[2]]
        self._queues.messages = [m for m in self._queues.messages if m not in later]
        taken = self._queues.take(queue)
        self._queues.messages = later
        return taken


class AzureReader:
    """Opens messages as the Functions host does: base64 first, then the envelope."""

    def __init__(self, service: QueueServiceClient) -> None:
        self._service = service

    async def envelopes(self, queue: str) -> list[tuple[str, dict[str, Any]]]:
        client = self._service.get_queue_client(queue)
        found = []
        async for message in client.receive_messages(messages_per_page=32):
            text = base64.b64decode(message.content, validate=True).decode()
            found.append(open_message(text))
            await client.delete_message(message)
        return found

    async def visible(self, queue: str) -> list[dict[str, Any]]:
        return [body for _, body in await self.envelopes(queue)]


Pair = tuple[Queues, Reader]


@pytest.fixture(params=["fake", "azurite"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    if request.param == "fake":
        fake = FakeQueues()
        yield fake, FakeReader(fake)
        return
    connection = request.getfixturevalue("azurite").connection
    queues = AzureQueues(connection)
    async with QueueServiceClient.from_connection_string(connection) as service:
        yield queues, AzureReader(service)
    await queues.close()


@pytest.fixture
def queue() -> str:
    return f"q-{uuid4().hex}"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {
            "id": 2**53 - 1,
            "text": "Sala é 会議 😀 <&>\"'",
            "list": [1, None, True],
            "deep": {"a": 1.5},
        },
    ],
)
async def test_a_body_comes_back(pair: Pair, queue: str, body: dict[str, Any]) -> None:
    queues, reader = pair
    await queues.put(queue, body)
    assert await reader.visible(queue) == [body]
    assert await reader.visible(queue) == []


async def test_the_first_messages_create_the_queue(pair: Pair, queue: str) -> None:
    queues, reader = pair
    await asyncio.gather(*(queues.put(queue, {"n": n}) for n in range(8)))
    found = await reader.visible(queue)
    assert sorted(body["n"] for body in found) == list(range(8))


async def test_queues_are_apart(pair: Pair, queue: str) -> None:
    queues, reader = pair
    await queues.put(queue, {"n": 1})
    await queues.put(queue + "2", {"n": 2})
    assert await reader.visible(queue) == [{"n": 1}]
    assert await reader.visible(queue + "2") == [{"n": 2}]


async def test_a_delayed_message_is_not_visible_yet(pair: Pair, queue: str) -> None:
    queues, reader = pair
    await queues.put(queue, {"n": 1}, delay=60)
    await queues.put(queue, {"n": 2})
    assert await reader.visible(queue) == [{"n": 2}]


async def test_the_largest_body_fits(pair: Pair, queue: str) -> None:
    queues, reader = pair
    body = {"text": "x" * (MAX_BODY - len('{"text":""}'))}
    await queues.put(queue, body)
    assert await reader.visible(queue) == [body]


async def test_ping(pair: Pair) -> None:
    await pair[0].ping(5)


def test_an_envelope_carries_the_operation_id() -> None:
    operation = logs.new_operation()
    assert open_message(seal_message({"a": "é"})) == (operation, {"a": "é"})


@pytest.mark.parametrize("text", ["", "no json", "[]", "{}", '{"op":1,"body":{}}', '{"op":"x"}'])
def test_what_is_no_envelope(text: str) -> None:
    with pytest.raises(ValueError, match=r"Expecting value|no envelope"):
        open_message(text)


# What only the real adapter has.


@pytest.fixture
async def azure(azurite: Azurite) -> AsyncIterator[AzureQueues]:
    adapter = AzureQueues(azurite.connection)
    yield adapter
    await adapter.close()


async def until_visible(reader: AzureReader, queue: str) -> list[tuple[str, dict[str, Any]]]:
    async with asyncio.timeout(10):
        while not (found := await reader.envelopes(queue)):  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(0.05)
        return found


async def test_the_operation_id_travels_and_delays_round_up(azurite: Azurite, queue: str) -> None:
    queues = AzureQueues(azurite.connection)
    async with QueueServiceClient.from_connection_string(azurite.connection) as service:
        operation = logs.new_operation()
        await queues.put(queue, {"n": 1}, delay=0.2)
        reader = AzureReader(service)
        assert await reader.envelopes(queue) == []
        assert await until_visible(reader, queue) == [(operation, {"n": 1})]
    await queues.close()


async def test_messages_never_expire(azurite: Azurite, azure: AzureQueues, queue: str) -> None:
    await azure.put(queue, {})
    async with QueueServiceClient.from_connection_string(azurite.connection) as service:
        (message,) = await service.get_queue_client(queue).peek_messages()
        assert message.expires_on
        assert message.expires_on.year == 9999


@pytest.mark.parametrize(
    ("body", "delay"), [({"text": "x" * 49_200}, 0), ({}, -1), ({}, 7 * 24 * 3600 + 1)]
)
async def test_what_a_queue_cant_take(
    azure: AzureQueues, queue: str, body: dict[str, Any], delay: float
) -> None:
    with pytest.raises(ValueError, match=r"not|at most"):
        await azure.put(queue, body, delay)


async def test_stopped_hung_and_started_again(own_azurite: Azurite) -> None:
    queues = AzureQueues(own_azurite.connection)
    await queues.put("q-1", {"n": 1})
    own_azurite.stop()
    started = time.monotonic()
    with pytest.raises(StorageUnavailable):
        await queues.put("q-1", {"n": 2})
    assert time.monotonic() - started < 3
    own_azurite.start()
    await queues.put("q-1", {"n": 3})
    own_azurite.pause()
    started = time.monotonic()
    with pytest.raises(StorageUnavailable):
        await queues.ping(0.3)
    assert 0.3 <= time.monotonic() - started < 1.3
    with pytest.raises(StorageUnavailable):
        await queues.put("q-1", {"n": 4})
    assert time.monotonic() - started < 12
    own_azurite.resume()
    await queues.ping(5)
    await queues.close()


@pytest.mark.parametrize("fault", ["request", "answer"])
async def test_a_cut_connection_loses_no_message(
    azurite: Azurite, queue: str, fault: Fault
) -> None:
    async with Proxy(azurite.ports["queue"]) as proxy:
        queues = AzureQueues(azurite.connection_at(queue=proxy.port))
        await queues.put(queue, {"n": 1})
        proxy.cut(fault)
        await queues.put(queue, {"n": 2})
        assert proxy.cuts == 1
        proxy.cut(fault, times=1000)
        with pytest.raises(StorageUnavailable):
            await queues.put(queue, {"n": 3})
        await queues.close()
    async with QueueServiceClient.from_connection_string(azurite.connection) as service:
        numbers = {body["n"] for body in await AzureReader(service).visible(queue)}
    assert numbers == ({1, 2, 3} if fault == "answer" else {1, 2})
