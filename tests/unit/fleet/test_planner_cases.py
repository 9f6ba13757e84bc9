"""The planner: single cases, each a rule that a person could state."""

from __future__ import annotations

from datetime import timedelta

from shared.fleet.planner import plan
from shared.fleet.policy import Carrier, Cause, Load, Span, Warm
from tests.unit.fleet.plans import POLICY, at, hours, load, on, policy

TWO = [Carrier("vm-0", 2), Carrier("vm-1", 2)]


def test_a_running_machine_is_preferred_and_filled_first() -> None:
    carriers = [Carrier("vm-0", 2), Carrier("vm-1", 2, on=True)]
    found = plan([load(1, 0, 60), load(2, 0, 60), load(3, 0, 60)], carriers, POLICY)
    assert sorted(found.placed.values()) == ["vm-0", "vm-1", "vm-1"]


def test_bookings_stay_where_they_are_when_it_costs_little() -> None:
    """Together they would need one start less, and a machine for five minutes more."""
    loads = [load(1, 0, 60, "vm-0"), load(2, 110, 60, "vm-1")]
    found = plan(loads, TWO, POLICY)
    assert found.placed == {1: "vm-0", 2: "vm-1"}


def test_a_booking_moves_when_that_spares_much() -> None:
    found = plan([load(1, 0, 60, "vm-0"), load(2, 10, 60, "vm-1")], TWO, POLICY)
    assert len(set(found.placed.values())) == 1
    assert hours(found) == (30 + 70 + 15) / 60


def test_one_whose_call_could_begin_never_moves() -> None:
    loads = [load(1, 0, 60, "vm-0", pinned=True), load(2, 10, 60, "vm-1", pinned=True)]
    assert plan(loads, TWO, POLICY).placed == {1: "vm-0", 2: "vm-1"}


def test_pinned_bookings_stay_on_a_machine_that_is_closed_or_overfull() -> None:
    carriers = [Carrier("vm-0", 1, closed=at(500)), Carrier("vm-1", 2)]
    loads = [load(n, 0, 60, "vm-0", pinned=True) for n in (1, 2)]
    found = plan([*loads, load(3, 0, 60, "vm-0")], carriers, POLICY)
    assert found.placed == {1: "vm-0", 2: "vm-0", 3: "vm-1"}
    assert on(found, "vm-0") == [(-30, 75)]


def test_those_of_a_lost_machine_move() -> None:
    loads = [load(1, 0, 60, "vm-1", pinned=True)]
    assert plan(loads, TWO[:1], POLICY).placed == {1: "vm-0"}


def test_movable_bookings_make_room() -> None:
    """vm-0 is full now, vm-1 later: a long booking fits only when a later one moves."""
    now = [load(1, 0, 15, "vm-0", pinned=True), load(2, 0, 15, "vm-0", pinned=True)]
    later = [load(3, 20, 60, "vm-1"), load(4, 20, 60, "vm-1")]
    found = plan([*now, *later, load(5, 0, 60)], TWO, POLICY)
    assert not found.unplaced
    assert (found.placed[1], found.placed[2], found.placed[5]) == ("vm-0", "vm-0", "vm-1")


def test_machines_of_different_sizes_are_all_used() -> None:
    carriers = [Carrier("vm-0", 1), Carrier("vm-1", 3), Carrier("vm-2", 2)]
    found = plan([load(n, n, 60) for n in range(6)], carriers, POLICY)
    assert not found.unplaced


def test_with_too_few_machines_the_later_ones_find_none() -> None:
    found = plan([load(n, n, 60) for n in range(3, 0, -1)], [Carrier("vm-0", 2)], POLICY)
    assert set(found.placed) == {1, 2}
    assert found.unplaced == [3]


def test_no_machines() -> None:
    found = plan([load(1, 0, 60)], [], POLICY)
    assert (dict(found.placed), list(found.unplaced), dict(found.on)) == ({}, [1], {})


def test_another_pool_does_not_help() -> None:
    found = plan([load(1, 0, 60, pool=1)], TWO, POLICY)
    assert found.unplaced == [1]


def test_a_booking_that_begins_before_a_machine_opens_is_not_put_there() -> None:
    carriers = [Carrier("vm-0", 2, closed=at(30))]
    found = plan([load(1, 29, 60), load(2, 30, 60)], carriers, POLICY)
    assert found.placed == {2: "vm-0"}


def test_back_to_back_bookings_share_a_place() -> None:
    found = plan([load(1, 0, 60), load(2, 60, 60)], [Carrier("vm-0", 1)], POLICY)
    assert on(found, "vm-0") == [(-30, 135)]


def test_off_for_less_than_the_bridge_it_stays_on() -> None:
    one = [Carrier("vm-0", 1)]
    short = plan([load(1, 0, 60), load(2, 119, 60)], one, POLICY)
    assert on(short, "vm-0") == [(-30, 194)]
    assert short.on["vm-0"][0].causes == {Cause.BOOKINGS, Cause.BRIDGE}
    long = plan([load(1, 0, 60), load(2, 120, 60)], one, POLICY)
    assert on(long, "vm-0") == [(-30, 75), (90, 195)]
    assert long.on["vm-0"][0].causes == {Cause.BOOKINGS}


