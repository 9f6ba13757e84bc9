"""The plan: before now what was, from now on what is planned; and what the API says of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from shared.bookings.claims import Claim
from shared.fleet import payloads
from shared.fleet.compute import ComputeError
from shared.fleet.gantt import draw
from shared.fleet.ledger import Carriage, Stretch
from shared.fleet.models import Override, Placement, Vm, VmState
from shared.fleet.plan_answer import plan_answer
from shared.fleet.plan_view import MachineRow, On, PlanView, Stage
from shared.fleet.planning import Planning
from shared.fleet.policy import Cause
from shared.fleet.store import write
from shared.platform.auth import Caller
from shared.platform.problems import Problem
from shared.platform.tables import Insert
from tests.conftest import Figures
from tests.world import ADMIN, ALICE, World

OLGA = Caller("olga", "acme", frozenset({"operator"}))
DAY = timedelta(days=1)


@pytest.fixture
def world() -> World:
    return World()


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


async def keep(world: World, *things: Vm | Placement | Override | Stretch | Carriage) -> None:
    """As the reconciler and operators leave them."""
    for thing in things:
        stored = isinstance(thing, Stretch | Carriage)
        op = Insert(thing.rk, thing.to_row()) if stored else write(thing)  # type: ignore[arg-type]
        await world.services.fleet_store.commit(0, [op])


async def plan(world: World, since: float = -6 * 60, until: float = 18 * 60) -> PlanView:
    """Of an interval in minutes from now."""
    now = world.now
    return await world.services.planning.plan(now + minutes(since), now + minutes(until))


def row(view: PlanView, name: str = "janus-0") -> MachineRow:
    (found,) = [m for m in view.machines if m.name == name]
    return found


def on(world: World, bars: Sequence[On]) -> list[tuple[float, float, str]]:
    """In minutes from now."""
    minute = timedelta(minutes=1)
    return [
        (
            (bar.start - world.now) / minute,
            (bar.end - world.now) / minute,
            "actual" if bar.actual else "+".join(sorted(bar.causes)),
        )
        for bar in bars
    ]


def bars(world: World, view: PlanView) -> list[tuple[str, float, float, str]]:
    minute = timedelta(minutes=1)
    return [
        (b.vm, (b.start - world.now) / minute, (b.end - world.now) / minute, b.stage.value)
        for b in view.bookings
    ]


def moves(view: PlanView) -> list[tuple[str, str, str]]:
    return [(b.vm, b.came_from, b.went_to) for b in view.bookings]


def stretch(world: World, since: float, until: float, vm: str = "janus-0") -> Stretch:
    start, end = world.now + minutes(since), world.now + minutes(until)
    return Stretch(vm, start, end, "westeurope", False, "0.1")


def carriage(world: World, since: float, until: float, vm: str, number: int = 7) -> Carriage:
    return Carriage(number, "acme", vm, world.now + minutes(since), world.now + minutes(until))


# -- what is to come -------------------------------------------------------------------------------


async def test_a_booking_to_come_has_a_machine_that_is_on_around_it(world: World) -> None:
    booked = await world.book(start=120, minutes=60)
    view = await plan(world)
    assert bars(world, view) == [("janus-0", 120, 180, "planned")]
    assert (view.bookings[0].booking_id, view.bookings[0].tenant) == (
        booked.booking.booking_id,
        "acme",
    )
    assert on(world, row(view).on) == [(90, 195, "bookings")]
    assert on(world, row(view, "janus-1").on) == []
    assert view.machine_hours == 1.75
    assert view.ratio == pytest.approx(1.75 / 48)
    assert view.complete
    assert view.unplaced == []


async def test_no_machine_is_asked_for_its_power(world: World) -> None:
    await plan(world)
    assert world.compute.looks == [[]]


async def test_what_begins_just_after_the_view_has_its_machine_on_in_it(world: World) -> None:
    await world.book(start=70)
    view = await plan(world, until=60)
    assert on(world, row(view).on) == [(40, 60, "bookings")]
    assert bars(world, view) == []


async def test_what_people_decided_counts_and_is_shown(world: World) -> None:
    now = world.now
    await world.book(start=120)
    held = Override("janus-1", now - minutes(30), now + minutes(200), by="olga", reason="a demo")
    out = Override("janus-0", exclude_until=now + DAY, by="olga", reason="broken", at=now)
    await keep(world, held, out)
    view = await plan(world)
    assert bars(world, view) == [("janus-1", 120, 180, "planned")]
    assert on(world, row(view, "janus-1").on) == [(0, 200, "bookings+hold")]
    (hold,) = row(view, "janus-1").holds
    assert (hold.start, hold.end, hold.reason) == (now - minutes(30), now + minutes(200), "a demo")
    (exclusion,) = row(view).exclusions
    assert (exclusion.start, exclusion.end, exclusion.reason) == (now, now + DAY, "broken")
    world.clock.advance(days=2)
    view = await plan(world)
    assert not any(m.holds or m.exclusions for m in view.machines)


async def test_what_no_machine_carries_is_told(world: World) -> None:
    until = world.now + DAY
    await keep(world, *(Override(f"janus-{n}", exclude_until=until, reason="x") for n in range(2)))
    booked = await world.book(start=120)
    view = await plan(world)
    assert bars(world, view) == []
    (left,) = view.unplaced
    assert (left.booking_id, left.vm, left.stage) == (booked.booking.booking_id, "", "planned")
    answer = plan_answer(view).model_dump(mode="json", exclude_none=True)
    assert "machine" not in answer["unplaced"][0]


async def test_a_machine_that_failed_is_left_alone_until_it_is_tried_again(world: World) -> None:
    failed = Vm("janus-0", VmState.FAILED, retry_at=world.now + minutes(10), failures=1)
    await keep(world, failed)
    await world.book(start=5)
    await world.book(start=60)
    view = await plan(world)
    assert bars(world, view)[0][0] == "janus-1"


async def test_a_week_far_ahead_is_planned_by_itself(world: World) -> None:
    await keep(world, Vm("janus-1", VmState.READY, on_since=world.now - minutes(5)))
    await world.book(start=100 * 24 * 60)
    view = await world.services.planning.plan(world.now + 100 * DAY, world.now + 107 * DAY)
    assert [(b.vm, b.stage) for b in view.bookings] == [("janus-0", Stage.PLANNED)]
    assert view.machine_hours == pytest.approx(1.25), "the lead lies before the view"


# -- what is ---------------------------------------------------------------------------------------


async def test_a_running_call_stays_and_its_machine_is_on_through_now(world: World) -> None:
    booked = await world.book(start=0, minutes=60)
    world.clock.advance(minutes=20)
    start = booked.booking.start
    placement = Placement(
        booked.booking.booking_id, "janus-1", 1, "acme", start, booked.booking.end, start
    )
    vm = Vm("janus-1", VmState.READY, on_since=start - minutes(30))
    await keep(world, placement, vm)
    view = await plan(world)
    assert bars(world, view) == [("janus-1", -20, 40, "running")]
    assert on(world, row(view, "janus-1").on) == [(-50, 0, "actual"), (0, 55, "bookings")]
    assert on(world, row(view).on) == []
    assert view.now == world.now


async def test_one_that_moved_is_shown_on_both_machines(world: World) -> None:
    booked = await world.book(start=0, minutes=60)
    number, start = booked.booking.booking_id, booked.booking.start
    world.clock.advance(minutes=20)
    placement = Placement(
        number, "janus-1", 1, "acme", start, booked.booking.end, start + minutes(12)
    )
    await keep(world, placement, carriage(world, -20, -8, "janus-0", number))
    view = await plan(world)
    assert bars(world, view) == [
        ("janus-0", -20, -8, "over"),
        ("janus-1", -8, 40, "running"),
    ]
    assert moves(view) == [("janus-0", "", "janus-1"), ("janus-1", "janus-0", "")]
    told = plan_answer(view).model_dump(mode="json", exclude_none=True)["bookings"]
    assert [(b.get("moved_from"), b.get("moved_to")) for b in told] == [
        (None, "janus-1"),
        ("janus-0", None),
    ]
    later = await plan(world, since=-2)
    assert moves(later) == [("janus-1", "janus-0", "")], "also when that was before the view"


async def test_a_machine_that_was_lost_in_a_call_is_told_from_one_that_went_off() -> None:
    world = World()
    booked = await world.book(minutes=60)
    await world.ready(booked)
    began = world.now
    world.clock.advance(minutes=7)
    world.compute.crash("janus-0")
    for _ in range(4):
        await world.tick()
        world.clock.advance(seconds=20)
    world.clock.advance(hours=2)
    for _ in range(4):
        await world.tick()
    view = await plan(world)
    assert moves(view) == [("janus-0", "", "janus-1"), ("janus-1", "janus-0", "")]
    (gone,), (went_on,) = row(view).on, row(view, "janus-1").on
    assert (gone.end, gone.lost) == (began + minutes(7), True)
    assert (went_on.lost, went_on.end <= world.now) == (False, True)
    told = plan_answer(view).model_dump(mode="json", exclude_none=True)["machines"]
    assert [[on.get("lost") for on in machine["on"]] for machine in told] == [[True], [None]]
    cut = await world.services.planning.plan(began, began + minutes(5))
    assert not row(cut).on[0].lost, "it was on, then"


async def test_one_that_was_lost_and_is_back_at_once_shows_both(world: World) -> None:
    await keep(
        world,
        stretch(world, -300, -200),
        stretch(world, -200, -100),
        carriage(world, -230, -199, "janus-0"),
        carriage(world, -199, -150, "janus-1"),
    )
    shown = row(await plan(world)).on
    assert on(world, shown) == [(-300, -200, "actual"), (-200, -100, "actual")]
    assert [each.lost for each in shown] == [True, False]


async def test_what_was_booked_anew_or_never_began_has_not_moved(world: World) -> None:
    await keep(
        world,
        stretch(world, -300, -200),
        carriage(world, -230, -210, "janus-0", 1),
        carriage(world, -150, -110, "janus-1", 1),
        carriage(world, -200, -200, "janus-0", 2),
        carriage(world, -200, -150, "janus-1", 2),
        carriage(world, -100, -90, "janus-0", 3),
        carriage(world, -90, -80, "janus-0", 3),
    )
    view = await plan(world)
    assert {m[1:] for m in moves(view)} == {("", "")}
    assert not row(view).on[0].lost


async def test_a_call_that_overruns_is_shown_until_now(world: World) -> None:
    start, end = world.now - minutes(90), world.now - minutes(5)
    vm = Vm("janus-0", VmState.READY, on_since=start)
    await keep(world, Placement(7, "janus-0", 1, "acme", start, end, start), vm)
    view = await plan(world)
    assert bars(world, view) == [("janus-0", -90, 0, "running")]
    assert on(world, row(view).on) == [(-90, 0, "actual"), (0, 15, "bookings")]


# -- what was --------------------------------------------------------------------------------------


async def test_the_past_is_what_the_ledger_says(world: World) -> None:
    await keep(
        world,
        stretch(world, -30 * 60, -300),
        stretch(world, -300, -240),
        stretch(world, -120, -60),
        stretch(world, -500, -400, "janus-gone"),
        stretch(world, -200, -100, "janus-gone"),
        carriage(world, -115, -70, "janus-0", 5),
        carriage(world, -190, -190, "janus-0", 6),
        carriage(world, -400, -365, "janus-0", 4),
    )
    view = await plan(world)
    assert on(world, row(view).on) == [(-360, -240, "actual"), (-120, -60, "actual")]
    assert on(world, row(view, "janus-gone").on) == [(-200, -100, "actual")], "and it is no more"
    assert bars(world, view) == [("janus-0", -115, -70, "over")], "one that never began is none"
    assert view.machine_hours == pytest.approx((120 + 60 + 100) / 60)


async def test_a_view_of_the_past_alone_plans_nothing(world: World) -> None:
    booked = await world.book(start=0, minutes=60)
    world.clock.advance(minutes=30)
    start = booked.booking.start
    vm = Vm("janus-0", VmState.READY, on_since=start - minutes(30))
    placement = Placement(
        booked.booking.booking_id, "janus-0", 1, "acme", start, booked.booking.end, start
    )
    await keep(world, vm, placement)
    view = await plan(world, -120, -10)
    assert on(world, row(view).on) == [(-60, -10, "actual")]
    assert bars(world, view) == [("janus-0", -30, 30, "running")]


# -- the machines' host does not answer ------------------------------------------------------------


async def test_without_the_inventory_those_with_a_row_are_planned(world: World) -> None:
    world.compute.unavailable = ComputeError("throttled", "slow down")
    await keep(world, Vm("janus-1", capacity=4, region="northeurope"))
    await world.book(start=120)
    view = await plan(world)
    assert not view.complete
    assert [(m.name, m.region) for m in view.machines] == [("janus-1", "northeurope")]
    assert bars(world, view) == [("janus-1", 120, 180, "planned")]
    now = await world.services.fleet_now.show(OLGA)
    assert (now.inventory, [m.name for m in now.machines]) == ("slow down", ["janus-1"])


async def test_with_it_a_machine_that_is_gone_carries_nothing(world: World) -> None:
    await keep(world, Vm("janus-00", VmState.READY, on_since=world.now - minutes(5)))
    await world.book(start=120)
    assert bars(world, await plan(world))[0][0] == "janus-0"


# -- asking ----------------------------------------------------------------------------------------


async def test_by_default_it_is_what_has_just_been_and_the_week_to_come(world: World) -> None:
    planning, now = world.services.planning, world.now
    for given, expected in (
        ((None, None), (now - DAY / 4, now + 7 * DAY)),
        ((now - DAY, None), (now - DAY, now + 6 * DAY)),
        ((None, now + DAY), (now - DAY / 4, now + DAY)),
        ((None, now + 31 * DAY), (now, now + 31 * DAY)),
        ((None, now + 30.9 * DAY), (now - DAY / 10, now + 30.9 * DAY)),
        ((None, now), (now - 7 * DAY, now)),
        ((None, now - DAY), (now - 8 * DAY, now - DAY)),
        ((now, now + 31 * DAY), (now, now + 31 * DAY)),
    ):
        view = await planning.show(OLGA, *given)
        assert (view.since, view.until) == expected


@pytest.mark.parametrize(
    "given", [(0, 0), (1, 0), (0, 31 * 24 * 60 + 1), (None, 32 * 24 * 60), (10**9 * 2, None)]
)
async def test_intervals_that_are_none(world: World, given: tuple[Any, Any]) -> None:
    since, until = (None if each is None else world.now + minutes(each) for each in given)
    if since and since.year > 5000:  # the far future is none, and no fault
        assert (await world.services.planning.show(OLGA, since, until)).bookings == []
        return
    with pytest.raises(Problem) as caught:
        await world.services.planning.show(OLGA, since, until)
    assert (caught.value.status, caught.value.errors[0].field) == (400, "to")


async def test_the_edges_of_time(world: World) -> None:
    for since in (datetime(1900, 1, 1, tzinfo=UTC), datetime(9998, 12, 24, 23, tzinfo=UTC)):
        view = await world.services.planning.show(OLGA, since, None)
        assert view.bookings == []
        assert draw(view, "Europe/Lisbon", "pt")


async def test_only_operators(world: World) -> None:
    with pytest.raises(Problem) as caught:
        await world.services.planning.show(ADMIN, None, None)
    assert caught.value.code == "operator_only"


async def test_the_answer_tells_all_of_it_and_names_nobody(world: World) -> None:
    now = world.now
    await keep(world, Override("janus-0", now, now + DAY, by="olga@x.example", reason="a demo"))
    await world.book(start=30)
    view = await plan(world, 0, 60)
    answer = plan_answer(view).model_dump(mode="json", exclude_none=True)
    machine = answer["machines"][0]
    assert machine["on"] == [
        {
            "start_time": "2026-06-10T09:00:00Z",
            "end_time": "2026-06-10T10:00:00Z",
            "kind": "planned",
            "causes": ["bookings", "hold"],
        }
    ]
    assert machine["holds"][0]["reason"] == "a demo"
    assert answer["bookings"][0]["machine"] == "janus-0"
    assert (answer["machine_hours"], answer["ratio"]) == (1.0, 0.5)
    text = str(answer) + draw(view, "UTC", "en").decode()
    assert "olga" not in text
    assert "alice" not in text


# -- size ------------------------------------------------------------------------------------------


class Calendar:
    """Bookings that nobody has to make one by one."""

    def __init__(self, claims: list[Claim]) -> None:
        self.found = claims

    async def claims(self, pool: int, since: datetime, until: datetime) -> list[Claim]:
        return [c for c in self.found if since.date() <= c.start.date() <= until.date()]


async def test_ten_thousand_bookings_in_a_month(figures: Figures) -> None:
    """A few seconds, on a machine that others use too; the figures are printed."""
    world = World(local_vms=20, vm_capacity=8)
    claims = []
    for n in range(10_000):
        start = world.now + minutes(n * 4 + n % 7 * 30)
        claim = Claim(
            n + 1, n, "acme", start, start + minutes(30 + n % 5 * 15), "h", "", start, "h"
        )
        claims.append(replace(claim))
    calendar: Any = Calendar(claims)
    planning = Planning(
        calendar, world.services.fleet_store, world.compute, world.settings, world.clock
    )
    began = time.process_time()
    view = await planning.plan(world.now, world.now + 31 * DAY)
    planned = time.process_time() - began
    picture = draw(view, "Europe/Lisbon", "pt")
    body = plan_answer(view).model_dump_json()
    took = time.process_time() - began
    sizes = f"{len(body) / 1e6:.1f} MB of JSON, {len(picture) / 1e6:.1f} MB of SVG"
    figures(f"10 000 bookings: planned in {planned:.2f} s, told in {took:.2f} s, {sizes}")
    assert len(view.bookings) + len(view.unplaced) == 10_000
    assert not view.unplaced
    assert took < 15


def test_the_api_has_all_words() -> None:
    for words, kinds in (
        (payloads.Cause, Cause),
        (payloads.Stage, Stage),
        (payloads.State, VmState),
    ):
        assert set(get_args(words)) == {kind.value for kind in kinds}


async def test_one_that_was_ended_for_all_needs_nothing_more(world: World) -> None:
    booked = await world.book(start=0, minutes=60)
    world.clock.advance(minutes=20)
    await world.services.bookings.end(ALICE, booked.booking.booking_id, "")
    view = await plan(world)
    assert (view.bookings, view.unplaced, view.machine_hours) == ([], [], 0)
