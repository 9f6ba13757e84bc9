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
from shared.platform.tables import Conflict, Delete, Tables

PATIENCE = timedelta(minutes=2)
"""How long a row may be absent before its writer is taken for dead (calendar protocol)."""

Subscriber = Callable[[DomainEvent], Awaitable[None]]


class Relay:
    def __init__(
        self, tables: Tables, queues: Queues, clock: Clock, subscribers: Sequence[Subscriber]
    ) -> None:
        self._tables = tables
        self._queues = queues
        self._clock = clock
        self._subscribers = subscribers

    async def handle(self, pointer: Mapping[str, Any]) -> None:
        """One pointer. Raises only on infrastructure faults: the queue then brings it again."""
        table, pk, event_id = pointer["table"], pointer["pk"], pointer["event"]
        row = await self._tables.get(table, pk, ROW_PREFIX + event_id)
        if row is None:
            await self._look_again(pointer)
            return
        event = DomainEvent.from_row(row.data)
        for subscriber in self._subscribers:
            await subscriber(event)
        try:
            await self._tables.commit(table, pk, [Delete(row.rk)])
        except Conflict:
            return  # another delivery of the same pointer removed it

    async def _look_again(self, pointer: Mapping[str, Any]) -> None:
        age = self._clock.now() - parse(pointer["since"])
        if age < PATIENCE:
            wait = min(max(age.total_seconds(), 1.0), 30.0)
            await self._queues.put(OUTBOX, pointer, delay=wait)


async def log_event(event: DomainEvent) -> None:
    """The first subscriber: every domain event is a line in the log."""
    logs.event(
        event.type.value,
        id=event.id,
        tenant=event.tenant,
        subject=event.subject,
        **{f"data_{name}": value for name, value in event.data.items()},
    )
