"""Schedules, against the vendor's examples and an oracle that tries every moment."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.host.cron import DAYS, MONTHS, Schedule

NOON = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)  # a Wednesday
LIMITS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
NAMES: dict[int, tuple[str, ...]] = {4: MONTHS, 5: DAYS}

Item = tuple[str, frozenset[int]]


def after_noon(text: str) -> str:
    return Schedule.parse(text).next(NOON).isoformat()[:19].replace("T", " ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The vendor's table of examples.
        ("0 */5 * * * *", "2026-06-10 12:05:00"),
        ("0 0 * * * *", "2026-06-10 13:00:00"),
        ("0 0 */2 * * *", "2026-06-10 14:00:00"),
        ("0 0 9-17 * * *", "2026-06-10 13:00:00"),
        ("0 30 9 * * *", "2026-06-11 09:30:00"),
        ("0 30 9 * * 1-5", "2026-06-11 09:30:00"),
        ("0 30 9 * Jan Mon", "2027-01-04 09:30:00"),
        # Lists, steps, names, blanks.
        ("5,35 * * * * *", "2026-06-10 12:00:05"),
        ("0 1-10/4,59 * * * *", "2026-06-10 12:01:00"),
        ("50/5 * * * * *", "2026-06-10 12:00:50"),
        ("0 0 0 * * sunday", "2026-06-14 00:00:00"),
        ("0 0 0 * * 0", "2026-06-14 00:00:00"),
        ("0 0 0 1 DEC-dec *", "2026-12-01 00:00:00"),
        ("  0  */5 *\t* * * ", "2026-06-10 12:05:00"),
        # Five fields: at second 0.
        ("*/5 * * * *", "2026-06-10 12:05:00"),
        # Strictly after.
        ("0 0 12 * * *", "2026-06-11 12:00:00"),
        # Day of month AND day of week, where Unix cron would take either.
        ("0 0 0 13 * FRI", "2026-11-13 00:00:00"),
        ("0 0 0 29 2 *", "2028-02-29 00:00:00"),
        ("59 59 23 31 12 *", "2026-12-31 23:59:59"),
        # Intervals.
        ("01:30:00", "2026-06-10 13:30:00"),
        ("00:00:05", "2026-06-10 12:00:05"),
        ("1.02:00:00", "2026-06-11 14:00:00"),
        ("24:00:00", "2026-07-04 12:00:00"),
    ],
)
def test_the_next_occurrence(text: str, expected: str) -> None:
    assert after_noon(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("* * * * * * *", "7 fields"),
        ("60 * * * * *", "60 is not from 0 to 59"),
        ("* * 24 * * *", "24 is not from 0 to 23"),
        ("* * * 0 * *", "0 is not from 1 to 31"),
        ("* * * * 13 *", "13 is not from 1 to 12"),
        ("* * * * * 7", "7 is not from 0 to 6"),
        ("* * * * * FRI-MON", "ends before it starts"),
        ("0 30-10 * * * *", "ends before it starts"),
        ("*/0 * * * * *", "a step is 1 or more"),
        ("*/ * * * * *", "'' is not understood"),
        ("1,,2 * * * * *", "'' is not understood"),
        ("-5 * * * * *", "'' is not understood"),
        ("1-2-3 * * * * *", "'2-3' is not understood"),
        ("*-5 * * * * *", "'*' is not understood"),
        ("1.5 * * * * *", "'1.5' is not understood"),
        ("٣ * * * * *", "is not understood"),
        ("* * * L * *", "'L' is not understood"),
        ("* * * * FOO *", "'FOO' is not understood"),
        ("* * * * * JAN", "'JAN' is not understood"),
        ("@hourly", "1 fields"),
        ("00:00:00", "zero"),
        ("00:60:00", "too large"),
        ("1.24:00:00", "too large"),
        ("1:2:3", "neither"),
    ],
)
def test_a_bad_expression_is_a_sentence(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"^(The|'.*' as the) .*\.$") as error:
        Schedule.parse(text)
    assert reason in str(error.value)


@pytest.mark.parametrize("text", ["0 0 0 30 2 *", "0 0 0 31 4,6,9,11 *"])
def test_a_date_that_never_comes_raises_soon(text: str) -> None:
    began = time.monotonic()
    with pytest.raises(ValueError, match="never comes"):
        Schedule.parse(text).next(NOON)
    assert time.monotonic() - began < 1


def test_a_leap_day_is_found_across_a_century_without_one() -> None:
    start = datetime(2096, 3, 1, tzinfo=UTC)
    assert Schedule.parse("0 0 0 29 2 *").next(start).year == 2104
    # The rarest date there is: 40 years apart.
    rare = Schedule.parse("0 0 0 29 2 WED").next(datetime(2288, 2, 29, tzinfo=UTC))
    assert rare.date() == date(2328, 2, 29)


def test_other_zones_are_brought_to_utc_and_fractions_count() -> None:
    lisbon = timezone(timedelta(hours=1))
    late = datetime(2026, 6, 10, 12, 59, 59, 999_999, tzinfo=lisbon)
    found = Schedule.parse("* * * * * *").next(late)
    assert found == NOON
    assert found.tzinfo is UTC


@st.composite
def items(draw: st.DrawFn, index: int) -> Item:
    """One part of a list: its text, and the values it stands for."""
    least, most = LIMITS[index]
    values = st.integers(least, most)
    kind = draw(st.sampled_from(["star", "single", "range", "from"]))
    step = draw(st.integers(1, 70)) if draw(st.booleans()) else 1
    suffix = f"/{step}" if step > 1 else ""
    if kind == "star":
        return f"*{suffix}", frozenset(range(least, most + 1, step))
    first = draw(values)
    if kind == "single":
        return draw(spelled(index, first)), frozenset({first})
    if kind == "from":
        chosen = range(first, most + 1, step) if step > 1 else [first]
        return f"{draw(spelled(index, first))}{suffix}", frozenset(chosen)
    last = draw(st.integers(first, most))
    text = f"{draw(spelled(index, first))}-{draw(spelled(index, last))}{suffix}"
    return text, frozenset(range(first, last + 1, step))


def spelled(index: int, value: int) -> st.SearchStrategy[str]:
    options = [str(value), f"{value:02}"]
    if index in NAMES:
        name = NAMES[index][value - LIMITS[index][0]]
        options += [name, name[:3].upper(), name[:3].lower()]
    return st.sampled_from(options)


@st.composite
def schedules(draw: st.DrawFn) -> tuple[str, list[frozenset[int]]]:
    texts, sets = [], []
    for index in range(6):
        parts = draw(st.lists(items(index), min_size=1, max_size=3))
        texts.append(",".join(text for text, _ in parts))
        sets.append(frozenset[int]().union(*(values for _, values in parts)))
    return " ".join(texts), sets


def oracle(sets: list[frozenset[int]], after: datetime, days: int) -> datetime | None:
    """Tries every day and every second of it."""
    seconds, minutes, hours, month_days, months, weekdays = sets
    for ahead in range(days):
        day = (after + timedelta(days=ahead)).date()
        weekday = (day.weekday() + 1) % 7
        if day.day not in month_days or day.month not in months or weekday not in weekdays:
            continue
        for of_day in range(86_400):
            hour, rest = divmod(of_day, 3600)
            minute, second = divmod(rest, 60)
            if second in seconds and minute in minutes and hour in hours:
                found = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC)
                if found > after:
                    return found
    return None


@settings(max_examples=80, deadline=None)
@given(
    schedules(),
    st.integers(0, 8 * 366 * 86_400_000_000).map(
        lambda microseconds: NOON + timedelta(microseconds=microseconds)
    ),
)
def test_it_agrees_with_the_oracle(
    schedule: tuple[str, list[frozenset[int]]], after: datetime
) -> None:
    text, sets = schedule
    days = 3 * 366
    expected = oracle(sets, after, days)
    if expected is not None:
        assert Schedule.parse(text).next(after) == expected, text
        return
    with suppress(ValueError):  # it may never come
        found = Schedule.parse(text).next(after)
        assert found.date() >= (after + timedelta(days=days)).date(), text
