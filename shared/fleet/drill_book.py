"""Where the drill is kept, and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.events.catalogue import Audit, DomainEvent, EventType
from shared.events.outbox import Outbox
from shared.fleet.drill_rows import Drill
from shared.fleet.models import Fleet
from shared.fleet.store import DRILL, FleetStore
from shared.platform.ids import PLATFORM_TENANT
from shared.platform.tables import Delete, Insert, Op, Replace

BY = "timer:fleet_drill"
"""Who asks for the machine, also when an operator has begun the drill."""


class DrillBook:
    """Every method may raise `StorageUnavailable`."""

    def __init__(self, store: FleetStore, outbox: Outbox, pool: int) -> None:
        self._store = store
        self._outbox = outbox
        self._pool = pool

    async def load(self) -> tuple[Fleet, Drill | None]:
        fleet = await self._store.load(self._pool)
        return fleet, Drill.from_row(fleet.drill) if fleet.drill else None

    async def commit(
        self, drill: Drill, also: Sequence[Op] = (), events: Sequence[DomainEvent] = ()
    ) -> None:
        """Raises `Conflict` when another run was faster."""
        row = drill.to_row()
        op: Op = Replace(DRILL, row, drill.etag) if drill.etag else Insert(DRILL, row)
        await self._store.commit(self._pool, [op, *also], events)

    def event(
        self,
        kind: EventType,
        vm: str,
        data: Mapping[str, Any],
        audit: Audit,
        severity: str = "info",
    ) -> DomainEvent:
        subject = f"vm/{vm}"
        return self._outbox.event(
            kind, PLATFORM_TENANT, subject, data, severity=severity, audit=audit
        )


def released(fleet: Fleet, drill: Drill) -> list[Op]:
    """Takes back that the machine is asked for, unless somebody else does so by now."""
    override = fleet.override(drill.vm)
    return [Delete(override.rk, override.etag)] if override.by == BY else []
