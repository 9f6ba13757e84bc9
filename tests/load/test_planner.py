"""The benchmark of the planner runs, small, and what it prints keeps within generous limits."""

from __future__ import annotations

import random

import pytest

from tests.load.planner import (
    BEGIN,
    CASES,
    Calls,
    bursts,
    heading,
    measure,
    month,
    office_week,
    quiet_week,
    running,
    spans_bound,
    tight_bound,
)

SMALL: dict[str, Calls] = {
    "quiet": quiet_week(random.Random(7)),
    "office": office_week(random.Random(7), per_day=30),
    "office, any minute": office_week(random.Random(7), per_day=30, grid=1),
    "bursts": bursts(random.Random(7), most=16),
    "month": month(random.Random(7), calls=600),
}


@pytest.mark.parametrize("name", SMALL)
def test_few_machine_hours(name: str) -> None:
    """A plain first-fit needs up to 15 % more than the tight bound."""
    result = measure(SMALL[name])
    assert 1 <= result.on / result.tight < 1.08
    assert result.spans <= result.tight
    assert result.on < result.always / 2


def test_thousands_take_no_longer_each_than_hundreds() -> None:
    """The time of one booking grows with what runs beside it, not with how many there are."""
    few, many = (measure(month(random.Random(7), calls=n)) for n in (600, 3_000))
    assert many.seconds / many.calls < 5 * few.seconds / few.calls


def test_the_bounds() -> None:
    """Two calls at once and, much later, one: on machines of one place."""
    calls = [(600, 660), (600, 660), (1000, 1030)]
    assert tight_bound(running(calls), 1) == 2 * (60 + 45) + 30 + 45
    assert spans_bound(calls, 1) == 2 * 60 + 30 + 45
    assert spans_bound(calls, 2) == 60 + 45 + 30 + 45


def test_it_prints_a_line_for_each() -> None:
    line = measure(SMALL["quiet"]).line("quiet week")
    assert len(line) == len(heading())
    assert len(CASES) == 7
    assert BEGIN.weekday() == 0
