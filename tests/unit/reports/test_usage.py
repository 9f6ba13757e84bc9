"""The month's bill: it adds up, in every time zone, whoever asks, and while things go on."""

from __future__ import annotations

import random
import time
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.catalogue import EventType
from shared.fleet.ledger import Carriage, Stretch
from shared.platform.auth import Caller
from shared.platform.problems import Problem
from shared.platform.tables import Insert
from shared.reports.money import amount, apportion, rounded
from shared.reports.periods import seconds
from shared.reports.usage import account
from tests.conftest import Figures
from tests.unit.reports.booked import OPERATOR, Booked, at, by_booking, check
from tests.world import ADMIN, ALICE, EVE

HOUR = 3600


@pytest.fixture
def world() -> Booked:
    return Booked()


async def test_two_bookings_share_a_machine(world: Booked) -> None:
    """The example of docs/costs.md."""
    await world.on("10-05 09:30", "10-05 12:15")
    await world.carry(1, "10-05 10:00", "10-05 11:00")
    await world.carry(2, "10-05 10:30", "10-05 12:00", "evil")
    usage = await world.usage()
    assert by_booking(usage) == {1: 75 * 60, 2: 90 * 60}
    assert by_booking(usage, "cost") == {1: Decimal("0.15"), 2: Decimal("0.18")}
    assert [t.tenant for t in usage.tenants] == ["acme", "evil"]
    assert (usage.totals.vm_minutes, usage.totals.cost) == (165, Decimal("0.33"))
    assert usage.platform
    assert usage.platform.vm_seconds == 0


async def test_a_bill_says_when_each_booking_was(world: Booked) -> None:
    """Of one that moved, from its first machine to its last one; one that went to another machine
    before it began was never on the first."""
    await world.on("10-05 09:30", "10-05 12:15")
    await world.on("10-05 10:20", "10-05 12:15", "janus-1")
    await world.carry(1, "10-05 10:20", "10-05 11:00", vm="janus-1")
    await world.carry(1, "10-05 10:00", "10-05 10:20")
    await world.on("10-06 09:30", "10-06 10:00")
    await world.carry(2, "10-06 09:50", "10-06 09:50")
    await world.carry(3, "10-05 09:50", "10-05 09:50")
    await world.carry(3, "10-05 11:30", "10-05 12:00", vm="janus-1")
    await world.called(4, "10-05 10:00", "10-05 10:30")
    usage = await world.usage()
    assert {b.booking_id: (b.start_time, b.end_time) for b in usage.bookings} == {
        1: (at("10-05 10:00"), at("10-05 11:00")),
        2: (at("10-06 09:50"), at("10-06 09:50")),
        3: (at("10-05 11:30"), at("10-05 12:00")),
        4: (None, None),
    }


async def test_a_machine_that_carried_nobody_is_the_platforms(world: Booked) -> None:
    await world.on("10-05 09:00", "10-05 10:00")
    await world.on("10-05 12:00", "10-05 13:00", price="0.24")
    await world.carry(1, "10-05 12:30", "10-05 13:00")
    usage = await world.usage()
    assert usage.platform
    assert (usage.platform.vm_seconds, usage.platform.cost) == (HOUR, Decimal("0.12"))
    assert by_booking(usage, "cost") == {1: Decimal("0.24")}
    assert usage.machines
    assert [(m.vm, m.region, m.on_seconds) for m in usage.machines] == [
        ("janus-0", "west", 2 * HOUR)
    ]


async def test_stretches_without_a_gap_are_one(world: Booked) -> None:
    """The first has carried nobody, and still is not the platform's; each has its own price."""
    await world.on("10-05 10:00", "10-06 10:00", price="0.10")
    await world.on("10-06 10:00", "10-06 12:00", price="0.20")
    await world.carry(1, "10-06 11:00", "10-06 12:00")
    usage = await world.usage()
    assert by_booking(usage) == {1: 26 * HOUR}
    assert by_booking(usage, "cost") == {1: Decimal("2.80")}


