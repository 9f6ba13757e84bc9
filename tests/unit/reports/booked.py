"""A world with a ledger to fill, for tests of reports."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shared.events.catalogue import EventType
from shared.fleet.ledger import Carriage, Stretch
from shared.fleet.models import Placement, Vm, VmState
from shared.fleet.store import FleetStore
from shared.platform.auth import Caller
from shared.platform.clock import iso
from shared.platform.tables import Insert
from shared.reports.models import Usage
from tests.world import World

OPERATOR = Caller("olga", "acme", frozenset({"operator"}))


def at(text: str) -> datetime:
    """`10-24 09:30` of 2026, in UTC."""
    return datetime.strptime(f"2026-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


class Booked(World):
    """At noon of 24 November 2026; an hour of a machine is EUR 0.12, of a spot one 0.03."""

    def __init__(self, **settings: Any) -> None:
        prices = {"vm_price": "0.12", "vm_spot_price": "0.03"}
        super().__init__(**{**prices, **settings})
        self.clock.time = at("11-24 12:00")
        self.store = FleetStore(self.tables, self.services.bookings._outbox)

    async def on(
        self, start: str, end: str, vm: str = "janus-0", region: str = "west", price: str = "0.12"
    ) -> None:
        stretch = Stretch(vm, at(start), at(end), region, False, price)
        await self.store.commit(0, [Insert(stretch.rk, stretch.to_row())])

    async def carry(
        self, number: int, start: str, end: str, tenant: str = "acme", vm: str = "janus-0"
    ) -> None:
        carriage = Carriage(number, tenant, vm, at(start), at(end))
        await self.store.commit(0, [Insert(carriage.rk, carriage.to_row())])

    async def going_on(self, vm: str, since: str, *, spot: bool = False) -> None:
        row = Vm(vm, VmState.READY, on_since=at(since), region="west", spot=spot)
        await self.store.save(0, row)

    async def placed(
        self, number: int, vm: str, start: str, since: str, end: str = "12-30 00:00"
    ) -> None:
        placement = Placement(number, vm, 7, "acme", at(start), at(end), since=at(since), made=True)
        await self.store.place(0, placement)

    async def called(self, number: int, start: str, end: str, tenant: str = "acme") -> None:
        """The call's record says so, and its event is carried out."""
        outbox = self.services.bookings._outbox
        data = {"booking_id": number, "started_at": iso(at(start)), "ended_at": iso(at(end))}
        event = outbox.event(EventType.CALL_ENDED, tenant, f"booking/{number}", data)
        await outbox.commit("T", "pk", [Insert(event.id, {})], [event])
        await self.services.relay.handle(
            {"table": "T", "pk": "pk", "event": event.id, "since": iso(self.now)}
        )

    async def usage(
        self, month: str = "2026-10", who: Caller = OPERATOR, tenant: str | None = None
    ) -> Usage:
        usage = await self.services.reports.usage(who, month, tenant)
        check(usage)
        return usage


def check(usage: Usage) -> None:
    """Every column adds up."""
    for name in ("calls", "call_seconds", "vm_seconds", "cost"):
        own = getattr(usage.platform, name, 0) if usage.platform else 0
        of_tenants = sum(getattr(each, name) for each in usage.tenants)
        assert getattr(usage.totals, name) == of_tenants + own, name
        for tenant in usage.tenants:
            mine = [each for each in usage.bookings if each.tenant == tenant.tenant]
            assert getattr(tenant, name) == sum(getattr(each, name) for each in mine), name
            assert len(mine) == tenant.bookings
    if usage.machines is not None:
        assert usage.totals.vm_seconds == sum(m.on_seconds for m in usage.machines)
        assert usage.totals.cost == sum(m.cost for m in usage.machines)


def by_booking(usage: Usage, name: str = "vm_seconds") -> dict[int, Any]:
    return {each.booking_id: getattr(each, name) for each in usage.bookings}
