"""The planner: what holds whatever is booked, by hypothesis."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.fleet.planner import plan
from shared.fleet.policy import Carrier, Load, Policy, Span, Warm
from tests.unit.fleet.plans import (
    at,
    carried,
    check,
    fitting,
    loads_of,
    peak,
    policy,
    staying,
)

quick = settings(max_examples=60, deadline=None)

POLICIES = st.builds(
    policy,
    lead=st.sampled_from([0, 20, 30]),
    margin=st.sampled_from([0, 15]),
    bridge=st.sampled_from([0, 15, 40]),
    spot=st.booleans(),
    warm=st.lists(
        st.builds(
            lambda start, length, n: Warm(at(start), at(start + length), n),
            st.integers(-100, 500),
            st.integers(1, 300),
            st.integers(1, 3),
        ),
        max_size=2,
    ),
)


@st.composite
def fleets(draw: st.DrawFn, pools: int = 2) -> list[Carrier]:
    """Of all sorts."""
    return [
        Carrier(
            f"vm-{n}",
            draw(st.integers(1, 3)),
            on=draw(st.booleans()),
            spot=draw(st.booleans()),
            pool=draw(st.integers(0, pools - 1)),
            closed=at(draw(st.sampled_from([-10_000, -10_000, 100, 300]))),
            holds=[
                Span(at(s), at(s + 45)) for s in draw(st.lists(st.integers(0, 400), max_size=1))
            ],
            needed_until=at(draw(st.sampled_from([-30, -5, 0]))),
        )
        for n in range(draw(st.integers(0, 5)))
    ]


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Load], list[Carrier]]:
    """Bookings of which some are on machines, also on such as are gone, and some pinned there."""
    carriers = draw(fleets())
    names = st.sampled_from(["", "gone", *(c.name for c in carriers)])
    loads = [
        replace(x, vm=draw(names), pinned=draw(st.booleans()), pool=draw(st.integers(0, 1)))
        for x in draw(loads_of(18))
    ]
    return loads, carriers


@quick
@given(situations(), POLICIES, st.booleans())
def test_what_every_plan_keeps(
    situation: tuple[list[Load], list[Carrier]], policy: Policy, hasty: bool
) -> None:
    """Never above capacity, never off when needed, no gap that should be bridged; and those that
    are pinned stay."""
    loads, carriers = situation
    found = plan(loads, carriers, policy, quick=hasty)
    check(found, loads, carriers, policy)
    names = {c.name for c in carriers}
    for one in loads:
        if one.pinned and one.vm in names:
            assert found.placed[one.booking_id] == one.vm


@quick
@given(situations(), POLICIES, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(
    situation: tuple[list[Load], list[Carrier]], policy: Policy, chance: random.Random
) -> None:
    loads, carriers = situation
    first = plan(loads, carriers, policy)
    mixed = plan(chance.sample(loads, len(loads)), chance.sample(carriers, len(carriers)), policy)
    assert mixed == first
    assert list(mixed.on) == list(first.on)


@quick
@given(situations(), POLICIES)
def test_planned_again_nobody_moves(
    situation: tuple[list[Load], list[Carrier]], policy: Policy
) -> None:
    loads, carriers = situation
    first = plan(loads, carriers, policy)
    assert plan(staying(loads, first), carriers, policy) == first


@quick
@given(situations(), POLICIES)
def test_in_haste_whoever_has_a_machine_stays_there_unless_one_finds_no_place(
    situation: tuple[list[Load], list[Carrier]], policy: Policy
) -> None:
    """And who has a place after that keeps it the next time."""
    loads, carriers = situation
    first = plan(loads, carriers, policy, quick=True)
    again = plan(staying(loads, first), carriers, policy, quick=True)
    if not first.unplaced:
        assert again.placed == first.placed


@quick
@given(loads_of(), st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data(), st.booleans())
def test_no_booking_without_a_machine_while_capacity_exists(
    loads: list[Load], capacities: list[int], data: st.DataObject, hasty: bool
) -> None:
    """Whatever the machines carry already, as long as it may move."""
    carriers = [Carrier(f"vm-{n}", capacity) for n, capacity in enumerate(capacities)]
    somewhere = st.sampled_from(["", *(c.name for c in carriers)])
    kept = [replace(x, vm=data.draw(somewhere)) for x in fitting(loads, sum(capacities))]
    assert not plan(kept, carriers, policy(), quick=hasty).unplaced


@quick
@given(loads_of(), fleets(pools=1), st.booleans(), st.booleans())
def test_with_too_few_machines_a_booking_goes_without_only_when_all_are_full(
    loads: list[Load], carriers: list[Carrier], spot: bool, hasty: bool
) -> None:
    """Full of those that start earlier, at some moment of it."""
    found = plan(loads, carriers, policy(spot=spot), quick=hasty)
    order = sorted(loads, key=lambda x: (x.start, x.booking_id))
    for n, one in enumerate(order):
        if one.booking_id in found.placed:
            continue
        standing = [x for x in order[:n] if x.booking_id in found.placed and x.end > one.start]
        standard = [c for c in carriers if not c.spot and c.closed <= one.start]
        assert len(standing) >= sum(c.capacity for c in standard)


@quick
@given(loads_of(), fleets(pools=1), st.booleans())
def test_standard_machines_could_take_over_what_spot_machines_carry(
    loads: list[Load], carriers: list[Carrier], hasty: bool
) -> None:
    found = plan(loads, carriers, policy(spot=True), quick=hasty)
    for moment in {x.start for x in loads}:
        running = [x for x in loads if x.start <= moment < x.end and x.booking_id in found.placed]
        standard = sum(c.capacity for c in carriers if not c.spot and c.closed <= moment)
        assert len(running) <= standard


@quick
@given(loads_of(), fleets(pools=1))
def test_without_the_policy_nothing_is_on_spot_machines(
    loads: list[Load], carriers: list[Carrier]
) -> None:
    found = plan(loads, carriers, policy())
    spot = {c.name for c in carriers if c.spot}
    assert not spot & set(found.placed.values())


@quick
@given(situations(), POLICIES)
def test_warm_windows_are_met_as_far_as_there_are_machines(
    situation: tuple[list[Load], list[Carrier]], policy: Policy
) -> None:
    loads, carriers = situation
    found = plan(loads, carriers, policy)
    pools = {c.pool for c in carriers}
    for minute in range(-100, 801, 7):
        moment = at(minute)
        wanted = max((w.machines for w in policy.warm if w.start <= moment < w.end), default=0)
        for pool in pools:
            may = [c for c in carriers if c.pool == pool and not c.spot and c.closed <= moment]
            running = sum(
                any(o.start <= moment < o.end for o in found.on.get(c.name, ())) for c in may
            )
            assert running >= min(wanted, len(may))


@quick
@given(loads_of(12))
def test_sharing_machines_takes_no_more_than_one_for_each(
    loads: list[Load],
) -> None:
    """A start that is spared may cost as much as what is bridged."""
    carriers = [Carrier(f"vm-{n}", 4) for n in range(12)]
    found = plan(loads, carriers, policy())
    together = sum((o.end - o.start for each in found.on.values() for o in each), timedelta())
    alone = sum((x.end - x.start + timedelta(minutes=45 + 15) for x in loads), timedelta())
    assert together <= alone
    assert peak(carried(found, loads, "vm-0")) <= 4