async def test_months_add_up_to_the_whole(world: Booked) -> None:
    """A call over the end of the month, three to a machine, and the idle time around it."""
    for vm in ("janus-0", "janus-1"):
        await world.on("10-31 22:59", "11-01 02:16", vm, price="0.137")
        for number in range(3):
            start = f"10-31 23:{29 + number}"
            booking_id = number + (10 if vm == "janus-1" else 1)
            await world.carry(booking_id, start, "11-01 02:01", vm=vm)
    await world.called(1, "10-31 23:31", "11-01 00:44")
    months = [await world.usage(name) for name in ("2026-10", "2026-11")]
    whole = 2 * (3 * HOUR + 17 * 60)
    assert sum(m.totals.vm_seconds for m in months) == whole
    assert [m.totals.vm_seconds for m in months] == [2 * 61 * 60, whole - 2 * 61 * 60]
    assert [m.totals.call_seconds for m in months] == [29 * 60, 44 * 60]
    assert [m.totals.calls for m in months] == [1, 0]
    reading = await world.services.reports._readings._reader.read(
        at("10-01 00:00"), at("12-01 00:00")
    )
    both = account(reading, 0, 2**40, "EUR").by_booking
    for (_, number), tally in both.items():
        assert tally.vm_seconds == sum(by_booking(month).get(number, 0) for month in months)


