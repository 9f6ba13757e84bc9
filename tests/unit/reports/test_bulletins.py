"""The plan and the reports that come by themselves: once each, whatever the timer does."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.audit.service import AuditTrail
from shared.bookings.claims import Claim
from shared.fleet.plan_view import Carried, MachineRow, On, PlanView, Stage
from shared.platform.tables import StorageUnavailable
from shared.reports.changes import Noted, Notes, changes, notes, read_notes
from shared.reports.fitting import MOST, fitted
from shared.reports.week_plan import plan_data
from tests.unit.reports.booked import OPERATOR, Booked, at
from tests.world import ADMIN, ALICE


@pytest.fixture
def world() -> Booked:
    """Monday, 23 November 2026, five past six."""
    return _world()


def _world(**settings: Any) -> Booked:
    world = Booked(**settings)
    world.clock.time = at("11-23 06:05")
    return world


async def run(world: Booked) -> None:
    await world.services.bulletins.run()


def told(world: Booked, kind: str) -> list[dict[str, Any]]:
    events = [e for e in world.events(kind) if e["tenant"] == "platform"]
    return sorted(events, key=lambda e: e["data"]["since"])


def periods(world: Booked, kind: str) -> list[str]:
    return [e["data"]["period"] for e in told(world, kind)]


# -- once ------------------------------------------------------------------------------------------


async def test_each_is_told_once_however_often_the_timer_fires(world: Booked) -> None:
    for _ in range(3):
        await run(world)
        world.clock.advance(hours=1)
    assert len(told(world, "fleet.plan")) == 1
    assert periods(world, "report.weekly") == ["2026-W47"]
    assert periods(world, "report.monthly") == ["2026-10"]


async def test_two_at_the_same_time_tell_one(world: Booked) -> None:
    await asyncio.gather(run(world), run(world), run(world))
    for kind in ("fleet.plan", "report.weekly", "report.monthly"):
        assert len(told(world, kind)) == 1


async def test_every_week_and_month_has_its_own_although_ticks_are_lost(world: Booked) -> None:
    for _ in range(60):
        await run(world)
        world.clock.advance(hours=25)  # some days have no tick on time
    assert periods(world, "report.weekly") == [f"2026-W{n}" for n in range(47, 54)] + [
        f"2027-W0{n}" for n in range(1, 3)
    ]
    assert periods(world, "report.monthly") == [f"2026-{n}" for n in (10, 11, 12)]
    assert len(told(world, "fleet.plan")) == 9


async def test_not_before_six_on_monday_and_the_first(world: Booked) -> None:
    world.clock.time = at("11-23 05:05")
    await run(world)
    assert periods(world, "report.weekly") == ["2026-W46"]
    world.clock.time = at("11-23 06:05")
    await run(world)
    assert periods(world, "report.weekly") == ["2026-W46", "2026-W47"]
    world.clock.time = at("12-01 05:05")
    await run(world)
    assert periods(world, "report.monthly") == ["2026-10"]
    world.clock.time = at("12-01 06:05")
    await run(world)
    assert periods(world, "report.monthly") == ["2026-10", "2026-11"]


async def test_after_a_long_silence_reports_are_made_up_for_and_plans_are_not(
    world: Booked,
) -> None:
    await run(world)
    world.clock.advance(days=30)
    await run(world)
    weeks = [f"2026-W{n}" for n in range(47, 52)]
    assert periods(world, "report.weekly") == weeks
    assert periods(world, "report.monthly") == ["2026-10", "2026-11"]
    first, last = told(world, "fleet.plan")
    assert (first["subject"], last["subject"]) == ("plan/2026-W48", "plan/2026-W52")
    assert (last["data"]["since"], last["data"]["until"]) == (
        "2026-12-23T06:05:00Z",
        "2026-12-28T06:00:00Z",
    )


async def test_a_month_of_a_zone_in_the_west_waits_until_it_is_over() -> None:
    """The 1st at six o'clock UTC is still the 31st in Los Angeles."""
    world = _world(time_zone="America/Los_Angeles")
    world.clock.time = at("12-01 06:05")
    await run(world)
    assert periods(world, "report.monthly") == ["2026-10"]
    world.clock.time = at("12-01 08:05")
    await run(world)
    assert periods(world, "report.monthly") == ["2026-10", "2026-11"]


