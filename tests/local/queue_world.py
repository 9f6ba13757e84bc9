"""A queue of its own on Azurite, listeners on it, and a function that is recorded."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from local.host.queues import QueueListener, QueueMessage, QueueOptions
from tests.azurite import Azurite

FAST: dict[str, Any] = {"max_polling_interval": timedelta(seconds=0.2)}
DEADLINE = 15.0


class World:
    def __init__(self, azurite: Azurite, caplog: pytest.LogCaptureFixture) -> None:
        self.azurite = azurite
        self.name = f"q{uuid.uuid4().hex[:12]}"
        self.poison_name = f"{self.name}-poison"
        self.got: list[QueueMessage] = []
        self.running = 0
        self.most = 0
        self.hold = asyncio.Event()
        self.hold.set()
        self.act: Callable[[QueueMessage], Awaitable[None]] | None = None
        self.service = QueueServiceClient.from_connection_string(
            azurite.connection, read_timeout=5, retry_total=0
        )
        self._caplog = caplog
        self._listeners: list[QueueListener] = []

    def listener(self, queue: str | None = None, **options: Any) -> QueueListener:
        chosen = QueueOptions(**{**FAST, **options})
        connection = self.azurite.connection
        listener = QueueListener("work", queue or self.name, connection, chosen, self.run)
        self._listeners.append(listener)
        return listener

    async def run(self, message: QueueMessage) -> None:
        self.got.append(message)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.hold.wait()
            if self.act:
                await self.act(message)
        finally:
            self.running -= 1

    @property
    def bodies(self) -> list[bytes]:
        return [message.body for message in self.got]

    def client(self, queue: str | None = None) -> QueueClient:
        return self.service.get_queue_client(queue or self.name)

    async def put(self, *bodies: bytes) -> None:
        """Into a queue that may not be there yet."""
        await self.put_text(*(base64.b64encode(body).decode() for body in bodies))

    async def put_text(self, *texts: str, queue: str | None = None) -> None:
        client = self.client(queue)
        with suppress(ResourceExistsError):
            await client.create_queue()
        for text in texts:
            await client.send_message(text)

    async def count(self, queue: str | None = None) -> int:
        """The visible and the invisible; -1 when there is no such queue."""
        try:
            properties = await self.client(queue).get_queue_properties()
        except ResourceNotFoundError:
            return -1
        return int(properties.approximate_message_count or 0)

    async def empty(self, queue: str | None = None) -> bool:
        return await self.count(queue) == 0

    async def visible(self, queue: str | None = None) -> list[str]:
        return [str(message.content) for message in await self.client(queue).peek_messages(32)]

    def events(self, *names: str) -> list[dict[str, Any]]:
        """What was logged; every line has to be one of ours."""
        lines = [json.loads(record.getMessage()) for record in self._caplog.records]
        return [line for line in lines if not names or line["event"] in names]

    async def close(self) -> None:
        self.hold.set()
        for listener in self._listeners:
            await listener.stop(patience=0.5)
        await self.service.close()


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = DEADLINE) -> None:
    """Fails when it is not so within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        met = condition()
        if met if isinstance(met, bool) else await met:
            return
        if time.monotonic() > deadline:
            pytest.fail(f"not so within {seconds} s")
        await asyncio.sleep(0.02)
