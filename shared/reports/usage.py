"""A month's bill: who called for how long, what machines were on for it, and what that costs. Pure.

Money is rounded once, for the whole month, and handed down: the total in the currency's coins to
the tenants and the platform itself, a tenant's amount to its bookings; and the same total to the
machines. Each step by the largest remainder, so every column adds up.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction

from shared.platform.ids import PLATFORM_TENANT
from shared.reports.models import (
    Amounts,
    BookingUsage,
    MachineUsage,
    OwnUsage,
    TenantUsage,
    Usage,
    UsageTotals,
    minutes,
)
from shared.reports.money import amount, apportion, exact_coins, rounded
from shared.reports.periods import Period, seconds
from shared.reports.reader import Reading
from shared.reports.runs import NOBODY


@dataclass(slots=True)
class Tally:
    """`at` is the machines' time by price an hour; so sums of many parts stay exact and quick."""

    calls: int = 0
    call_seconds: int = 0
    at: Counter[str] = field(default_factory=Counter)

    @property
    def vm_seconds(self) -> int:
        return self.at.total()


@dataclass(slots=True)
class Account:
    """Everything of one period, by (tenant, booking) and by machine. Nobody's is the platform's."""

    currency: str
    by_booking: dict[tuple[str, int], Tally] = field(default_factory=dict)
    by_machine: dict[str, Tally] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """In coins, rounded."""
        return rounded(sum(map(self.coins, self.by_machine.values()), Fraction(0)))

    def coins(self, tally: Tally) -> Fraction:
        """The exact cost, in the currency's smallest coin."""
        return exact_coins(tally.at, self.currency)

    def by_tenant(self) -> dict[str, int]:
        """Coins; the platform's own share among them."""
        exact: dict[str, Fraction] = defaultdict(Fraction)
        for (tenant, _), tally in self.by_booking.items():
            exact[tenant] += self.coins(tally)
        return apportion(self.total, exact)

    def of_machines(self) -> dict[str, int]:
        return apportion(self.total, {vm: self.coins(t) for vm, t in self.by_machine.items()})


def account(reading: Reading, since: int, until: int, currency: str) -> Account:
    """Of [since, until), which lies within what was read."""
    found, tenants = Account(currency), reading.tenants()
    bookings: dict[tuple[str, int], Tally] = defaultdict(Tally)
    machines: dict[str, Tally] = defaultdict(Tally)
    for share in reading.book.shares(since, until):
        tenant = PLATFORM_TENANT if share.booking_id == NOBODY else tenants[share.booking_id]
        for tally in (bookings[tenant, share.booking_id], machines[share.vm]):
            tally.at[share.price] += share.seconds
    for session in reading.sessions:
        if lasted := session.within(since, until):
            tally = bookings[session.tenant, session.booking_id]
            tally.call_seconds += lasted
            tally.calls += since <= session.start < until
    found.by_booking, found.by_machine = dict(bookings), dict(machines)
    return found


def usage(
    reading: Reading, period: Period, tenant: str | None, currency: str, time_zone: str
) -> Usage:
    """Of one tenant, or of all with the platform's own share and the machines."""
    books = account(reading, seconds(period.start), seconds(period.end), currency)
    coins = books.by_tenant()
    rows = _bookings(books, coins, tenant, reading.times())
    tenants = _tenants(rows)
    own = _own(books, coins) if tenant in (None, PLATFORM_TENANT) else None
    machines = _machines(books, reading.regions) if tenant is None else None
    return Usage(
        month=period.name,
        time_zone=time_zone,
        since=period.start,
        until=period.end,
        as_of=reading.at,
        currency=currency,
        totals=_totals(tenants, own, currency),
        tenants=tenants,
        bookings=rows,
        platform=own,
        machines=machines,
    )


def _bookings(
    books: Account,
    coins: Mapping[str, int],
    wanted: str | None,
    times: Mapping[int, tuple[datetime, datetime]],
) -> tuple[BookingUsage, ...]:
    by_tenant: dict[str, dict[int, Tally]] = defaultdict(dict)
    for (tenant, booking_id), tally in books.by_booking.items():
        if booking_id != NOBODY and wanted in (None, tenant):
            by_tenant[tenant][booking_id] = tally
    rows = []
    for tenant in sorted(by_tenant):
        mine = by_tenant[tenant]
        costs = apportion(coins[tenant], {n: books.coins(tally) for n, tally in mine.items()})
        for booking_id, tally in sorted(mine.items()):
            cost = amount(costs[booking_id], books.currency)
            counts = (tally.calls, tally.call_seconds, tally.vm_seconds, cost)
            start, end = times.get(booking_id, (None, None))
            row = BookingUsage.of(*counts, tenant=tenant, booking_id=booking_id)
            rows.append(row.model_copy(update={"start_time": start, "end_time": end}))
    return tuple(rows)


def _tenants(rows: tuple[BookingUsage, ...]) -> tuple[TenantUsage, ...]:
    by_tenant: dict[str, list[Amounts]] = defaultdict(list)
    for row in rows:
        by_tenant[row.tenant].append(row)
    return tuple(
        TenantUsage.of(
            sum(each.calls for each in mine),
            sum(each.call_seconds for each in mine),
            sum(each.vm_seconds for each in mine),
            sum((each.cost for each in mine[1:]), mine[0].cost),
            tenant=tenant,
            bookings=len(mine),
        )
        for tenant, mine in by_tenant.items()
    )


def _own(books: Account, coins: Mapping[str, int]) -> OwnUsage:
    took = books.by_booking.get((PLATFORM_TENANT, NOBODY), Tally()).vm_seconds
    cost = amount(coins.get(PLATFORM_TENANT, 0), books.currency)
    return OwnUsage(vm_seconds=took, vm_minutes=minutes(took), cost=cost)


def _machines(books: Account, regions: Mapping[str, str]) -> tuple[MachineUsage, ...]:
    coins = books.of_machines()
    return tuple(
        MachineUsage(
            vm=vm,
            region=regions.get(vm, ""),
            on_seconds=tally.vm_seconds,
            on_minutes=minutes(tally.vm_seconds),
            cost=amount(coins[vm], books.currency),
        )
        for vm, tally in sorted(books.by_machine.items())
    )


def _totals(tenants: tuple[TenantUsage, ...], own: OwnUsage | None, currency: str) -> UsageTotals:
    parts: list[TenantUsage | OwnUsage] = [*tenants, *([own] if own else [])]
    return UsageTotals.of(
        sum(each.calls for each in tenants),
        sum(each.call_seconds for each in tenants),
        sum(each.vm_seconds for each in parts),
        sum((each.cost for each in parts), amount(0, currency)),
        bookings=sum(each.bookings for each in tenants),
    )