@pytest.mark.parametrize("when", ["commit", "commit!"])
async def test_a_crash_loses_nothing_and_repeats_nothing(world: Booked, when: str) -> None:
    await world.book(24 * 60)

    def fail(verb: str, table: str, pk: str) -> None:
        if (verb, table) == (when, "Reports"):
            raise StorageUnavailable("lost")

    world.tables.fail = fail
    with pytest.raises(StorageUnavailable):
        await run(world)
    world.tables.fail = lambda verb, table, pk: None
    await run(world)
    for kind in ("fleet.plan", "report.weekly", "report.monthly"):
        assert len(told(world, kind)) == 1


async def test_one_that_fails_stops_no_other(world: Booked) -> None:
    def fail(verb: str, table: str, pk: str) -> None:
        if table == "CallTimes":
            raise StorageUnavailable("away")

    world.tables.fail = fail
    with pytest.raises(StorageUnavailable):
        await run(world)
    assert len(told(world, "fleet.plan")) == 1
    assert told(world, "report.weekly") == []


async def test_the_audit_trail_says_which_timer_it_was(world: Booked) -> None:
    await run(world)
    await world.drain()
    trail: AuditTrail = world.services.audit
    found, _ = await trail.page(OPERATOR, trail.wanted(None, None, {}), "", 200, platform=True)
    assert {(e.actor, e.action) for e in found} >= {
        ("timer:reports_tick", "fleet.plan"),
        ("timer:reports_tick", "report.weekly"),
        ("timer:reports_tick", "report.monthly"),
    }


# -- what the plan tells ---------------------------------------------------------------------------


async def test_the_plan_of_a_week(world: Booked) -> None:
    for start in (60, 90, 26 * 60):
        await world.book(start, 60)
    await run(world)
    (event,) = told(world, "fleet.plan")
    data = event["data"]
    assert (data["bookings"], data["without_machine"], data["peak"]) == (3, 0, 2)
    assert (data["since"], data["until"]) == ("2026-11-23T06:05:00Z", "2026-11-30T06:00:00Z")
    assert [(d["day"], d["bookings"], d["peak"]) for d in data["days"]][:3] == [
        ("2026-11-23", 2, 2),
        ("2026-11-24", 1, 1),
        ("2026-11-25", 0, 0),
    ]
    assert len(data["days"]) == 8
    hours = sum(d["machine_hours"] for d in data["days"])
    assert hours == pytest.approx(data["machine_hours"], abs=0.05)
    assert hours == pytest.approx(sum(m["hours"] for m in data["machines"]), abs=0.05)
    assert (
        data["on_time_count"] == len(data["on_times"]) == sum(m["starts"] for m in data["machines"])
    )
    assert "changes" not in data, "nothing to compare with"


async def test_what_has_changed_since_the_last_plan(world: Booked) -> None:
    week = 7 * 24 * 60
    stays, goes, moves = [await world.book(week + 60 * n, 30) for n in (10, 20, 30)]
    far = await world.book(week + 60 * 40, 30)
    earlier = await world.book(60, 30)
    await run(world)
    cancel = world.services.bookings.cancel
    await cancel(ALICE, goes.booking.booking_id, "")
    await world.move(moves, week + 60 * 31, 30)
    await world.move(far, 4 * week, 30)
    await cancel(ADMIN, earlier.booking.booking_id, "")  # of the week that is over then
    world.clock.advance(days=7)
    added = await world.book(60 * 50, 30)
    await run(world)
    found = told(world, "fleet.plan")[-1]["data"]["changes"]
    assert found["since"] == "2026-11-23T06:05:00Z"
    ids = {
        kind: [each["booking_id"] for each in found[kind]]
        for kind in ("added", "cancelled", "moved")
    }
    assert ids == {
        "added": [added.booking.booking_id],
        "cancelled": [goes.booking.booking_id],
        "moved": [moves.booking.booking_id, far.booking.booking_id],
    }
    assert [found[f"{kind}_count"] for kind in ids] == [1, 1, 2]
    assert found["moved"][0]["previous_start"] == "2026-12-01T12:05:00Z"
    assert found["moved"][0]["start"] == "2026-12-01T13:05:00Z"
    assert stays.booking.booking_id not in {n for each in ids.values() for n in each}


async def test_only_the_notes_of_the_last_plan_are_kept(world: Booked) -> None:
    for _ in range(3):
        await world.book(9 * 24 * 60)
        await run(world)
        world.clock.advance(days=7)
    kept = world.rows("Reports", "bulletins", "n|")
    assert len(kept) == 1


def _claim(number: int, start: datetime, minutes: int = 60, *, ended: bool = False) -> Claim:
    end = start + timedelta(minutes=minutes)
    return Claim(number, 7, "acme", start, end, "h", "a", start, "h", ended=ended)


