"""Rows of the fleet: one partition a pool, so that a machine and its events commit together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shared.events.catalogue import DomainEvent
from shared.events.outbox import Outbox
from shared.fleet.models import Fleet, Placement, Vm
from shared.platform.tables import Delete, Insert, Op, Replace, Tables

TABLE = "Fleet"


class FleetStore:
    """Every method may raise `StorageUnavailable`; the writing ones `Conflict`."""

    def __init__(self, tables: Tables, outbox: Outbox) -> None:
        self._tables = tables
        self._outbox = outbox

    async def load(self, pool: int) -> Fleet:
        rows = await self._tables.query(TABLE, _pk(pool), "p|", "w")
        vms = (Vm.from_row(row) for row in rows if row.rk.startswith("v|"))
        placements = (Placement.from_row(row) for row in rows if row.rk.startswith("p|"))
        return Fleet(pool, {vm.name: vm for vm in vms}, {p.booking_id: p for p in placements})

    async def save(self, pool: int, vm: Vm, events: Sequence[DomainEvent] = ()) -> Vm:
        """Returns the machine as stored, so that it can be saved again."""
        row = vm.to_row()
        op: Op = Replace(vm.rk, row, vm.etag) if vm.etag else Insert(vm.rk, row)
        await self._outbox.commit(TABLE, _pk(pool), [op], events)
        stored = await self._tables.get(TABLE, _pk(pool), vm.rk)
        return replace(vm, etag=stored.etag) if stored else vm

    async def place(self, pool: int, placement: Placement) -> Placement:
        """As `save`: a placement that was read replaces exactly what was read."""
        row = placement.to_row()
        fresh = not placement.etag
        op = Insert(placement.rk, row) if fresh else Replace(placement.rk, row, placement.etag)
        await self._tables.commit(TABLE, _pk(pool), [op])
        stored = await self._tables.get(TABLE, _pk(pool), placement.rk)
        return replace(placement, etag=stored.etag) if stored else placement

    async def remove(self, pool: int, placement: Placement) -> None:
        await self._tables.commit(TABLE, _pk(pool), [Delete(placement.rk, placement.etag)])


def _pk(pool: int) -> str:
    return f"{pool:02d}"