async def test_who_waits_over_the_end_of_the_month_pays_for_it(world: Booked) -> None:
    """The machine of a booking that begins with the month was started before."""
    await world.on("10-31 23:30", "11-01 01:15")
    await world.carry(1, "11-01 00:00", "11-01 01:00")
    assert by_booking(await world.usage("2026-10")) == {1: HOUR // 2}
    assert by_booking(await world.usage("2026-11")) == {1: 75 * 60}


@pytest.mark.parametrize(
    ("zone", "month", "hours"),
    [
        ("UTC", "2026-10", 31 * 24),
        ("Europe/Lisbon", "2026-10", 31 * 24 + 1),
        ("Europe/Lisbon", "2026-03", 31 * 24 - 1),
        ("America/New_York", "2026-11", 30 * 24 + 1),
        ("Pacific/Auckland", "2026-09", 30 * 24 - 1),
    ],
)
async def test_a_day_of_23_or_25_hours(zone: str, month: str, hours: int) -> None:
    """A machine that is always on costs each of the month's hours, and the year its own."""
    world = Booked(time_zone=zone)
    start, end = at("01-01 00:00") - timedelta(days=3), at("01-01 00:00") + timedelta(days=340)
    world.clock.time = end + timedelta(days=1)
    while start < end:
        stretch = Stretch("janus-0", start, start + timedelta(hours=24), "", False, "1")
        await world.store.commit(0, [Insert(stretch.rk, stretch.to_row())])
        start = stretch.end
    await world.carry(1, f"{month[5:]}-10 10:00", f"{month[5:]}-10 11:00")
    usage = await world.usage(month)
    assert usage.totals.vm_seconds == hours * HOUR
    assert usage.totals.cost == hours
    assert usage.time_zone == zone


async def test_the_night_of_25_hours_to_the_second() -> None:
    world = Booked(time_zone="Europe/Lisbon")
    await world.on("10-24 22:30", "10-26 00:45")  # 25 October begins at 23:00 UTC, the 26th at 0:00
    await world.carry(1, "10-24 23:00", "10-26 00:00")
    usage = await world.usage()
    assert by_booking(usage) == {1: 26 * HOUR + 15 * 60}
    days = [at("10-24 23:00"), at("10-26 00:00")]
    assert days[1] - days[0] == timedelta(hours=25)


async def test_what_goes_on_is_counted_until_now_at_the_present_price(world: Booked) -> None:
    await world.going_on("janus-0", "11-24 10:00")
    await world.going_on("janus-1", "11-24 11:00", spot=True)
    await world.placed(1, "janus-0", "11-24 10:30", since="11-24 10:00")
    await world.placed(2, "janus-1", "11-24 12:30", since="11-24 11:00")  # yet to begin
    usage = await world.usage("2026-11")
    assert by_booking(usage) == {1: 2 * HOUR, 2: HOUR}
    assert by_booking(usage, "cost") == {1: Decimal("0.24"), 2: Decimal("0.03")}
    assert usage.as_of == world.now


async def test_people_who_stay_on_do_so_in_idle_time(world: Booked) -> None:
    """As in the ledger a booking is over at its end; what comes after it is idle time."""
    await world.going_on("janus-0", "11-24 10:00")
    await world.placed(1, "janus-0", "11-24 10:00", since="11-24 10:00", end="11-24 11:00")
    await world.carry(2, "11-24 10:00", "11-24 11:30")
    assert by_booking(await world.usage("2026-11")) == {1: HOUR // 2, 2: HOUR * 3 // 2}


async def test_what_the_reconciler_writes_adds_up(world: Booked) -> None:
    """Two bookings of a machine, a call, and one that is cancelled when its machine is on."""
    first, second, third = [await world.book(start, 60) for start in (40, 70, 200)]
    for minute in range(300):
        if minute == 180:
            await world.services.bookings.cancel(ADMIN, third.booking.booking_id, "")
        await world.tick()
        if minute == 45:
            await world.tell(world.event("joined", await world.join(first)))
        await world.drain()
        world.clock.advance(minutes=1)
        if minute % 20 == 7:
            await world.usage("2026-11")
    usage = await world.usage("2026-11")
    stretches = await world.store.stretches(0, at("11-24 00:00"), at("11-25 00:00"))
    assert len(stretches) == 2
    on = [seconds(each.end) - seconds(each.start) for each in stretches]
    assert usage.totals.vm_seconds == sum(on)
    assert usage.platform
    assert usage.platform.vm_seconds == 0
    took = by_booking(usage)
    assert took.keys() == {each.booking.booking_id for each in (first, second, third)}
    assert took[third.booking.booking_id] == on[1]
    (ended,) = [event for event in world.left if event.type is EventType.CALL_ENDED]
    assert usage.totals.call_seconds == ended.data["seconds"] > 0


async def test_what_is_closed_while_it_is_read_counts_once(world: Booked) -> None:
    await world.on("11-24 10:00", "11-24 11:59")
    await world.carry(1, "11-24 10:30", "11-24 11:30")
    await world.going_on("janus-0", "11-24 10:00")
    await world.placed(1, "janus-0", "11-24 10:30", since="11-24 10:00")
    assert by_booking(await world.usage("2026-11")) == {1: 2 * HOUR}


async def test_a_booking_that_was_cancelled_pays_for_its_machine(world: Booked) -> None:
    """The machine was off again before the booking would have begun."""
    await world.on("10-05 09:30", "10-05 09:41")
    await world.carry(1, "10-05 10:00", "10-05 10:00")
    assert by_booking(await world.usage()) == {1: 11 * 60}


async def test_a_booking_that_moved_pays_on_both(world: Booked) -> None:
    await world.on("10-05 09:30", "10-05 10:20")
    await world.on("10-05 10:15", "10-05 11:15", "janus-1")
    await world.carry(1, "10-05 10:00", "10-05 10:20")
    await world.carry(1, "10-05 10:20", "10-05 11:00", vm="janus-1")
    assert by_booking(await world.usage()) == {1: (50 + 60) * 60}


async def test_a_machine_that_has_been_on_for_weeks_is_looked_back_on(world: Booked) -> None:
    """What it carries first comes long after the month that it was held in."""
    for day in range(1, 31):
        await world.on(f"10-{day:02d} 00:00", f"10-{day + 1:02d} 00:00")
    await world.on("10-31 00:00", "11-01 00:00")
    for day in range(1, 20):
        await world.on(f"11-{day:02d} 00:00", f"11-{day + 1:02d} 00:00")
    await world.carry(1, "11-19 10:00", "11-19 11:00")
    usage = await world.usage("2026-10")
    assert by_booking(usage) == {1: 31 * 24 * HOUR}


# -- calls -----------------------------------------------------------------------------------------


async def test_call_minutes_are_what_the_events_cover_together(world: Booked) -> None:
    await world.called(1, "10-05 10:00", "10-05 10:30")
    await world.called(1, "10-05 10:20", "10-05 10:40")  # recorded again
    await world.called(1, "10-05 11:00", "10-05 11:10")
    await world.called(2, "10-05 10:00", "10-05 10:01", "evil")
    usage = await world.usage()
    assert by_booking(usage, "call_seconds") == {1: 50 * 60, 2: 60}
    assert by_booking(usage, "calls") == {1: 2, 2: 1}
    assert by_booking(usage, "call_minutes") == {1: 50, 2: 1}


async def test_the_same_event_twice_is_one_row(world: Booked) -> None:
    await world.called(1, "10-05 10:00", "10-05 10:30")
    (event,) = world.left
    for subscriber in world.services.relay.subscribers:
        await subscriber(event)
    assert len(world.rows("CallTimes", "202610")) == 1


async def test_a_month_reads_its_own_calls_and_those_that_last_into_it(world: Booked) -> None:
    await world.called(1, "09-30 23:50", "10-01 00:05")
    await world.called(2, "09-01 10:00", "09-01 11:00")
    await world.called(3, "10-31 23:59", "11-01 00:10")
    await world.called(4, "11-01 00:00", "11-01 00:10")
    world.tables.requests.clear()
    assert by_booking(await world.usage(), "call_seconds") == {1: 300, 3: 60}
    read = [pk for verb, table, pk in world.tables.requests if table == "CallTimes"]
    assert read == ["202609", "202610", "202611"]


# -- who sees what ---------------------------------------------------------------------------------


async def test_an_admin_sees_the_own_tenant_as_the_operator_does(world: Booked) -> None:
    for number in range(7):
        await world.on(f"10-05 {number:02d}:00", f"10-05 {number:02d}:37", price="0.0971")
        tenant = "acme" if number % 2 else "evil"
        await world.carry(number, f"10-05 {number:02d}:10", f"10-05 {number:02d}:30", tenant)
    every = await world.usage()
    mine = await world.usage(who=ADMIN)
    assert {b.tenant for b in mine.bookings} == {"acme"}
    assert mine.bookings == tuple(b for b in every.bookings if b.tenant == "acme")
    assert mine.tenants == tuple(t for t in every.tenants if t.tenant == "acme")
    assert (mine.platform, mine.machines) == (None, None)
    assert mine.bookings == (await world.usage(tenant="acme")).bookings
    assert mine == await world.usage(who=ADMIN, tenant="acme")
    own = await world.usage(tenant="platform")
    assert (own.bookings, own.platform, own.machines) == ((), every.platform, None)


@pytest.mark.parametrize(
    ("who", "tenant", "refused"),
    [
        (ALICE, None, (403, "admin_only")),
        (ALICE, "evil", (403, "admin_only")),
        (EVE, "acme", (404, "not_found")),
        (ADMIN, "platform", (404, "not_found")),
    ],
)
async def test_others_are_refused(
    world: Booked, who: Caller, tenant: str | None, refused: tuple[int, str]
) -> None:
    for ask in (
        world.services.reports.usage(who, None, tenant),
        world.services.reports.summary(who, None, None, "week", tenant),
    ):
        with pytest.raises(Problem) as caught:
            await ask
        assert (caught.value.status, caught.value.code) == refused


async def test_this_month_by_default(world: Booked) -> None:
    assert (await world.services.reports.usage(OPERATOR, None, None)).month == "2026-11"
    world.clock.time = at("11-30 23:30")
    auckland = Booked(time_zone="Pacific/Auckland")
    auckland.clock.time = world.clock.time
    assert (await auckland.services.reports.usage(OPERATOR, None, None)).month == "2026-12"


# -- money -----------------------------------------------------------------------------------------


@given(st.dictionaries(st.integers(), st.fractions(0, 1000, max_denominator=997), max_size=30))
def test_rounded_parts_make_the_rounded_total(exact: dict[int, Fraction]) -> None:
    total = rounded(sum(exact.values(), Fraction(0)))
    parts = apportion(total, exact)
    assert sum(parts.values()) == total
    assert all(abs(parts[key] - exact[key]) < 1 for key in exact)
    assert all(part >= 0 for part in parts.values())


@pytest.mark.parametrize(
    ("currency", "shown"), [("EUR", "12.34"), ("JPY", "1234"), ("KWD", "1.234")]
)
def test_an_amount_has_the_currencys_decimals(currency: str, shown: str) -> None:
    assert str(amount(1234, currency)) == shown


async def test_ten_thousand_bookings_in_a_month(figures: Figures) -> None:
    world, chance = Booked(), random.Random(3)
    ops: list[Insert] = []
    start, number = at("10-01 00:00"), 0
    for day in range(31):
        for vm in (f"janus-{n}" for n in range(8)):
            morning = start + timedelta(days=day, hours=7, minutes=30)
            stretch = Stretch(vm, morning, morning + timedelta(hours=14), "west", False, "0.0971")
            ops.append(Insert(stretch.rk, stretch.to_row()))
            for _ in range(41):
                number += 1
                ops.append(_some(number, vm, morning, chance))
    for n in range(0, len(ops), 100):
        await world.store.commit(0, ops[n : n + 100])
    begin = time.process_time()
    usage = await world.services.reports.usage(OPERATOR, "2026-10", None)
    took = time.process_time() - begin
    figures(f"a bill of {len(usage.bookings)} bookings: {took:.2f} s of processor time")
    check(usage)
    assert usage.totals.vm_seconds == 31 * 8 * 14 * HOUR
    assert len(usage.bookings) > 10_000
    assert took < 20


def _some(number: int, vm: str, morning: datetime, chance: random.Random) -> Insert:
    begin = morning + timedelta(seconds=chance.randrange(30 * 60, 13 * HOUR))
    end = begin + timedelta(minutes=chance.randrange(20, 60))
    carriage = Carriage(number, f"tenant-{number % 50}", vm, begin, end)
    return Insert(carriage.rk, carriage.to_row())