def test_notes_are_read_as_they_were_written() -> None:
    begin, horizon = at("11-23 06:00"), at("12-07 06:00")
    claims = [_claim(n, begin + timedelta(seconds=n)) for n in range(3000)]
    claims += [_claim(9000, begin - timedelta(minutes=1)), _claim(9001, begin, ended=True)]
    taken = notes(begin, horizon, claims)
    assert sorted(taken.bookings) == [*range(3000)]
    rows = taken.rows("n|x|")
    assert len(rows) > 1
    assert all(len(str(row.data["bookings"])) <= 30_000 for row in rows)
    again = read_notes(begin, horizon, (str(row.data["bookings"]) for row in rows))
    assert again == taken


def test_more_than_the_rows_hold_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.reports.changes.MOST_PARTS", 2)
    begin, horizon = at("11-23 06:00"), at("12-07 06:00")
    claims = [_claim(2026112300000000 + n, begin + timedelta(seconds=n)) for n in range(2000)]
    taken = notes(begin, horizon, claims)
    assert len(taken.rows("n|")) == 2
    assert begin < taken.horizon < horizon
    assert max(one.start for one in taken.bookings.values()) < taken.horizon


def test_nothing_is_said_of_what_one_of_the_plans_did_not_know() -> None:
    begin = at("11-23 06:00")

    def noted(number: int, day: int) -> Noted:
        start = begin + timedelta(days=day)
        return Noted(number, "acme", start, start + timedelta(hours=1))

    before = Notes(begin - timedelta(days=7), begin + timedelta(days=3), {1: noted(1, 1)})
    after = Notes(begin, begin + timedelta(days=14), {2: noted(2, 2), 3: noted(3, 4)})
    found = changes(before, after, begin + timedelta(days=7))
    assert ([one.booking_id for one in found.added], [one.booking_id for one in found.gone]) == (
        [2],
        [1],
    )


def test_a_plan_of_thousands_fits_an_event() -> None:
    begin = at("11-23 06:00")
    bookings = [
        Carried(n, "a-tenant-with-a-long-name", f"janus-{n % 40}", start, end, Stage.PLANNED)
        for n in range(5000)
        if (start := begin + timedelta(minutes=2 * n)) and (end := start + timedelta(minutes=50))
    ]
    machines = [
        MachineRow(
            f"janus-{m}",
            "westeurope",
            False,
            4,
            on=[
                On(begin + timedelta(days=d, hours=h), begin + timedelta(days=d, hours=h + 2))
                for d in range(7)
                for h in (8, 12, 18)
            ],
        )
        for m in range(200)
    ]
    view = PlanView(begin, begin + timedelta(days=7), begin, machines, bookings)
    data = fitted(plan_data(view, "UTC"))
    assert len(json.dumps(data)) <= MOST
    assert (data["bookings"], data["machine_count"], data["on_time_count"]) == (5000, 200, 4200)
    assert data["days"][0]["machine_hours"] == 200 * 4
    assert data["machines"]
    assert data["on_times"]


# -- what the reports tell -------------------------------------------------------------------------


async def test_the_report_of_a_week_and_the_one_before(world: Booked) -> None:
    await world.on("11-10 09:30", "11-10 11:15")
    await world.carry(1, "11-10 10:00", "11-10 11:00")
    await world.on("11-17 09:30", "11-17 11:15")
    await world.on("11-18 09:00", "11-18 10:00", "janus-1")
    await world.carry(2, "11-17 10:00", "11-17 11:00")
    await world.carry(3, "11-17 10:00", "11-17 11:00", "evil")
    await world.called(2, "11-17 10:00", "11-17 10:30")
    await run(world)
    (event,) = told(world, "report.weekly")
    data = event["data"]
    assert event["subject"] == "report/2026-W47"
    assert (data["since"], data["until"]) == ("2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z")
    assert (data["sessions"], data["bookings"], data["cost"]) == (1, 2, "0.33")
    assert (data["vm_hours"], data["call_minutes"]) == (2.75, 30.0)
    assert (data["peak"], data["peak_at"]) == (1, "2026-11-17T10:00:00Z")
    assert data["platform"] == {"vm_hours": 1.0, "cost": "0.12"}
    costs = [float(each["cost"]) for each in (*data["tenants"], data["platform"])]
    assert sum(costs) == pytest.approx(0.33)
    assert {each["tenant"] for each in data["tenants"]} == {"acme", "evil"}
    assert [(m["vm"], m["cost"]) for m in data["machines"]] == [
        ("janus-0", "0.21"),
        ("janus-1", "0.12"),
    ]
    before = data["previous"]
    assert (before["period"], before["bookings"], before["cost"]) == ("2026-W46", 1, "0.21")