def test_a_hold_keeps_a_machine_on_and_is_bridged_too() -> None:
    carriers = [Carrier("vm-0", 1, holds=[Span(at(-70), at(-40))])]
    found = plan([load(1, 0, 60)], carriers, POLICY)
    assert on(found, "vm-0") == [(-70, 75)]
    assert found.on["vm-0"][0].causes == {Cause.HOLD, Cause.BRIDGE, Cause.BOOKINGS}


def test_a_booking_goes_to_the_machine_that_is_held_on() -> None:
    carriers = [Carrier("vm-0", 4), Carrier("vm-1", 2, holds=[Span(at(-60), at(120))])]
    found = plan([load(1, 0, 60)], carriers, POLICY)
    assert found.placed == {1: "vm-1"}


def test_the_margin_runs_from_the_end_of_a_booking_that_is_over() -> None:
    carriers = [Carrier("vm-0", 1, on=True, needed_until=at(-60))]
    assert on(plan([], carriers, POLICY), "vm-0") == [(-60, -45)]
    near = plan([load(1, -1, 60)], carriers, POLICY)
    assert on(near, "vm-0") == [(-60, 74)]
    assert Cause.BRIDGE in near.on["vm-0"][0].causes
    assert on(plan([load(1, 0, 60)], carriers, POLICY), "vm-0") == [(-60, -45), (-30, 75)]


def test_a_machine_that_is_off_already_is_not_started_for_its_margin() -> None:
    assert plan([], [Carrier("vm-0", 1, needed_until=at(-60))], POLICY).on == {}


def test_a_machine_that_would_be_bridged_gets_the_next_booking() -> None:
    """Of two that run, the one that was needed a moment ago: it need not stop and start."""
    carriers = [Carrier("vm-0", 2, on=True), Carrier("vm-1", 2, on=True, needed_until=at(-50))]
    assert plan([load(1, 0, 60)], carriers, POLICY).placed == {1: "vm-1"}


SPOT = [Carrier("vm-0", 1), Carrier("vm-9", 2, spot=True)]


def test_no_booking_on_a_spot_machine_unless_allowed() -> None:
    assert plan([load(1, 0, 60), load(2, 0, 60)], SPOT, POLICY).placed == {1: "vm-0"}


def test_spot_machines_carry_what_standard_ones_could_take_over() -> None:
    loads = [load(1, 0, 60), load(2, 0, 60)]
    found = plan(loads, SPOT, policy(spot=True))
    assert (found.placed, found.unplaced) == ({1: "vm-9"}, [2])
    closed = [Carrier("vm-0", 1, closed=at(1)), SPOT[1]]
    assert plan(loads, closed, policy(spot=True)).unplaced == [1, 2]


def test_a_pinned_booking_on_a_spot_machine_takes_nobodys_place() -> None:
    loads = [load(1, 0, 60, "vm-9", pinned=True), load(2, 0, 60)]
    found = plan(loads, SPOT, policy(spot=True))
    assert found.placed == {1: "vm-9", 2: "vm-0"}


def warm(start: int, end: int, machines: int) -> Warm:
    return Warm(at(start), at(end), machines)


def test_a_warm_window_without_bookings() -> None:
    found = plan([], TWO, policy(warm=[warm(0, 60, 1), warm(30, 90, 2)]))
    assert sorted([on(found, "vm-0"), on(found, "vm-1")]) == [[(0, 90)], [(30, 90)]]
    assert found.on["vm-0"][0].causes == {Cause.WARM}


def test_machines_that_are_on_for_bookings_count() -> None:
    found = plan([load(1, 30, 60)], TWO, policy(warm=[warm(0, 105, 1)]))
    assert list(found.on) == ["vm-0"]
    assert on(found, "vm-0") == [(0, 105)]


def test_one_that_is_on_next_to_it_is_topped_up() -> None:
    loads = [load(1, 0, 60, "vm-1")]
    after = plan(loads, TWO, policy(warm=[warm(60, 200, 1)]))
    assert (list(after.on), on(after, "vm-1")) == (["vm-1"], [(-30, 200)])
    assert after.on["vm-1"][0].causes == {Cause.BOOKINGS, Cause.WARM}
    before = plan(loads, TWO, policy(warm=[warm(-100, -30, 1)]))
    assert (list(before.on), on(before, "vm-1")) == (["vm-1"], [(-100, 75)])


def test_neither_spot_machines_nor_closed_ones_are_kept_warm() -> None:
    carriers = [Carrier("vm-0", 1, spot=True), Carrier("vm-1", 1, closed=at(30))]
    found = plan([], carriers, policy(spot=True, warm=[warm(0, 60, 2)]))
    assert {vm: on(found, vm) for vm in found.on} == {"vm-1": [(30, 60)]}


def test_a_warm_window_near_a_booking_is_bridged() -> None:
    found = plan([load(1, 100, 60)], TWO[:1], policy(warm=[warm(0, 56, 1)]))
    assert on(found, "vm-0") == [(0, 175)]
    assert found.on["vm-0"][0].causes == {Cause.WARM, Cause.BRIDGE, Cause.BOOKINGS}


def test_an_office_day_of_two_machines_takes_what_it_must() -> None:
    """Long ones together and short ones together: the second machine is off in the afternoon."""
    long = [Load(n, at(0), at(480)) for n in range(2)]
    short = [Load(n, at(0), at(60)) for n in range(2, 4)]
    found = plan([short[0], long[0], short[1], long[1]], TWO, POLICY)
    assert hours(found) == timedelta(minutes=480 + 60 + 2 * 45) / timedelta(hours=1)
