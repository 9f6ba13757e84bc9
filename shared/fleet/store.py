"""Rows of the fleet: one partition a pool, so that a machine and its events commit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from shared.events.catalogue import DomainEvent
from shared.events.outbox import Outbox
from shared.fleet.ledger import Carriage, Stretch
from shared.fleet.models import Fleet, Incident, Override, Placement, Vm
from shared.platform.clock import stamp
from shared.platform.tables import Delete, Insert, Op, Replace, Row, Tables

TABLE = "Fleet"

DRILL = "t|drill"


class FleetStore:
    """Every method may raise `StorageUnavailable`; the writing ones `Conflict`."""

    def __init__(self, tables: Tables, outbox: Outbox) -> None:
        self._tables = tables
        self._outbox = outbox

    # -- reading -----------------------------------------------------------------------------------

    async def load(self, pool: int) -> Fleet:
        """All that a pass needs, in one query: what is over is not among it."""
        kinds: dict[str, list[Row]] = {kind: [] for kind in "prstv"}
        for row in await self._tables.query(TABLE, _pk(pool), "p|", "w"):
            kinds[row.rk[0]].append(row)
        return Fleet(
            pool,
            vms={vm.name: vm for vm in map(Vm.from_row, kinds["v"])},
            placements={p.booking_id: p for p in map(Placement.from_row, kinds["p"])},
            overrides={one.vm: one for one in map(Override.from_row, kinds["r"])},
            incidents={one.key: one for one in map(Incident.from_row, kinds["s"])},
            drill=kinds["t"][0] if kinds["t"] else None,
        )

    async def stretches(self, pool: int, since: datetime, until: datetime) -> list[Stretch]:
        """The closed ones that begin in [since, until), in order."""
        rows = await self._tables.query(TABLE, _pk(pool), f"b|{stamp(since)}", f"b|{stamp(until)}")
        return [Stretch.from_row(row) for row in rows]

    async def carriages(self, pool: int, since: datetime, until: datetime) -> list[Carriage]:
        """Those that are over and began in [since, until), in order."""
        rows = await self._tables.query(TABLE, _pk(pool), f"c|{stamp(since)}", f"c|{stamp(until)}")
        return [Carriage.from_row(row) for row in rows]

    # -- writing -----------------------------------------------------------------------------------

    async def commit(
        self, pool: int, ops: Sequence[Op], events: Sequence[DomainEvent] = ()
    ) -> Mapping[str, str]:
        """All or nothing; returns the new ETags."""
        return await self._outbox.commit(TABLE, _pk(pool), ops, events)

    async def save(
        self, pool: int, vm: Vm, events: Sequence[DomainEvent] = (), also: Sequence[Op] = ()
    ) -> Vm:
        """Returns the machine as stored, so that it can be saved again."""
        etags = await self.commit(pool, [write(vm), *also], events)
        return replace(vm, etag=etags[vm.rk])

    async def place(self, pool: int, placement: Placement, also: Sequence[Op] = ()) -> Placement:
        """As `save`: a placement that was read replaces exactly what was read."""
        etags = await self.commit(pool, [write(placement), *also])
        return replace(placement, etag=etags[placement.rk])

    async def forget(self, pool: int, vm: Vm) -> None:
        await self.commit(pool, [Delete(vm.rk, vm.etag)])

    async def remove(self, pool: int, placement: Placement, also: Sequence[Op] = ()) -> None:
        await self.commit(pool, [Delete(placement.rk, placement.etag), *also])


def write(thing: Vm | Placement | Override | Incident) -> Op:
    """What stores it: in the place of exactly what was read, or as new."""
    row = thing.to_row()
    return Replace(thing.rk, row, thing.etag) if thing.etag else Insert(thing.rk, row)


def _pk(pool: int) -> str:
    return f"{pool:02d}"
