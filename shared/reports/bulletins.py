"""What operators are told by themselves: the coming week's plan, and reports of weeks and months.

Each is told once: that it was is a row in the transaction that commits its event. The timer looks
every hour what is missing, so a tick that was lost is made up for by the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from shared.events.catalogue import Audit, EventType
from shared.events.outbox import Outbox
from shared.platform.clock import Clock, iso
from shared.platform.ids import PLATFORM_TENANT
from shared.platform.tables import Conflict, Delete, Insert, Tables
from shared.platform.waiting import together
from shared.reports.changes import Notes, parsed, read_notes
from shared.reports.fitting import fitted
from shared.reports.models import By, Usage, hours
from shared.reports.periods import Period, period_of, previous
from shared.reports.service import Reports
from shared.reports.summary import overall
from shared.reports.week_plan import WEEK, WeekPlans

if TYPE_CHECKING:
    from shared.platform.settings import Settings

TABLE, PARTITION = "Reports", "bulletins"

NOTES = "n|"

EARLIEST = time(6, tzinfo=UTC)
"""On Mondays and on the first of a month."""

MADE_UP = 12
"""Reports that are made up for, after a long silence."""

LISTED = 50
"""Tenants and machines that a report names, the dearest first."""

KINDS: dict[By, EventType] = {
    "week": EventType.REPORT_WEEKLY,
    "month": EventType.REPORT_MONTHLY,
}


class Bulletins:
    def __init__(
        self,
        tables: Tables,
        outbox: Outbox,
        reports: Reports,
        plans: WeekPlans,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._tables = tables
        self._outbox = outbox
        self._reports = reports
        self._plans = plans
        self._zone = settings.time_zone
        self._clock = clock

    async def run(self) -> None:
        """Tells what is due and was not told. One that fails stops no other; then it raises."""
        await together(self._plan(), self._report("week"), self._report("month"))

    # -- the plan ----------------------------------------------------------------------------------

    async def _plan(self) -> None:
        """Of the week that has begun, as far as it is to come."""
        now = self._clock.now()
        monday = datetime.combine(now.date() - timedelta(days=now.weekday()), EARLIEST)
        monday -= WEEK if now < monday else timedelta()
        told = f"{EventType.FLEET_PLAN}|{monday:%Y-%m-%d}"
        if await self._tables.get(TABLE, PARTITION, told):
            return
        data, after = await self._plans.make(now, monday + WEEK, await self._notes())
        place = f"{NOTES}{monday:%Y-%m-%d}"
        row = {"at": iso(after.at), "horizon": iso(after.horizon)}
        ops = [Insert(told, row), *after.rows(f"{place}|")]
        if await self._tell(EventType.FLEET_PLAN, f"plan/{monday:%G-W%V}", data, ops):
            await self._forget(place)

    async def _notes(self) -> Notes | None:
        """What the last plan knew."""
        kind = EventType.FLEET_PLAN
        rows = await self._tables.query(TABLE, PARTITION, f"{kind}|", f"{kind}}}")
        if not rows:
            return None
        place = NOTES + rows[-1].rk.partition("|")[2]
        parts = await self._tables.query(TABLE, PARTITION, f"{place}|", f"{place}}}")
        return read_notes(*parsed(rows[-1].data), (str(part.data["bookings"]) for part in parts))

    async def _forget(self, place: str) -> None:
        """The notes of earlier plans; what stays behind goes with the next one."""
        old = await self._tables.query(TABLE, PARTITION, NOTES, place, 100)
        if old:
            try:
                await self._tables.commit(TABLE, PARTITION, [Delete(row.rk) for row in old])
            except Conflict:
                return  # somebody else is at it

    # -- reports -----------------------------------------------------------------------------------

    async def _report(self, by: By) -> None:
        kind = KINDS[by]
        for period in await self._missing(kind, by):
            before = previous(period, by, self._zone)
            summary = await self._reports.figures([before, period])
            then, now = map(overall, summary.periods)
            data = report_data(period, await self._reports.bill(period), now)
            data["previous"] = {"period": before.name, **then}
            row = Insert(f"{kind}|{period.day}", {"at": iso(self._clock.now())})
            await self._tell(kind, f"report/{period.name}", fitted(data), [row])

    async def _missing(self, kind: EventType, by: By) -> Sequence[Period]:
        """Those that are over and were not told, the first one first; of a new system the last."""
        now = self._clock.now()
        current = period_of(now, by, self._zone)
        period = previous(current, by, self._zone)
        if now < datetime.combine(current.day, EARLIEST):
            period = previous(period, by, self._zone)
        year = now - timedelta(days=400)
        start = f"{kind}|{year:%Y-%m-%d}"
        rows = await self._tables.query(TABLE, PARTITION, start, f"{kind}}}")
        last = rows[-1].rk.partition("|")[2] if rows else ""
        found: list[Period] = []
        while str(period.day) > last and len(found) < (MADE_UP if last else 1):
            found.insert(0, period)
            period = previous(period, by, self._zone)
        return found

    async def _tell(
        self, kind: EventType, subject: str, data: dict[str, Any], ops: Sequence[Insert]
    ) -> bool:
        """Whether this run has told it."""
        audit = Audit("timer:reports_tick", kind.value)
        event = self._outbox.event(kind, PLATFORM_TENANT, subject, data, audit=audit)
        try:
            await self._outbox.commit(TABLE, PARTITION, ops, [event])
        except Conflict:
            return False  # another run was faster
        return True


def report_data(period: Period, bill: Usage, figures: Any) -> dict[str, Any]:
    tenants = sorted(bill.tenants, key=lambda one: (-one.cost, one.tenant))
    machines = sorted(bill.machines or (), key=lambda one: (-one.cost, one.vm))
    own = bill.platform
    return {
        "period": period.name,
        "since": iso(period.start),
        "until": iso(period.end),
        "time_zone": bill.time_zone,
        "currency": bill.currency,
        **figures,
        "call_minutes": bill.totals.call_minutes,
        "platform": {"vm_hours": hours(own.vm_seconds), "cost": str(own.cost)} if own else {},
        "tenant_count": len(tenants),
        "tenants": [
            {
                "tenant": one.tenant,
                "bookings": one.bookings,
                "calls": one.calls,
                "call_minutes": one.call_minutes,
                "vm_hours": hours(one.vm_seconds),
                "cost": str(one.cost),
            }
            for one in tenants[:LISTED]
        ],
        "machine_count": len(machines),
        "machines": [
            {
                "vm": one.vm,
                "region": one.region,
                "vm_hours": hours(one.on_seconds),
                "cost": str(one.cost),
            }
            for one in machines[:LISTED]
        ],
    }
