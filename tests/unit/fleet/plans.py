"""Bookings and machines for tests of the planner, in minutes from START; and what every plan keeps,
counted the slow and plain way."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from shared.fleet.models import EPOCH
from shared.fleet.policy import Carrier, Load, Plan, Policy, Span

START = datetime(2026, 6, 10, tzinfo=UTC)
DAY = 24 * 60


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def minutes(moment: datetime) -> float:
    return (moment - START) / timedelta(minutes=1)


def policy(**changes: Any) -> Policy:
    times = {"lead": 30, "margin": 15, "bridge": 15}
    times |= {name: changes.pop(name) for name in list(changes) if name in times}
    return Policy(**{name: timedelta(minutes=n) for name, n in times.items()}, **changes)


POLICY = policy()


def load(number: int, start: int, length: int, vm: str = "", **more: Any) -> Load:
    return Load(number, at(start), at(start + length), vm, **more)


def on(plan: Plan, vm: str) -> list[tuple[float, float]]:
    return [(minutes(o.start), minutes(o.end)) for o in plan.on.get(vm, ())]


def hours(plan: Plan) -> float:
    spans = (one.end - one.start for each in plan.on.values() for one in each)
    return sum(spans, timedelta()) / timedelta(hours=1)


def peak(loads: Iterable[Load]) -> int:
    inside = list(loads)
    return max((sum(o.start <= x.start < o.end for o in inside) for x in inside), default=0)


def carried(plan: Plan, loads: Collection[Load], vm: str) -> list[Load]:
    return [x for x in loads if plan.placed.get(x.booking_id) == vm]


def staying(loads: Collection[Load], plan: Plan) -> list[Load]:
    """The same bookings, where the plan has put them."""
    return [
        Load(x.booking_id, x.start, x.end, plan.placed.get(x.booking_id, ""), x.pinned, x.pool)
        for x in loads
    ]


def check(plan: Plan, loads: Collection[Load], carriers: Sequence[Carrier], policy: Policy) -> None:
    """What holds whatever is planned."""
    assert plan.placed.keys() | set(plan.unplaced) == {x.booking_id for x in loads}
    assert not plan.placed.keys() & set(plan.unplaced)
    for carrier in carriers:
        mine = carried(plan, loads, carrier.name)
        _check_places(mine, carrier, policy)
        _check_on_time(plan, mine, carrier, policy)


def _is_fixed(one: Load, carrier: Carrier) -> bool:
    return one.pinned and one.vm == carrier.name


def _check_places(mine: Sequence[Load], carrier: Carrier, policy: Policy) -> None:
    for one in mine:
        if _is_fixed(one, carrier):
            continue
        assert one.pool == carrier.pool
        assert one.start >= carrier.closed
        assert policy.spot or not carrier.spot
        # Nothing is added to what is too much already.
        for moment in {one.start, *(x.start for x in mine if one.start <= x.start < one.end)}:
            assert sum(x.start <= moment < x.end for x in mine) <= carrier.capacity


def _check_on_time(plan: Plan, mine: Sequence[Load], carrier: Carrier, policy: Policy) -> None:
    stretches = plan.on.get(carrier.name, ())
    for one in stretches:
        assert one.start < one.end
        assert one.causes
    for before, after in pairwise(stretches):
        assert after.start > before.end
        assert after.start - before.end >= policy.bridge
    for span in _needed(mine, carrier, policy):
        assert any(o.start <= span.start and span.end <= o.end for o in stretches), (span, carrier)


def _needed(mine: Sequence[Load], carrier: Carrier, policy: Policy) -> list[Span]:
    needed = [Span(x.start - policy.lead, x.end + policy.margin) for x in mine]
    needed += carrier.holds
    if carrier.on and carrier.needed_until > EPOCH:
        needed.append(Span(carrier.needed_until, carrier.needed_until + policy.margin))
    return [span for span in needed if span.start < span.end]


def loads_of(most: int = 30, span: int = 400) -> st.SearchStrategy[list[Load]]:
    pairs = st.tuples(st.integers(0, span), st.integers(1, 150))
    return st.lists(pairs, min_size=1, max_size=most).map(
        lambda found: [load(n, s, m) for n, (s, m) in enumerate(found)]
    )


def fitting(loads: Iterable[Load], capacity: int) -> list[Load]:
    """As many of these as never exceed the capacity."""
    kept: list[Load] = []
    for one in loads:
        if peak([*kept, one]) <= capacity:
            kept.append(one)
    return kept
