"""Summaries: by week and month of the time zone, by region, with peaks, for those who may."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from shared.platform.problems import Problem
from shared.reports.calls import Session
from shared.reports.models import By, Summary
from shared.reports.periods import periods
from shared.reports.summary import busiest
from tests.unit.reports.booked import OPERATOR, Booked, at
from tests.world import ADMIN

HOUR = 3600


@pytest.fixture
async def world() -> Booked:
    """Two weeks in two regions: acme on Monday 5 October, evil then and on the 12th."""
    world = Booked()
    await world.on("10-05 09:30", "10-05 11:15", "janus-0", "west")
    await world.on("10-05 09:30", "10-05 11:15", "janus-1", "north")
    await world.on("10-12 09:30", "10-12 11:15", "janus-1", "north")
    await world.on("10-12 12:00", "10-12 13:00", "janus-1", "north")  # a person held it
    await world.carry(1, "10-05 10:00", "10-05 11:00")
    await world.carry(2, "10-05 10:00", "10-05 11:00", "evil", "janus-1")
    await world.carry(3, "10-12 10:00", "10-12 11:00", "evil", "janus-1")
    await world.called(1, "10-05 09:58", "10-05 10:30")
    await world.called(2, "10-05 10:10", "10-05 10:20", "evil")
    await world.called(2, "10-05 10:40", "10-05 10:50", "evil")
    return world


async def summary(
    world: Booked, by: By = "week", start: str = "10-05 00:00", end: str = "10-19 00:00", **who: str
) -> Summary:
    reports, caller = world.services.reports, ADMIN if who.get("who") == "admin" else OPERATOR
    return await reports.summary(caller, at(start), at(end), by, who.get("tenant"))


async def test_weeks(world: Booked) -> None:
    first, second = (await summary(world)).periods
    assert (first.name, first.since, first.until) == ("2026-W41", at("10-05 00:00"), second.since)
    assert (first.sessions, first.bookings, first.mean_seconds) == (3, 2, (32 + 10 + 10) * 60 // 3)
    assert (first.peak, first.peak_at) == (2, at("10-05 10:10"))
    assert (first.vm_hours, first.cost) == (3.5, Decimal("0.42"))
    assert (second.sessions, second.bookings, second.peak, second.peak_at) == (0, 1, 0, None)
    assert (second.vm_seconds, second.mean_seconds) == (2.75 * HOUR, 0)


async def test_regions_are_those_of_the_machines(world: Booked) -> None:
    first, second = (await summary(world)).periods
    assert [(r.region, r.sessions, r.bookings, r.peak) for r in first.regions] == [
        ("north", 2, 1, 1),
        ("west", 1, 1, 1),
    ]
    assert sum(r.cost for r in first.regions) == first.cost
    assert [(r.region, r.vm_seconds) for r in second.regions] == [("north", 2.75 * HOUR)]


async def test_a_month_is_as_in_the_bill(world: Booked) -> None:
    (month,) = (await summary(world, "month", "10-01 00:00", "11-01 00:00")).periods
    bill = await world.usage()
    assert (month.name, month.cost) == ("2026-10", bill.totals.cost)
    assert month.vm_seconds == bill.totals.vm_seconds
    assert month.sessions == bill.totals.calls
    for tenant in bill.tenants:
        seen = await summary(world, "month", "10-01 00:00", "11-01 00:00", tenant=tenant.tenant)
        (mine,) = seen.periods
        assert (mine.cost, mine.vm_seconds) == (tenant.cost, tenant.vm_seconds)
        assert (mine.sessions, mine.bookings) == (tenant.calls, tenant.bookings)


async def test_an_admin_sees_the_own_tenant(world: Booked) -> None:
    mine = await summary(world, who="admin")
    assert mine.tenant == "acme"
    first, second = mine.periods
    assert (first.sessions, first.bookings, first.vm_hours) == (1, 1, 1.75)
    assert [r.region for r in first.regions] == ["west"]
    assert (second.sessions, second.bookings, second.vm_seconds, second.regions) == (0, 0, 0, ())
    assert mine == await summary(world, tenant="acme")


async def test_a_call_over_midnight_of_sunday_counts_where_it_began() -> None:
    world = Booked()
    await world.called(1, "10-11 23:50", "10-12 00:10")
    first, second = (await summary(world)).periods
    assert (first.sessions, first.mean_seconds, first.peak) == (1, 20 * 60, 1)
    assert (second.sessions, second.mean_seconds, second.peak) == (0, 0, 1)
    assert second.peak_at == at("10-12 00:00")
    assert [r.region for r in first.regions] == ["unknown"]


async def test_weeks_of_the_time_zone_have_an_hour_more_or_less() -> None:
    found = [*periods(at("10-20 12:00"), at("10-28 00:00"), "week", "Europe/Lisbon")]
    assert [(p.name, p.start, p.end) for p in found] == [
        ("2026-W43", at("10-20 12:00"), at("10-26 00:00")),  # from 25 October on WET
        ("2026-W44", at("10-26 00:00"), at("10-28 00:00")),
    ]
    (whole,) = periods(at("10-18 23:00"), at("10-26 00:00"), "week", "Europe/Lisbon")
    assert (whole.end - whole.start).total_seconds() == (7 * 24 + 1) * HOUR


async def test_by_default_the_last_twelve_until_now(world: Booked) -> None:
    reports = world.services.reports
    weeks = (await reports.summary(OPERATOR, None, None, "week", None)).periods
    assert (len(weeks), weeks[0].since, weeks[-1].until) == (12, at("09-07 00:00"), world.now)
    months = (await reports.summary(OPERATOR, None, None, "month", None)).periods
    assert [m.name for m in months] == ["2025-12", *(f"2026-{n:02d}" for n in range(1, 12))]


@pytest.mark.parametrize("end", ["10-05 00:00", "10-04 00:00"])
async def test_a_bad_interval_is_refused(world: Booked, end: str) -> None:
    with pytest.raises(Problem) as caught:
        await summary(world, end=end)
    assert [e.field for e in caught.value.errors] == ["from"]


async def test_the_last_days_that_there_are(world: Booked) -> None:
    since, until = (datetime(9998, 12, day, tzinfo=UTC) for day in (25, 27))
    found = await world.services.reports.summary(OPERATOR, since, until, "week", None)
    assert found.periods[0].since == since


def test_a_peak_is_of_one_moment() -> None:
    """One that ends as another begins is not beside it."""
    calls = [Session(n, "acme", start, end) for n, start, end in ((1, 0, 10), (2, 10, 30))]
    assert busiest(calls, 0, 100) == (1, 0)
    assert busiest([*calls, Session(3, "acme", 20, 25)], 0, 100) == (2, 20)
    assert busiest([], 0, 100) == (0, 0)
