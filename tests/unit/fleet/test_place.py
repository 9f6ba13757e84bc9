"""The older planner: no booking without a machine while capacity exists, never above capacity."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.fleet.planner import Carrier, Load, place

START = datetime(2026, 6, 10, tzinfo=UTC)
CARRIERS = [Carrier("vm-0", 2, on=False), Carrier("vm-1", 2, on=False)]


def load(number: int, start: int, length: int, *, pinned: bool = False) -> Load:
    begin = START + timedelta(minutes=start)
    return Load(number, begin, begin + timedelta(minutes=length), pinned)


def peak(loads: list[Load]) -> int:
    return max((sum(o.start <= x.start < o.end for o in loads) for x in loads), default=0)


def test_a_running_machine_is_preferred_and_filled_first() -> None:
    carriers = [Carrier("vm-0", 2, on=False), Carrier("vm-1", 2, on=True)]
    plan = place([load(1, 0, 60), load(2, 0, 60), load(3, 0, 60)], carriers, {})
    assert plan == {1: "vm-1", 2: "vm-1", 3: "vm-0"}


def test_bookings_stay_where_they_are() -> None:
    assert place([load(1, 0, 60), load(2, 0, 60)], CARRIERS, {1: "vm-1"})[1] == "vm-1"


def test_those_of_a_lost_machine_move() -> None:
    assert place([load(1, 0, 60)], CARRIERS[:1], {1: "vm-1"}) == {1: "vm-0"}


def test_movable_bookings_make_room() -> None:
    """vm-0 is full now, vm-1 later: a long booking fits only when a later one moves."""
    now = [load(1, 0, 15, pinned=True), load(2, 0, 15, pinned=True)]
    later = [load(3, 20, 60), load(4, 20, 60)]
    current = {1: "vm-0", 2: "vm-0", 3: "vm-1", 4: "vm-1"}
    plan = place([*now, *later, load(5, 0, 60)], CARRIERS, current)
    assert plan.keys() == {1, 2, 3, 4, 5}
    assert plan[1] == plan[2] == "vm-0"


LOADS = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 120)), min_size=1, max_size=25).map(
    lambda pairs: [load(n, s, m) for n, (s, m) in enumerate(pairs)]
)


@given(LOADS)
def test_never_above_capacity(loads: list[Load]) -> None:
    plan = place(loads, CARRIERS, {})
    for carrier in CARRIERS:
        assert peak([x for x in loads if plan.get(x.booking_id) == carrier.name]) <= 2


@given(LOADS, st.data())
def test_no_booking_without_a_machine_while_capacity_exists(
    loads: list[Load], data: st.DataObject
) -> None:
    """Whatever the machines carry already, as long as it may move."""
    kept: list[Load] = []
    for one in loads:
        if peak([*kept, one]) <= 4:
            kept.append(one)
    first = data.draw(st.integers(0, len(kept)))
    current = place(kept[:first], CARRIERS, {})
    assert place(kept, CARRIERS, current).keys() == {x.booking_id for x in kept}
