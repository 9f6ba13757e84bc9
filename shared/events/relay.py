"""Consumes outbox pointers: hands each committed event to its subscribers, then removes the row.

At-least-once: a crash after a subscriber ran repeats it with the same event id.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from shared.events.catalogue import DomainEvent
from shared.events.outbox import ROW_PREFIX
from shared.platform import logs
from shared.platform.clock import Clock, parse
from shared.platform.queues import OUTBOX, Queues
from shared.platform.tables import Conflict, Delete, StorageUnavailable, Tables

PATIENCE = timedelta(minutes=2)
"""How long a row may be absent before its writer is taken for dead (calendar protocol)."""

PERSONAL = frozenset({"guests", "name", "email"})
"""What events tell of guests: for those who write to them, not for a log."""

Subscriber = Callable[[DomainEvent], Awaitable[None]]


class Relay:
    def __init__(
        self, tables: Tables, queues: Queues, clock: Clock, subscribers: Sequence[Subscriber]
    ) -> None:
        self._tables = tables
        self._queues = queues
        self._clock = clock
        self.subscribers = [*subscribers]

    async def handle(self, pointer: Mapping[str, Any]) -> None:
        """One pointer. An outage of the tables, however long, only delays it: were it raised, the
        queue would give up after five tries."""
        try:
            await self._carry(pointer)
        except StorageUnavailable as error:
            logs.event("outbox.delayed", reason=str(error))
            await self._again(pointer)

    async def _carry(self, pointer: Mapping[str, Any]) -> None:
        table, pk, event_id = pointer["table"], pointer["pk"], pointer["event"]
        row = await self._tables.get(table, pk, ROW_PREFIX + event_id)
        if row is None:
            if self._age(pointer) < PATIENCE:
                await self._again(pointer)
            return
        event = DomainEvent.from_row(row.data)
        for subscriber in self.subscribers:
            await subscriber(event)
        try:
            await self._tables.commit(table, pk, [Delete(row.rk)])
        except Conflict:
            return  # another delivery of the same pointer removed it

    def _age(self, pointer: Mapping[str, Any]) -> timedelta:
        return self._clock.now() - parse(pointer["since"])

    async def _again(self, pointer: Mapping[str, Any]) -> None:
        wait = min(max(self._age(pointer).total_seconds(), 1.0), 30.0)
        await self._queues.put(OUTBOX, pointer, delay=wait)


async def log_event(event: DomainEvent) -> None:
    """The first subscriber: every domain event is a line in the log, without people's names."""
    logs.event(
        event.type.value,
        id=event.id,
        tenant=event.tenant,
        subject=event.subject,
        **{f"data_{k}": value for k, value in event.data.items() if k not in PERSONAL},
    )
