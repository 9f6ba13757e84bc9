"""The queues port on Azure Storage queues, or Azurite."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from shared.platform.azure_storage import (
    CALL_SECONDS,
    CLIENT_OPTIONS,
    answers,
    credential,
)
from shared.platform.queues import seal_message
from shared.platform.tables import Conflict, StorageUnavailable

MAX_MESSAGE = 64 * 1024
"""https://learn.microsoft.com/rest/api/storageservices/put-message"""

MAX_DELAY = 7 * 24 * 3600

_NEVER_EXPIRES = -1
# The storage SDK has its own names for these, and by default waits 15 s and more.
_BACKOFF = {"initial_backoff": 0.3, "increment_base": 0.5, "random_jitter_range": 0.1}
_BEING_MADE = frozenset({404, 409})


class AzureQueues:
    """One long-lived client, as `AzureTables`; a queue is created when a message finds none.

    The SDK sends again after any fault, so a message may arrive twice: delivery is at-least-once.
    """

    def __init__(self, connection: str | None = None, account: str | None = None) -> None:
        options = {**CLIENT_OPTIONS, **_BACKOFF}
        self._credential = None
        if connection:
            self._service = QueueServiceClient.from_connection_string(connection, **options)
        else:
            self._credential = credential()
            self._service = QueueServiceClient(
                f"https://{account}.queue.core.windows.net", credential=self._credential, **options
            )
        self._clients: dict[str, QueueClient] = {}

    async def put(self, queue: str, body: Mapping[str, Any], delay: float = 0) -> None:
        """Delays are whole seconds here, rounded up. Raises `ValueError` beyond 64 KiB."""
        text = base64.b64encode(seal_message(body).encode()).decode("ascii")
        if len(text) > MAX_MESSAGE:
            raise ValueError(f"a message takes at most {MAX_MESSAGE} bytes, this has {len(text)}")
        if not 0 <= delay <= MAX_DELAY:
            raise ValueError(f"a delay is 0 to {MAX_DELAY} s, not {delay}")
        client = self._client(queue)
        send = partial(
            client.send_message,
            text,
            visibility_timeout=math.ceil(delay),
            time_to_live=_NEVER_EXPIRES,
        )
        try:
            async with answers(CALL_SECONDS, conflicts=_BEING_MADE):
                try:
                    await send()
                except ResourceNotFoundError:
                    with suppress(ResourceExistsError):  # somebody else was faster
                        await client.create_queue()
                    await send()
        except Conflict as error:
            raise StorageUnavailable(f"The queue {queue} is being made or deleted") from error

    async def ping(self, timeout: float) -> None:
        async with answers(timeout):
            async for _ in self._service.list_queues(results_per_page=1):
                break

    async def close(self) -> None:
        await self._service.close()
        if self._credential:
            await self._credential.close()

    def _client(self, queue: str) -> QueueClient:
        if queue not in self._clients:
            self._clients[queue] = self._service.get_queue_client(queue)
        return self._clients[queue]
