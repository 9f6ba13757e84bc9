"""Recurrence rules on the clocks of a time zone. Pure."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bookings.recurrence import MOST, occurrences
from shared.platform.i18n import Message
from shared.platform.problems import Problem

LATEST = datetime(2027, 6, 1, tzinfo=UTC)
LISBON = "Europe/Lisbon"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def series(start: str, end: str, rule: str, zone: str = LISBON) -> list[str]:
    times = occurrences(at(start), at(end), zone, rule, LATEST)
    return [begin.strftime("%m-%dT%H:%M") for begin, _ in times]


def refusal(start: str, end: str, rule: str, zone: str = LISBON) -> tuple[str, str]:
    with pytest.raises(Problem) as problem:
        series(start, end, rule, zone)
    (error,) = problem.value.errors
    assert problem.value.status == 400
    assert isinstance(error.message, Message)
    return error.field, error.message.en


def outcome(day: str, rule: str) -> str | int:
    try:
        count = len(series(f"{day}T09:00", f"{day}T10:00", rule))
    except Problem as problem:
        return problem.status
    return "a series" if 0 < count <= MOST else "nothing"


def test_nine_stays_nine_across_both_changes() -> None:
    autumn = series("2026-10-18T09:00", "2026-10-18T10:00", "FREQ=WEEKLY;COUNT=3")
    assert autumn == ["10-18T08:00", "10-25T09:00", "11-01T09:00"]
    spring = series("2027-03-21T09:00", "2027-03-21T10:00", "FREQ=WEEKLY;COUNT=2")
    assert spring == ["03-21T09:00", "03-28T08:00"]


def test_a_start_with_an_offset_is_a_moment_and_the_series_keeps_its_wall_clock() -> None:
    assert series("2026-10-18T08:00Z", "2026-10-18T09:00Z", "FREQ=WEEKLY;COUNT=2") == [
        "10-18T08:00", "10-25T09:00",
    ]  # fmt: skip


def test_a_time_that_does_not_exist_is_refused_with_its_date() -> None:
    field, message = refusal("2027-03-21T01:30", "2027-03-21T02:00", "FREQ=WEEKLY;COUNT=3")
    assert field == "start_time"
    assert "2027-03-28 01:30" in message


def test_of_a_time_that_comes_twice_the_first_is_meant() -> None:
    rule = "FREQ=WEEKLY;COUNT=2"
    assert series("2026-10-18T01:30", "2026-10-18T02:00", rule)[1] == "10-25T00:30"
    assert series("2026-10-25T01:30", "2026-10-25T02:30", rule)[0] == "10-25T00:30"


@pytest.mark.parametrize(("offset", "first"), [("+01:00", "10-25T00:30"), ("Z", "10-25T01:30")])
def test_unless_an_offset_says_which(offset: str, first: str) -> None:
    start, end = f"2026-10-25T01:30{offset}", f"2026-10-25T01:50{offset}"
    assert series(start, end, "FREQ=WEEKLY;COUNT=1") == [first]


def test_each_lasts_as_long_as_the_first() -> None:
    times = occurrences(
        at("2026-10-24T23:30"), at("2026-10-25T03:00"), LISBON, "FREQ=DAILY;COUNT=2", LATEST
    )
    assert {end - start for start, end in times} == {timedelta(hours=4.5)}


@pytest.mark.parametrize(
    ("rule", "dates"),
    [
        ("FREQ=DAILY;COUNT=3", ["06-10", "06-11", "06-12"]),
        ("RRULE:FREQ=WEEKLY;BYDAY=WE,FR;COUNT=3", ["06-10", "06-12", "06-17"]),
        ("FREQ=MONTHLY;BYDAY=2WE;COUNT=2", ["06-10", "07-08"]),
        ("FREQ=WEEKLY;INTERVAL=2;UNTIL=20260708", ["06-10", "06-24", "07-08"]),
        ("FREQ=WEEKLY;UNTIL=20260617T080000Z", ["06-10", "06-17"]),
        ("FREQ=WEEKLY;UNTIL=20260617T075959Z", ["06-10"]),
        ("freq=monthly;bymonthday=10;count=2", ["06-10", "07-10"]),
    ],
)
def test_rules(rule: str, dates: list[str]) -> None:
    found = series("2026-06-10T09:00", "2026-06-10T10:00", rule)
    assert [each[:5] for each in found] == dates


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ("", "FREQ"),
        ("FREQ=DAILY", "COUNT or UNTIL"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20260701", "COUNT or UNTIL"),
        ("FREQ=HOURLY;COUNT=2", "FREQ=HOURLY"),
        ("FREQ=DAILY;COUNT=0", "COUNT=0"),
        ("FREQ=DAILY;COUNT=105", "more than 104"),
        ("FREQ=DAILY;INTERVAL=0;COUNT=2", "INTERVAL=0"),
        ("FREQ=DAILY;BYEASTER=1;COUNT=2", "BYEASTER"),
        ("FREQ=DAILY;BYHOUR=9;COUNT=2", "BYHOUR"),
        ("FREQ=DAILY;COUNT=2;COUNT=3", "COUNT=3"),
        ("FREQ=WEEKLY;COUNT=80", "as far as one may book"),
        ("FREQ=WEEKLY;UNTIL=20300101", "as far as one may book"),
        ("FREQ=WEEKLY;UNTIL=20261399", "no date"),
        ("FREQ=MONTHLY;BYSETPOS=0;COUNT=2", "BYSETPOS=0"),
        ("FREQ=MONTHLY;BYDAY=+99MO;COUNT=2", "BYDAY=+99MO"),
        ("FREQ=MONTHLY;BYMONTH=13;COUNT=2", "BYMONTH=13"),
        ("FREQ=MONTHLY;BYMONTHDAY=999;COUNT=2", ""),
        ("DTSTART=20200101;FREQ=DAILY;COUNT=2", "DTSTART"),
        ("FREQ=DAILY\nCOUNT=2", ""),
    ],
)
def test_rules_that_are_refused(rule: str, word: str) -> None:
    field, message = refusal("2026-06-10T09:00", "2026-06-10T10:00", rule)
    assert field in ("rrule", "start_time")
    assert word in message


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=2",
        "FREQ=DAILY;BYSETPOS=5;BYDAY=MO;COUNT=1",
        "FREQ=WEEKLY;BYMONTHDAY=31;BYMONTH=2;COUNT=2",
        "FREQ=WEEKLY;BYSETPOS=9;BYDAY=WE;COUNT=2",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6;COUNT=2",
        "FREQ=DAILY;INTERVAL=7;BYDAY=MO;COUNT=2",
    ],
)
def test_a_rule_that_matches_nothing_is_not_searched_for_ever(rule: str) -> None:
    """Counted in steps of the library, not in seconds: it would take millions."""
    steps = 0

    def count(frame: FrameType, event: str, _: object) -> object:
        nonlocal steps
        if event == "call" and frame.f_code.co_name in ("ddayset", "wdayset", "mdayset", "ydayset"):
            steps += 1
        return None

    sys.setprofile(count)
    try:
        field, _ = refusal("2026-06-10T09:00", "2026-06-10T10:00", rule)
    finally:
        sys.setprofile(None)
    assert field == "start_time"
    assert 0 < steps < 28 * 366


@given(
    st.lists(
        st.sampled_from(
            ["BYDAY=", "BYMONTHDAY=", "BYMONTH=", "BYSETPOS=", "INTERVAL=", "COUNT=", "UNTIL="]
        ).flatmap(
            lambda name: st.from_regex(r"[-+]?[0-9A-Z,]{0,6}", fullmatch=True).map(name.__add__)
        ),
        max_size=4,
    ),
    st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
)
def test_whatever_the_rule_it_is_a_series_or_a_400(parts: list[str], freq: str) -> None:
    rule = ";".join([f"FREQ={freq}", *parts])
    assert outcome("2026-06-10", rule) in ("a series", 400)


@given(
    day=st.sampled_from(["MO", "WE", "+2WE", "-3WE", "+53MO", "-53WE", "5FR"]),
    freq=st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    more=st.sampled_from(["", ";BYMONTH=6,12", ";BYSETPOS=-1", ";BYMONTHDAY=10", ";INTERVAL=5"]),
    start=st.sampled_from(["2026-06-10", "2026-12-30", "2027-01-04", "2026-12-31"]),
)
def test_days_by_number(day: str, freq: str, more: str, start: str) -> None:
    rule = f"FREQ={freq};BYDAY={day}{more};UNTIL=20270501"
    assert outcome(start, rule) in ("a series", 400)


def test_a_start_that_the_rule_does_not_give() -> None:
    field, _ = refusal("2026-06-10T09:00", "2026-06-10T10:00", "FREQ=WEEKLY;BYDAY=MO;COUNT=2")
    assert field == "start_time"


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "../etc/passwd", "/etc/localtime", "", "é"])
def test_zones_that_are_none(zone: str) -> None:
    field, _ = refusal("2026-06-10T09:00", "2026-06-10T10:00", "FREQ=DAILY;COUNT=2", zone)
    assert field == "time_zone"


def test_one_with_an_offset_and_one_without() -> None:
    assert refusal("2026-06-10T09:00Z", "2026-06-10T10:00", "FREQ=DAILY;COUNT=1")[0] == "end_time"


def test_one_may_not_run_into_the_next() -> None:
    rule = "FREQ=DAILY;COUNT=3"
    assert refusal("2027-03-27T12:00", "2027-03-28T13:00", rule)[0] == "end_time"


@given(
    start=st.datetimes(at("2026-06-01"), at("2026-12-01")).map(
        lambda d: d.replace(second=0, microsecond=0)
    ),
    zone=st.sampled_from([LISBON, "America/New_York", "Australia/Lord_Howe", "UTC"]),
    freq=st.sampled_from(["DAILY", "WEEKLY", "MONTHLY"]),
    count=st.integers(1, 5),
)
def test_the_wall_clock_never_moves(start: datetime, zone: str, freq: str, count: int) -> None:
    from zoneinfo import ZoneInfo

    try:
        times = occurrences(
            start, start + timedelta(hours=1), zone, f"FREQ={freq};COUNT={count}", LATEST
        )
    except Problem:
        return  # a time that the clocks skip, or an end that they do
    assert len(times) == count <= MOST
    walls = {begin.astimezone(ZoneInfo(zone)).time() for begin, _ in times}
    assert walls == {start.time()}
