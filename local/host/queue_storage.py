"""One Storage queue and its poison queue, and a message while it is in our hands."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError
from azure.core.exceptions import ResourceNotFoundError as NotFound
from azure.storage.queue import QueueMessage as Received
from azure.storage.queue import QueueServiceClient as Account
from azure.storage.queue.aio import QueueClient, QueueServiceClient

LEASE_SECONDS = 30
"""How long a message is invisible when it is taken; renewed at half of it while its function runs.
Azure's host takes 10 minutes. With this, what a killed host had in its hands comes back soon."""

CALL_SECONDS = 5.0
PROBE_SECONDS = 5.0
RENEW_AGAIN_SECONDS = 1.0

POISON_SUFFIX = "-poison"

_MAX_NAME = 63
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# No retries of the SDK's: our loops try again, and they know what a repeated call would mean.
_CLIENT_OPTIONS: dict[str, Any] = {
    "connection_timeout": CALL_SECONDS,
    "read_timeout": CALL_SECONDS,
    "retry_total": 0,
    "logging_enable": False,
}

FAULTS = (AzureError, TimeoutError, OSError)
"""What a call raises when the storage is away, or refuses."""


class LeaseLost(Exception):
    """The message was deleted, or somebody else has it: our pop receipt is void."""


def is_connection(text: str) -> bool:
    """Whether the SDK can read the connection string; nothing is connected."""
    try:
        Account.from_connection_string(text).close()
    except ValueError:
        return False
    return True


def is_name(text: str) -> bool:
    """https://learn.microsoft.com/rest/api/storageservices/naming-queues-and-metadata"""
    return 3 <= len(text) <= _MAX_NAME and _NAME.fullmatch(text) is not None


class QueueStorage:
    def __init__(self, connection: str, queue: str) -> None:
        self._service = QueueServiceClient.from_connection_string(connection, **_CLIENT_OPTIONS)
        self._queue = self._service.get_queue_client(queue)
        self._poison: QueueClient | None = None
        poison = queue + POISON_SUFFIX
        # As in Azure: no poison queue of a poison queue, nor of one whose name gets too long.
        if not queue.endswith(POISON_SUFFIX) and len(poison) <= _MAX_NAME:
            self._poison = self._service.get_queue_client(poison)

    @property
    def has_poison(self) -> bool:
        return self._poison is not None

    async def ensure(self) -> None:
        """Creates the queue. It serves as the probe too, for it does nothing to one that is."""
        async with asyncio.timeout(PROBE_SECONDS):
            await _create(self._queue)

    async def receive(self, most: int) -> list[Lease]:
        async with asyncio.timeout(CALL_SECONDS):
            pages = self._queue.receive_messages(
                messages_per_page=most, max_messages=most, visibility_timeout=LEASE_SECONDS
            )
            return [Lease(self._queue, message) async for message in pages]

    async def poison(self, lease: Lease) -> None:
        """Put there first, deleted then: a crash in between gives two rather than none. It stays
        there for the storage's usual 7 days, as in Azure."""
        if self._poison is None:
            raise RuntimeError("this queue has no poison queue")
        async with asyncio.timeout(CALL_SECONDS):
            try:
                await self._poison.send_message(lease.text)
            except NotFound:
                await _create(self._poison)
                await self._poison.send_message(lease.text)
        await lease.delete()

    async def close(self) -> None:
        await self._service.close()


class Lease:
    """A message in our hands. Its pop receipt changes with every renewal, and only the newest one
    is good, so calls never overlap and a renewal on its way is awaited, not cancelled."""

    def __init__(self, queue: QueueClient, message: Received) -> None:
        self._queue = queue
        self.message = message
        self._receipt = str(message.pop_receipt)
        self._over = asyncio.Event()

    @property
    def text(self) -> str:
        return str(self.message.content or "")

    @property
    def dequeue_count(self) -> int:
        return int(self.message.dequeue_count or 0)

    async def keep(self) -> None:
        """Renews until `enough` is called or the message is somebody else's."""
        pause = LEASE_SECONDS / 2
        while not await self._ends_within(pause):
            try:
                await self._set_visibility(LEASE_SECONDS)
                pause = LEASE_SECONDS / 2
            except LeaseLost:
                return
            except FAULTS:
                pause = RENEW_AGAIN_SECONDS

    def enough(self) -> None:
        self._over.set()

    async def release(self, after: timedelta) -> None:
        await self._set_visibility(math.ceil(after.total_seconds()))

    async def delete(self) -> None:
        with _receipt_counts():
            async with asyncio.timeout(CALL_SECONDS):
                await self._queue.delete_message(self.message.id, pop_receipt=self._receipt)

    async def _set_visibility(self, seconds: int) -> None:
        with _receipt_counts():
            async with asyncio.timeout(CALL_SECONDS):
                changed = await self._queue.update_message(
                    self.message.id, pop_receipt=self._receipt, visibility_timeout=seconds
                )
        self._receipt = str(changed.pop_receipt)

    async def _ends_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()
        return self._over.is_set()


@contextmanager
def _receipt_counts() -> Iterator[None]:
    """404 and 400 PopReceiptMismatch are the storage's words for a lost lease:
    https://learn.microsoft.com/rest/api/storageservices/queue-service-error-codes"""
    try:
        yield
    except HttpResponseError as error:
        if error.status_code in (400, 404):
            raise LeaseLost from error
        raise


async def _create(queue: QueueClient) -> None:
    with suppress(ResourceExistsError):  # one with other metadata, or being deleted right now
        await queue.create_queue()
