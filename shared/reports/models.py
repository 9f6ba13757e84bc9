"""What reports answer. Times are whole seconds, which add up; minutes and hours are rounded."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, Self

from pydantic import Field

from shared.platform.payload import Payload, Utc

By = Literal["week", "month"]


class Amounts(Payload):
    """`vm_seconds` is the part of the machines' on-time, `cost` that of their price."""

    calls: int
    call_seconds: int
    call_minutes: float
    vm_seconds: int
    vm_minutes: float
    cost: Decimal

    @classmethod
    def of(
        cls, calls: int, call_seconds: int, vm_seconds: int, cost: Decimal, **more: object
    ) -> Self:
        return cls(
            calls=calls,
            call_seconds=call_seconds,
            call_minutes=minutes(call_seconds),
            vm_seconds=vm_seconds,
            vm_minutes=minutes(vm_seconds),
            cost=cost,
            **more,
        )


def minutes(seconds: int) -> float:
    return round(seconds / 60, 2)


def hours(seconds: int) -> float:
    return round(seconds / 3600, 2)


class BookingUsage(Amounts):
    """`calls` began in the period. From `start_time` until `end_time` machines carried it, also
    before and after the period; both are the same of one that was cancelled before it began."""

    tenant: str
    booking_id: int
    start_time: Utc | None = None
    end_time: Utc | None = None


class TenantUsage(Amounts):
    """The sum of a tenant's bookings."""

    tenant: str
    bookings: int


class UsageTotals(Amounts):
    """The sum of all that is shown; for operators with the platform's own share."""

    bookings: int


class OwnUsage(Payload):
    """The platform's own share: machines that were on and carried nobody, because a person held
    them, or to be warm, or for a drill."""

    vm_seconds: int
    vm_minutes: float
    cost: Decimal


class MachineUsage(Payload):
    """How long a machine was on. Those of all machines are the totals."""

    vm: str
    region: str
    on_seconds: int
    on_minutes: float
    cost: Decimal


class Usage(Payload):
    """A month's bill, from `since` until `until`, as it was at `as_of`.

    `platform` and `machines` are for operators who ask for all tenants: then the tenants' sums and
    the platform's own share make the totals, and so do the machines.
    """

    month: str
    time_zone: str
    since: Utc
    until: Utc
    as_of: Utc
    currency: str
    totals: UsageTotals
    tenants: tuple[TenantUsage, ...]
    bookings: tuple[BookingUsage, ...]
    platform: OwnUsage | None = None
    machines: tuple[MachineUsage, ...] | None = None


class Figures(Payload):
    """`sessions` are calls that began in the period; `mean_seconds` is how long they lasted.
    `peak` is the most that went on at one moment, first at `peak_at`. `bookings` were carried by a
    machine, whether anybody came or not."""

    sessions: int
    mean_seconds: int
    bookings: int
    peak: int
    peak_at: Utc | None = None
    vm_seconds: int
    vm_hours: float
    cost: Decimal


class RegionFigures(Figures):
    """By the region of the machine; `unknown` when nobody has told of it."""

    region: str


class PeriodFigures(Figures):
    """`name` is `2026-W43` or `2026-10`."""

    name: str
    since: Utc
    until: Utc
    regions: tuple[RegionFigures, ...]


class Summary(Payload):
    """By week (from Monday on) or month in the time zone, as it was at `as_of`; the first and the
    last period are cut where the interval begins and ends. `tenant` when it is only of one."""

    time_zone: str
    as_of: Utc
    currency: str
    tenant: str | None = None
    periods: tuple[PeriodFigures, ...] = Field(default=())
