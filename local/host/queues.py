"""Runs one queue function as Azure does.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger: polling
that slows down while nothing comes, several messages at once, and a poison queue for what fails
`maxDequeueCount` times. Delivery is at-least-once.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextvars
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from typing import Any

from azure.core.exceptions import HttpResponseError

from local.host.queue_options import QueueOptions
from local.host.queue_storage import FAULTS, Lease, LeaseLost, QueueStorage
from shared.platform import logs

__all__ = ["QueueListener", "QueueMessage", "QueueOptions"]

FIRST_POLL_SECONDS = 0.1
LONGEST_OUTAGE_POLL_SECONDS = 5.0
SETTLE_SECONDS = 3.0
"""How long `stop` waits for what it cancelled to go back into the queue."""

_JITTER = 0.1


@dataclass(frozen=True)
class QueueMessage:
    """As it was received; `pop_receipt` is void once the message is renewed."""

    body: bytes
    id: str
    dequeue_count: int
    insertion_time: datetime | None
    expiration_time: datetime | None
    next_visible_time: datetime | None
    pop_receipt: str


class _Outcome(Enum):
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class QueueListener:
    """`run` returns: the message is deleted. It raises: the message comes again, or is poison."""

    def __init__(
        self,
        name: str,
        queue: str,
        connection: str,
        options: QueueOptions,
        run: Callable[[QueueMessage], Awaitable[None]],
    ) -> None:
        self.name = name
        self.queue = queue
        self._connection = connection
        self._options = options
        self._run = run
        self._reach = _Reach(name, queue)
        self._stopping = asyncio.Event()
        self._functions: set[asyncio.Task[None]] = set()
        self._workers: set[asyncio.Task[None]] = set()
        self._freed = asyncio.Event()
        self._storage: QueueStorage | None = None
        self._poller: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns at once: the queue is created when the storage answers."""
        if self._poller is None:
            self._stopping.clear()
            self._storage = QueueStorage(self._connection, self.queue)
            self._poller = asyncio.create_task(self._poll(self._storage), name=f"poll {self.queue}")

    async def stop(self, patience: float = 5.0) -> None:
        """Fetches nothing more and lets functions end for `patience` seconds; then cancels them
        and gives their messages back."""
        poller, self._poller = self._poller, None
        storage, self._storage = self._storage, None
        if poller is None or storage is None:
            return
        self._stopping.set()
        self._freed.set()
        try:
            await self._wind_down(poller, patience)
        finally:
            await storage.close()

    async def _wind_down(self, poller: asyncio.Task[None], patience: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                # A fetch on its way is awaited: what it takes would stay invisible otherwise.
                await asyncio.wait({poller})
                while self._functions:
                    await asyncio.wait(set(self._functions))
        poller.cancel()
        for function in self._functions:
            function.cancel()
        if self._workers:
            await asyncio.wait(set(self._workers), timeout=SETTLE_SECONDS)
        rest = {poller, *self._workers, *self._functions}
        for task in rest:
            task.cancel()
        await asyncio.wait(rest, timeout=SETTLE_SECONDS)

    async def _poll(self, storage: QueueStorage) -> None:
        delay, made = FIRST_POLL_SECONDS, False
        longest = self._options.max_polling_interval.total_seconds()
        while not self._stopping.is_set():
            await self._room()
            taken = await self._take(storage, made)
            back, made = taken is not None and not made, taken is not None
            for lease in taken or ():
                self._begin(storage, lease)
            if taken or back:
                delay = FIRST_POLL_SECONDS
            ceiling = longest if made else min(longest, LONGEST_OUTAGE_POLL_SECONDS)
            delay = min(delay, ceiling)
            await self._pause(delay)
            delay = min(delay * 2 * random.uniform(1 - _JITTER, 1 + _JITTER), ceiling)  # noqa: S311

    async def _take(self, storage: QueueStorage, made: bool) -> list[Lease] | None:
        """None when there was a fault. A fetch that the storage gets although we gave it up takes
        messages that we never see, so after a fault a harmless call goes first."""
        try:
            if not made:
                await storage.ensure()
            taken = await storage.receive(self._options.batch_size)
            self._reach.up()
            return taken
        except Exception as error:  # whatever it is, polling goes on
            if made:
                # A connection that had gone stale is no outage: `ensure` will tell.
                return await self._take(storage, made=False)
            self._reach.down(error)
            return None

    async def _room(self) -> None:
        while len(self._workers) > self._options.threshold and not self._stopping.is_set():
            self._freed.clear()
            await self._freed.wait()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _begin(self, storage: QueueStorage, lease: Lease) -> None:
        worker = asyncio.create_task(self._work(storage, lease), name=f"message {lease.message.id}")
        self._workers.add(worker)
        worker.add_done_callback(self._ended)

    def _ended(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        self._freed.set()

    async def _work(self, storage: QueueStorage, lease: Lease) -> None:
        try:
            await self._handle(storage, lease)
        except LeaseLost:
            self._tell("queue.lease_lost", lease, level=logging.WARNING)
        except HttpResponseError as error:
            self._tell("queue.unsettled", lease, level=logging.WARNING, reason=_first_line(error))
        except FAULTS:
            pass  # polling tells of it, and the message comes back when its invisibility ends
        except Exception as error:
            logs.exception("queue.broken", error, **self._fields(lease))

    async def _handle(self, storage: QueueStorage, lease: Lease) -> None:
        if self._stopping.is_set():
            return await lease.release(timedelta(0))
        body = self._body(lease)
        if body is None:
            return await self._poison(storage, lease, "The text is not base64.")
        # As Azure's: a host that dies in the function each time must not do so for ever.
        if lease.dequeue_count > self._options.max_dequeue_count and storage.has_poison:
            return await self._poison(storage, lease, "It was taken too often.")
        outcome = await self._call(lease, body)
        if outcome is _Outcome.DONE:
            return await lease.delete()
        if outcome is _Outcome.CANCELLED:
            return await lease.release(timedelta(0))
        if not storage.has_poison:
            return None  # as in Azure: it stays invisible for the rest of its time
        if lease.dequeue_count >= self._options.max_dequeue_count:
            return await self._poison(storage, lease, "It failed too often.")
        return await lease.release(self._options.visibility_timeout)

    def _body(self, lease: Lease) -> bytes | None:
        if not self._options.base64:
            return lease.text.encode()
        try:
            return base64.b64decode("".join(lease.text.split()), validate=True)
        except (binascii.Error, ValueError):
            return None

    async def _call(self, lease: Lease, body: bytes) -> _Outcome:
        """Runs the function while the lease is renewed."""
        context = contextvars.copy_context()  # so that the log line has the function's operation id
        keeper = asyncio.create_task(lease.keep())
        function = asyncio.create_task(self._function(lease, body), context=context)
        self._functions.add(function)
        try:
            await asyncio.wait({function})
        finally:
            self._functions.discard(function)
            lease.enough()
            await keeper
        if function.cancelled() and self._stopping.is_set():
            return _Outcome.CANCELLED
        error = asyncio.CancelledError() if function.cancelled() else function.exception()
        if error is None:
            return _Outcome.DONE
        context.run(partial(logs.exception, "queue.failed", error, **self._fields(lease)))
        return _Outcome.FAILED

    async def _function(self, lease: Lease, body: bytes) -> None:
        message = lease.message
        await self._run(
            QueueMessage(
                body=body,
                id=str(message.id),
                dequeue_count=lease.dequeue_count,
                insertion_time=message.inserted_on,
                expiration_time=message.expires_on,
                next_visible_time=message.next_visible_on,
                pop_receipt=str(message.pop_receipt),
            )
        )

    async def _poison(self, storage: QueueStorage, lease: Lease, reason: str) -> None:
        if storage.has_poison:
            await storage.poison(lease)
            self._tell("queue.poisoned", lease, level=logging.ERROR, reason=reason)

    def _tell(self, event: str, lease: Lease, *, level: int, **fields: str) -> None:
        logs.event(event, level=level, **self._fields(lease), **fields)

    def _fields(self, lease: Lease) -> dict[str, Any]:
        return {
            "function": self.name,
            "queue": self.queue,
            "message_id": str(lease.message.id),
            "dequeue_count": lease.dequeue_count,
        }


class _Reach:
    """One line when the storage goes away, one when it is back."""

    def __init__(self, name: str, queue: str) -> None:
        self._fields: dict[str, Any] = {"function": name, "queue": queue}
        self._away = False

    def down(self, error: BaseException) -> None:
        if not self._away:
            self._away = True
            reason = _first_line(error)
            logs.event("queue.unreachable", level=logging.WARNING, **self._fields, reason=reason)

    def up(self) -> None:
        if self._away:
            self._away = False
            logs.event("queue.reachable", **self._fields)


def _first_line(error: BaseException) -> str:
    """The SDK's messages go on with request ids and XML."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
