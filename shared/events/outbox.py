"""The outbox: a domain event is a row that commits together with the change it tells of.

A pointer message is put before the commit, so that somebody looks even if the writer dies right
after it; its consumer (`relay`) hides it again while the row is absent (calendar protocol).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from shared.events.catalogue import Audit, DomainEvent, EventType
from shared.platform import logs
from shared.platform.clock import Clock, iso
from shared.platform.ids import Ids
from shared.platform.queues import OUTBOX, Queues
from shared.platform.tables import Insert, Op, Tables

FIRST_LOOK = 1.0
"""Seconds before a pointer is looked at for the first time: the commit usually takes less."""

ROW_PREFIX = "o|"


class Outbox:
    def __init__(self, tables: Tables, queues: Queues, clock: Clock, ids: Ids) -> None:
        self._tables = tables
        self._queues = queues
        self._clock = clock
        self._ids = ids

    def event(
        self,
        kind: EventType,
        tenant: str,
        subject: str,
        data: Mapping[str, Any],
        *,
        severity: str = "info",
        event_id: str = "",
        audit: Audit | None = None,
    ) -> DomainEvent:
        """An event of now; the operation that caused it travels in its context."""
        return DomainEvent(
            id=event_id or self._ids.event_id(),
            type=kind,
            time=self._clock.now(),
            tenant=tenant,
            subject=subject,
            data=data,
            severity=severity,
            context={"operation_id": logs.operation_id.get()},
            audit=audit,
        )

    async def announce(self, table: str, pk: str, event_id: str) -> None:
        """Puts the pointer to a row that is about to be committed."""
        pointer = {"table": table, "pk": pk, "event": event_id, "since": iso(self._clock.now())}
        await self._queues.put(OUTBOX, pointer, delay=FIRST_LOOK)

    async def commit(
        self,
        table: str,
        pk: str,
        ops: Sequence[Op],
        events: Sequence[DomainEvent],
        *,
        announced: bool = False,
    ) -> Mapping[str, str]:
        """Commits `ops` and the events in one transaction: the only way an event comes to be.

        With `announced` the caller has put the pointers already, beside its reads, to save a wait.
        Returns and raises what `Tables.commit` does.
        """
        if not announced:
            await asyncio.gather(*(self.announce(table, pk, e.id) for e in events))
        rows = [Insert(ROW_PREFIX + event.id, event.to_row()) for event in events]
        return await self._tables.commit(table, pk, [*ops, *rows])
